import Foundation
import Testing

@Suite struct PlanTests {
    private let list = "a=127.0.0.1:7440,b=127.0.0.1:7441,c=127.0.0.1:7442"

    @Test("Secrets are readable by their owner only") func secretsAreReadableByTheirOwnerOnly() async throws {
        struct Written: Decodable {
            var cluster: String
            var files: [String]
        }
        let directory = try TemporaryDirectory()
        let result = try await Program.run(
            ["cluster", "plan", "--servers", list, "--out", "p", "--json"], in: directory)
        let written = try result.json(Written.self)
        #expect(written.cluster.count == 16)
        #expect(
            written.files.map { ($0 as NSString).lastPathComponent } == [
                "a.plan.json", "b.plan.json", "c.plan.json", "operator.json", "client.json",
            ])
        for name in ["a.plan", "b.plan", "c.plan", "operator"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory.path)/p/\(name).json")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("A plan is never overwritten") func aPlanIsNeverOverwritten() async throws {
        let directory = try TemporaryDirectory()
        let arguments = ["cluster", "plan", "--servers", list, "--out", "p"]
        #expect(try await Program.run(arguments, in: directory).code == 0)
        let file = URL(fileURLWithPath: "\(directory.path)/p/b.plan.json")
        let before = try Data(contentsOf: file)
        let second = try await Program.run(arguments, in: directory)
        #expect(second.code == 1)
        #expect(second.errors.contains("exists already, and is not overwritten"))
        #expect(try Data(contentsOf: file) == before)
    }
}
