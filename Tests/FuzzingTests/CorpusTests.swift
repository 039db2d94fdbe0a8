import Foundation
import Testing

@Suite("Kept inputs of the fuzzers")
struct CorpusTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("FuzzCorpus")

    /// What the fuzzers found worth keeping, and what once broke something.
    static func kept(_ target: FuzzTarget) throws -> [[UInt8]] {
        let file = folder.appendingPathComponent("\(target.name).corpus")
        let named = folder.appendingPathComponent(target.name)
        var inputs = try Corpus.unpack([UInt8](Data(contentsOf: file)))
        for name in (try? FileManager.default.contentsOfDirectory(atPath: named.path)) ?? [] {
            inputs.append([UInt8](try Data(contentsOf: named.appendingPathComponent(name))))
        }
        return inputs
    }

    private static func check(_ target: FuzzTarget, _ input: [UInt8]) throws -> FuzzTarget.Verdict {
        try input.withUnsafeBytes { try target.check($0) { $0 } }
    }

    @Test("show nothing wrong, and are not all refused", arguments: FuzzTarget.all.map(\.name))
    func replay(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let kept = try Self.kept(target)
        #expect(!kept.isEmpty)
        var accepted = 0
        for input in kept + target.seeds() {
            do {
                if try Self.check(target, input) == .accepted { accepted += 1 }
            } catch {
                Issue.record("\(Corpus.name(of: input)) \(input.prefix(256)): \(error)")
            }
        }
        #expect(accepted > 0)
    }

    @Test("show what is wrong when the code is", arguments: FuzzTarget.all.map(\.name))
    func tampered(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        // One bit of what the code under test makes is another: at least one input must show it.
        let isNoticed = try target.seeds().contains { input in
            for place in [1, 2, 3] {
                do {
                    _ = try input.withUnsafeBytes { try target.check($0) { Self.damaged($0, place) } }
                } catch is Finding {
                    return true
                }
            }
            return false
        }
        #expect(isNoticed)
    }

    private static func damaged(_ bytes: [UInt8], _ place: Int) -> [UInt8] {
        guard !bytes.isEmpty else { return [1] }
        var bytes = bytes
        bytes[(bytes.count - 1) * place / 3] ^= 1
        return bytes
    }

    @Test("are one small file for each target, and none for others")
    func files() throws {
        let names = Set(FuzzTarget.all.map(\.name))
        #expect(names.count == FuzzTarget.all.count)
        var bytes = 0
        for file in try FileManager.default.contentsOfDirectory(atPath: Self.folder.path) {
            #expect(names.contains(file.replacingOccurrences(of: ".corpus", with: "")), "\(file)")
            let attributes = try FileManager.default.attributesOfItem(atPath: Self.folder.path + "/" + file)
            bytes += (attributes[.size] as? NSNumber)?.intValue ?? 0
        }
        #expect(bytes < 1_500_000)
    }

    @Test("are unpacked as they were packed")
    func packing() throws {
        let inputs: [[UInt8]] = [[], [0], [1], [1, 2], [UInt8](repeating: 7, count: 40_000)]
        #expect(try Corpus.unpack(Corpus.pack(inputs.reversed() + [[1]])) == inputs)
        let tooMuch = inputs + [[UInt8](repeating: 8, count: 41_000)]
        #expect(Corpus.pack(tooMuch) == Corpus.pack(inputs))
        #expect(throws: (any Error).self) { try Corpus.unpack(Array(Corpus.pack(inputs).dropLast())) }
    }

    @Test("would show a planted finding")
    func planted() throws {
        let target = try #require(FuzzTarget.planted.first { $0.name == "planted-finding" })
        #expect(throws: Finding.self) { try Self.check(target, Array("find".utf8)) }
        #expect(try Self.check(target, Array("fin".utf8)) == .accepted)
    }
}
