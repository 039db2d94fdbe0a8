import ByteCoding
import Microblog

@testable import Gateways
@testable import TupleSpace

extension FuzzTarget {
    static let gateways = [
        FuzzTarget(
            "json", decoders: ["Gateways.JSONParser.parse(_:)"], factor: 512, base: 256 << 10, seeds: jsonSeeds
        ) { bytes, tamper in
            guard let json = try? JSONParser.parse([UInt8](bytes)) else { return .refused }
            let text = tamper(json.bytes)
            guard let again = try? JSONParser.parse(text) else { throw Finding("what is written cannot be read") }
            try require(again.bytes == json.bytes, "what is written is read as something else")
            return .accepted
        },
        FuzzTarget(
            "tuple-json",
            decoders: [
                "Gateways.JSONText.tuple(_:)", "Gateways.JSONText.template(_:)", "Gateways.TupleJSON.tuple(_:path:)",
                "Gateways.TupleJSON.value(_:path:depth:)", "Gateways.TemplateJSON.template(_:path:)",
            ],
            factor: 1_024, base: 256 << 10, seeds: tupleJSONSeeds, check: checkTupleJSON),
        FuzzTarget(
            "http-parameters",
            decoders: [
                "Gateways.PercentCoding.decode(_:plusIsSpace:)", "Gateways.PercentCoding.pairs(_:)",
                "Gateways.Base64.decode(_:)", "TupleSpace.Position.init(_:)",
            ],
            factor: 512, base: 256 << 10, seeds: parameterSeeds, check: checkParameters),
        FuzzTarget(
            "fortune-file", decoders: ["Microblog.FortuneFile.init(name:bytes:)"], factor: 2_048, base: 1 << 20,
            seeds: fortuneSeeds, check: checkFortunes),
    ]

    private static func jsonSeeds() -> [[UInt8]] {
        [
            #"{"a":[1,-2.5e3,true,false,null,"x\u00e9\n\ud83d\ude00"],"b":{}}"#, " [ ] ", "-0", "1e308", "0.1",
            "9223372036854775807", "[[[[[[[[[[]]]]]]]]]]", #""\"\\\/\b\f\r\t""#, "{\"é\":\"\u{7f}\"}",
        ].map { Array($0.utf8) }
    }

    // MARK: Tuples

    private static func checkTupleJSON(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let text = String(decoding: bytes, as: UTF8.self)
        var verdict = Verdict.refused
        if let tuple = try? JSONText.tuple(text) {
            verdict = .accepted
            let again = try? JSONText.tuple(String(decoding: tamper(JSONText.json(tuple).bytes), as: UTF8.self))
            guard let again else { throw Finding("the JSON of a tuple is refused: \(tuple)") }
            let pair = [tuple, again].map { encoded($0) { $0.encode(into: &$1) } }
            try require(pair[0] == pair[1], "the JSON of a tuple is another tuple: \(again) instead of \(tuple)")
            let decodes = try pair[0].withUnsafeBytes { raw in try decoded(raw) { try Tuple(from: &$0) } != nil }
            try require(decodes || pair[0].count > Limits.tupleBytes, "a tuple of JSON cannot be stored: \(tuple)")
        }
        if let template = try? JSONText.template(text) {
            verdict = .accepted
            guard (try? template.validate()) != nil else { return verdict }
            let bytes = encoded(template) { $0.encode(into: &$1) }
            let again = try bytes.withUnsafeBytes { raw in try decoded(raw) { try Template(from: &$0) } }
            try require(again == template, "a valid template of JSON cannot be sent: \(template)")
        }
        return verdict
    }

    private static func tupleJSONSeeds() -> [[UInt8]] {
        Samples.tuples.map { JSONText.json($0).bytes }
            + [
                #"[null,{"type":"string"},{"range":[1,2.5],"open":true},{"prefix":"x"},{"range":["a","b"]}]"#,
                #"[{"int":"9223372036854775807"},{"bytes":"AAEC"},{"symbol":"s"},{"map":{"a":[1]}}]"#,
                #"[{"regex":"a*"}]"#, #"[{"type":"int"}]"#,
            ].map { Array($0.utf8) }
    }

    // MARK: Parameters

    private static func checkParameters(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        guard let text = String(validating: bytes, as: UTF8.self) else { return .refused }
        let encoded = String(decoding: tamper(Array(PercentCoding.encode(text).utf8)), as: UTF8.self)
        try require(
            PercentCoding.decode(encoded)?.utf8.elementsEqual(text.utf8) == true, "percent-coded it is not \(text)")
        try require(
            encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "percent-coded text has other bytes: \(encoded)")
        if let pairs = PercentCoding.pairs(text) {
            let form = pairs.map { PercentCoding.encode($0.name) + "=" + PercentCoding.encode($0.value) }
            let again = PercentCoding.pairs(form.joined(separator: "&"))
            try require(again?.count == pairs.count, "a form of \(pairs.count) fields is read as another")
            for (old, new) in zip(pairs, again ?? []) {
                let isSame = old.name.utf8.elementsEqual(new.name.utf8) && old.value.utf8.elementsEqual(new.value.utf8)
                try require(isSame, "field \(old) is read as \(new)")
            }
        }
        if let decoded = Base64.decode(text) { try require(Base64.encode(decoded) == text, "base64 \(text)") }
        if let position = Position(text) { try require(Position("\(position)") == position, "position \(text)") }
        return .accepted
    }

    private static func parameterSeeds() -> [[UInt8]] {
        [
            "template=%5Bnull%5D&from=12.0", "a+b=c%20d&=&x", "user=ann&message=%F0%9F%98%80%0D%0A", "AAECAw==", "12.3",
            "%", "%4", "%zz", "é😀", "18446744073709551615.4294967295",
        ].map { Array($0.utf8) } + [[0xFF, 0xFE]]
    }

    // MARK: Fortunes

    /// Whatever the file, its quotations become messages that may be posted, and in which nothing is lost.
    private static func checkFortunes(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let file = FortuneFile(name: "f", bytes: [UInt8](bytes))
        let again = FortuneFile(name: "f", bytes: tamper([UInt8](bytes)))
        try require(file == again, "a file is read in two ways")
        for message in file.messages() {
            let scalars = message.unicodeScalars
            let hasControls = scalars.contains { $0.properties.generalCategory == .control && $0 != "\n" && $0 != "\t" }
            try require(!hasControls, "a message with control characters")
        }
        return file.quotations.isEmpty ? .refused : .accepted
    }

    private static func fortuneSeeds() -> [[UInt8]] {
        let long = String(repeating: "A sentence of some words. ", count: 40)
        return ["one\n%\ntwo\r\nlines\n%\n\n%\n", "_\u{8}a_\u{8}b\u{7}\n%\n", long + "\n%\n\n" + long].map {
            Array($0.utf8)
        }
            + [[0xFF, 0x0A, 0x25, 0x0A]]
    }
}
