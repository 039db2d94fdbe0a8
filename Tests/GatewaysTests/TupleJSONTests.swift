import Testing
import TupleSpace

@testable import Gateways

@Suite("Tuples and templates in JSON")
struct TupleJSONTests {
    private func tuple(_ text: String) throws -> Tuple { try TupleJSON.tuple(JSONParser.parse(Array(text.utf8))) }
    private func template(_ text: String) throws -> Template {
        try TemplateJSON.template(JSONParser.parse(Array(text.utf8)))
    }
    private func print(_ tuple: Tuple) -> String { String(decoding: TupleJSON.json(tuple).bytes, as: UTF8.self) }

    @Test("every value has one text")
    func texts() throws {
        let value = Tuple([
            .null, .bool(true), .int(5), .double(5), .string("x"), .bytes([0, 1]), .symbol("s"),
            .list([.int(1), .list([])]),
            .map([.init(key: "a", value: .null), .init(key: "b", value: .int(2))]),
        ])
        let text = #"[null,true,5,5.0,"x",{"bytes":"AAE="},{"symbol":"s"},[1,[]],{"map":{"a":null,"b":2}}]"#
        #expect(print(value) == text)
        #expect(try print(tuple(text)) == text)
    }

    @Test("ints that doubles would round are written as text, and read either way")
    func greatInts() throws {
        #expect(print(Tuple([.int(1 << 53)])) == "[9007199254740992]")
        #expect(print(Tuple([.int(1 << 53 + 1)])) == #"[{"int":"9007199254740993"}]"#)
        #expect(print(Tuple([.int(.min)])) == #"[{"int":"-9223372036854775808"}]"#)
        #expect(try tuple("[9007199254740993]") == tuple(#"[{"int":"9007199254740993"}]"#))
    }

    @Test("any tuple comes back as it went")
    func roundTrip() throws {
        var generator = SeededGenerator(state: 11)
        for _ in 0..<2_000 {
            let original = Tuple(
                (0..<Int.random(in: 1...6, using: &generator)).map { _ in Self.value(depth: 0, &generator) })
            let back = try TupleJSON.tuple(JSONParser.parse(TupleJSON.json(original).bytes))
            #expect(print(back) == print(original))
            #expect(back == original)
        }
    }

    private static func value(depth: Int, _ generator: inout SeededGenerator) -> Value {
        let strings = ["", "a", "é", "e\u{301}", "\u{0}\n\"\\", "𝄞", "null"]
        switch Int.random(in: 0..<(depth < 4 ? 9 : 7), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .int(Int64(bitPattern: generator.next()))
        case 3:
            let double = Double(bitPattern: generator.next())
            return .double(double.isFinite ? double : 0.5)
        case 4: return .string(strings.randomElement(using: &generator)!)
        case 5: return .bytes((0..<Int.random(in: 0..<9, using: &generator)).map { UInt8($0 * 31) })
        case 6: return .symbol(strings.randomElement(using: &generator)!)
        case 7:
            return .list(
                (0..<Int.random(in: 0..<4, using: &generator)).map { _ in value(depth: depth + 1, &generator) })
        default:
            let keys = Set(["a", "b", "é", ""].filter { _ in Bool.random(using: &generator) })
            let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            return .map(sorted.map { .init(key: $0, value: value(depth: depth + 1, &generator)) })
        }
    }

    @Test(
        "what is wrong is named with its place",
        arguments: [
            ("7", "tuple: a tuple is an array, not an integer"),
            ("[]", "tuple: a tuple has 1 to 64 fields, not 0"),
            (
                #"[1,{"x":1}]"#,
                #"tuple[1]: an object here is one of {"bytes":"base64"}, {"symbol":"x"}, {"map":{…}} and {"int":"…"}"#
            ),
            (
                "[{}]",
                #"tuple[0]: an object here is one of {"bytes":"base64"}, {"symbol":"x"}, {"map":{…}} and {"int":"…"}"#
            ),
            (#"[0,1,{"map":{"x":{"bytes":"?"}}}]"#, "tuple[2].map.x.bytes: not base64 (RFC 4648, with padding)"),
            (#"[[1,{"int":"007"}]]"#, "tuple[0][1].int: not a 64-bit integer in decimal"),
            (#"[{"int":7}]"#, "tuple[0].int: a string belongs here, not an integer"),
            (#"[{"map":[]}]"#, "tuple[0].map: an object belongs here, not an array"),
        ])
    func wrongTuples(text: String, message: String) {
        let error = #expect(throws: InvalidJSONValue.self) { try tuple(text) }
        #expect(error?.description == message)
    }

    @Test("lists and maps nest 32 deep and no deeper")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            "[" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "]"
        }
        func maps(_ depth: Int) -> String {
            "[" + String(repeating: #"{"map":{"a":"#, count: depth) + "1" + String(repeating: "}}", count: depth) + "]"
        }
        _ = try tuple(nested(32))
        _ = try tuple(maps(32))
        #expect(throws: InvalidJSONValue.self) { try tuple(nested(33)) }
        #expect(throws: InvalidJSONValue.self) { try tuple(maps(33)) }
    }

    @Test("a template's fields are values and patterns")
    func templates() throws {
        let read = try template(
            #"[null,1,"x",{"type":"string"},{"range":[1,2.5]},{"range":["a","b"],"open":true},{"prefix":"p"},{"symbol":"s"}]"#
        )
        #expect(
            read
                == Template([
                    .any, .literal(.int(1)), .literal(.string("x")), .type(.string),
                    .range(lower: .int(1), upper: .double(2.5), open: false),
                    .range(lower: .string("a"), upper: .string("b"), open: true), .prefix("p"), .literal(.symbol("s")),
                ]))
        for type in ValueType.allCases { #expect(try template(#"[{"type":"\#(type)"}]"#) == Template([.type(type)])) }
        #expect(try TemplateJSON.template(JSONParser.parse(TemplateJSON.json(read).bytes)) == read)
    }

    @Test(
        "a wrong template is named with its place",
        arguments: [
            (#"[{"type":"strng"}]"#, "template[0].type"), (#"[{"type":1}]"#, "template[0].type"),
            (#"[{"range":[1]}]"#, "template[0].range"),
            (#"[{"range":[1,"a"]}]"#, "template[0].range"), (#"[{"range":[1,2],"open":1}]"#, "template[0].open"),
            (#"[{"prefix":1}]"#, "template[0].prefix"), (#"[1,{"typ":"string"}]"#, "template[1]"), ("[]", "template"),
            (#"[{"open":true}]"#, "template[0]"),
        ])
    func wrongTemplates(text: String, path: String) {
        let error = #expect(throws: InvalidJSONValue.self) { try template(text) }
        #expect(error?.path == path)
    }

    @Test("regular expressions are read and written, and what is not of their dialect is told")
    func regex() throws {
        #expect(try template(#"[{"regex":"^a+$"}]"#) == Template([.regex("^a+$")]))
        #expect(TemplateJSON.json(Template([.regex("^a+$")])).text == #"[{"regex":"^a+$"}]"#)
        let error = #expect(throws: InvalidJSONValue.self) { try template(#"[1,{"regex":"a(b"}]"#) }
        #expect(error?.path == "template[1].regex" && error?.reason == "at character 4: a ) is missing")
        #expect(throws: InvalidJSONValue.self) { try template(#"[{"regex":5}]"#) }
    }
}
