import Foundation
import Testing

/// Whoever adds a decoder adds it to a fuzz target, or this fails.
@Suite("Decoders")
struct DecoderTests {
    /// What makes a declaration a decoder of bytes that may come from anywhere.
    private static let marks = [
        "inout ByteReader", "throws(MalformedBytes)", "init(decoding ", "init(json:", "throws(MalformedJSON)",
        "throws(DropReason)", "throws(TooLarge)", "key(in uri", "body: UnsafeRawBufferPointer)",
        "expecting magic: Magic",
        "in bytes: UnsafeRawBufferPointer, ",
    ]
    /// They pass bytes on to a decoder that has a target, and look at none of them themselves.
    private static let passesOn: Set<String> = [
        "Cluster.PeerRoster.verify(_:proof:)", "Cluster.PeerRoster.verifyIntroduction(_:proof:)",
        "StarlingClient.Answer.decode(_:_:)",
        // Foundation's decoder of JSON, and nothing of ours: the program is no library that a target could use.
        "StarlingCommand.ClusterReport.init(json:)",
    ]

    @Test("each have a fuzz target, and no target names one that is gone")
    func covered() throws {
        let found = try Self.declarations()
        #expect(found.count > 40, "the search for decoders finds too few")
        let covered = Set(FuzzTarget.all.flatMap(\.decoders))
        let missing = found.subtracting(covered).subtracting(Self.passesOn)
        #expect(
            missing.isEmpty, "add them to the decoders of a target in Tests/FuzzingTests/Targets: \(missing.sorted())")
        let all = try Self.declarations { _ in true }
        #expect(covered.subtracting(all).isEmpty, "no such function")
        #expect(Self.passesOn.isSubset(of: found), "no such decoder")
    }

    /// `Room.Type.function(labels:)` of every declaration in the sources that has a mark and is seen outside its file.
    private static func declarations(
        where isFound: (String) -> Bool = { signature in marks.contains { signature.contains($0) } }
    ) throws -> Set<String> {
        let sources = CorpusTests.folder.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources")
        var found: Set<String> = []
        for room in FileManager.default.subdirectories(of: sources.path) where room != "Simulation" {
            let files = FileManager.default.enumerator(atPath: sources.path + "/" + room)
            while let file = files?.nextObject() as? String {
                // The primitives themselves have a target of their own.
                guard file.hasSuffix(".swift"), file != "ByteReader.swift" else { continue }
                let text = try String(contentsOfFile: "\(sources.path)/\(room)/\(file)", encoding: .utf8)
                for (type, signature) in signatures(in: text) where isFound(signature) {
                    found.insert("\(room).\(type).\(name(of: signature))")
                }
            }
        }
        return found
    }

    /// Declarations of functions from `init` or the name on to the body, with the type around them.
    private static func signatures(in text: String) -> [(type: String, signature: String)] {
        var result: [(String, String)] = []
        var types: [(indentation: Int, name: String)] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            let words = line.split(separator: " ").map(String.init)
            let indentation = line.prefix { $0 == " " }.count
            if let keyword = words.prefix(3).firstIndex(where: {
                ["extension", "struct", "enum", "class"].contains($0)
            }),
                keyword + 1 < words.count
            {
                types.removeAll { $0.indentation >= indentation }
                guard !words[..<keyword].contains("private") else {
                    types.append((indentation, ""))
                    continue
                }
                let name = words[keyword + 1].prefix { $0.isLetter || $0.isNumber || $0 == "." }
                types.append((indentation, name.split(separator: ".").last.map(String.init) ?? ""))
            }
            guard let start = line.range(of: #"\b(func \w+|init\??)[(<]"#, options: .regularExpression),
                !line[..<start.lowerBound].contains("private"), !line[..<start.lowerBound].contains("//"),
                !line[..<start.lowerBound].contains("."), !line[..<start.lowerBound].contains("=")
            else { continue }
            let rest = ([String(line[start.lowerBound...])] + lines[(number + 1)...].prefix(8).map(String.init))
                .joined(separator: " ")
            let signature = String(rest.prefix { $0 != "{" })
            guard let type = types.last(where: { $0.indentation < indentation })?.name, !type.isEmpty else { continue }
            result.append((type, signature.replacingOccurrences(of: "func ", with: "")))
        }
        return result
    }

    /// `consume(_:)` of `consume(_ piece: UnsafeRawBufferPointer) throws …`.
    private static func name(of signature: String) -> String {
        let base = signature.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        guard let open = signature.firstIndex(of: "(") else { return String(base) }
        var labels = ""
        var depth = 0
        var parameter = ""
        for character in signature[open...] {
            if character == "," && depth == 1 || character == ")" && depth == 1 {
                let label = parameter.split(separator: " ").first.map { $0.prefix { $0 != ":" } }
                if let label { labels += label + ":" }
                parameter = ""
                if character == ")" { break }
                continue
            }
            if "([<".contains(character) { depth += 1 }
            if ")]".contains(character) || character == ">" && !parameter.hasSuffix("-") { depth -= 1 }
            if depth > 1 || character != "(" { parameter.append(character) }
        }
        return "\(base)(\(labels))"
    }
}

extension FileManager {
    fileprivate func subdirectories(of path: String) -> [String] {
        ((try? contentsOfDirectory(atPath: path)) ?? []).filter { !$0.hasPrefix(".") }
    }
}
