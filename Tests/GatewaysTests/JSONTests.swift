import Testing

@testable import Gateways

@Suite("The JSON parser")
struct JSONTests {
    private func parse(_ text: String) throws -> JSON { try JSONParser.parse(Array(text.utf8)) }
    private func reprint(_ text: String) throws -> String { String(decoding: try parse(text).bytes, as: UTF8.self) }

    @Test(
        "reads what the standard allows",
        arguments: [
            ("null", "null"), (" [ true , false ] ", "[true,false]"), ("{}", "{}"), ("[]", "[]"), ("-0", "0"),
            ("12", "12"),
            ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
            ("1.0", "1.0"), ("-0.0", "-0.0"), ("1e2", "100.0"), ("1E-2", "0.01"), ("1e40", "1e+40"),
            (#""aé\u00e9\ud834\udd1e\/\n""#, #""aéé𝄞/\n""#), (#"{"a":{"b":[1,2.5]}}"#, #"{"a":{"b":[1,2.5]}}"#),
            (#""\u0000""#, #""\u0000""#),
        ] as [(String, String)])
    func valid(text: String, printed: String) throws {
        #expect(try reprint(text) == printed)
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", " ", "nul", "nulll", "truefalse", "[1,]", "[,1]", "[1 2]", "[", "]", "{\"a\":1,}", "{\"a\"}", "{a:1}",
            "{\"a\":}",
            "{\"a\":1 \"b\":2}", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "1e999", "-1e999",
            "9223372036854775808", "-9223372036854775809", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "\"a\u{1}b\"", "'a'", "// x\n1", "1 1",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}", "\u{feff}1",
        ])
    func invalid(text: String) {
        #expect(throws: MalformedJSON.self) { try parse(text) }
    }

    @Test(
        "refuses bytes that are not UTF-8",
        arguments: [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]] as [[UInt8]])
    func notUTF8(bytes: [UInt8]) {
        #expect(throws: MalformedJSON.self) { try JSONParser.parse([0x22] + bytes + [0x22]) }
    }

    @Test("names the place, by line and column")
    func place() {
        #expect(throws: MalformedJSON(reason: "expected ',' or ']' in an array", line: 2, column: 4)) {
            try parse("[1,\n 2 3]")
        }
        #expect(throws: MalformedJSON(reason: "the name \"a\" appears twice in an object", line: 1, column: 8)) {
            try parse(#"{"a":1,"a":2}"#)
        }
    }

    @Test("bounds its depth")
    func depth() throws {
        let most = JSONParser.maximumDepth
        _ = try parse(String(repeating: "[", count: most) + String(repeating: "]", count: most))
        #expect(throws: MalformedJSON.self) {
            try parse(String(repeating: "[", count: most + 1) + String(repeating: "]", count: most + 1))
        }
        #expect(throws: MalformedJSON.self) { try parse(String(repeating: "{\"a\":", count: 1_000_000)) }
        // Siblings are not nested.
        _ = try parse("[" + String(repeating: "[],", count: 1_000) + "[]]")
    }

    @Test("keeps ints and doubles apart, and both exact")
    func numbers() throws {
        guard case .int(9_007_199_254_740_993) = try parse("9007199254740993") else { throw RawClient.NoReply() }
        guard case .double(5) = try parse("5.0") else { throw RawClient.NoReply() }
        var generator = SeededGenerator(state: 3)
        for _ in 0..<5_000 {
            let double = Double(bitPattern: generator.next())
            guard double.isFinite else { continue }
            guard case .double(let back) = try JSONParser.parse(JSON.double(double).bytes) else {
                throw RawClient.NoReply()
            }
            #expect(back.bitPattern == double.bitPattern)
        }
    }

    @Test("survives any bytes: mutated texts parse or throw")
    func fuzz() {
        let seed = Array(
            #"{"tuple":["a",1.5e3,{"map":{"x":[null,true,{"bytes":"AAE="}]}},"\ud834\udd1e"],"lease":-12}"#.utf8)
        var generator = SeededGenerator(state: 7)
        var parsed = 0
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(seed.randomElement(using: &generator)!, at: place)
                default: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0..<8, using: &generator)))
                }
            }
            guard let json = try? JSONParser.parse(bytes) else { continue }
            parsed += 1
            #expect((try? JSONParser.parse(json.bytes))?.bytes == json.bytes)
        }
        #expect(parsed > 100)
    }

    @Test("base64 is strict and comes back as it went")
    func base64() {
        var generator = SeededGenerator(state: 5)
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode(Array("fo".utf8)) == "Zm8=" && Base64.encode(Array("foo".utf8)) == "Zm9v")
        for bad in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "=Zg=", "Z===", "Zm9v\n", "Zm-v", "Zg==Zg=="] {
            #expect(Base64.decode(bad) == nil)
        }
    }
}

/// SplitMix64: the same values in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
