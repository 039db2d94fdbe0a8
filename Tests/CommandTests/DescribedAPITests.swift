import Foundation
import FoundationNetworking
import Testing

/// A third party's generator asks a real server everything that the description of its HTTP API allows, and much that it forbids.
@Suite struct DescribedAPITests {
    @Test(
        "What the description allows is accepted and answered as described, what it forbids is refused, and nothing fails"
    )
    func schemathesis() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let tool = root.appendingPathComponent(".build/python/bin/schemathesis")
        try #require(
            FileManager.default.isExecutableFile(atPath: tool.path), "schemathesis is missing: run script/bootstrap")
        try await withCluster(servers: 1) { cluster in
            let address = "http://\(cluster.httpAddress("a"))"
            let (data, _) = try await URLSession.shared.data(from: try #require(URL(string: "\(address)/openapi.json")))
            // All that can be said in a schema, from both sides; then what is beyond one too, which may be refused.
            for (isPlain, flags) in [
                (true, []),
                (
                    false,
                    [
                        "--checks",
                        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
                    ]
                ),
            ] {
                var document = try #require(
                    try JSONSerialization.jsonObject(with: data) as? [String: Any],
                    "a description that is no JSON object")
                try Self.narrow(&document, isPlain: isPlain)
                let path = "\(cluster.directory.path)/api.json"
                try JSONSerialization.data(withJSONObject: document).write(to: URL(fileURLWithPath: path))
                let process = Process()
                process.executableURL = tool
                process.arguments =
                    [
                        "run", path, "--url", address, "--phases", "examples,coverage,fuzzing", "--max-examples", "25",
                        "--generation-deterministic", "--no-color",
                    ] + flags
                process.currentDirectoryURL = URL(fileURLWithPath: cluster.directory.path)
                let output = "\(cluster.directory.path)/schemathesis.out"
                _ = FileManager.default.createFile(atPath: output, contents: nil)
                let handle = try #require(FileHandle(forWritingAtPath: output))
                process.standardOutput = handle
                process.standardError = handle
                try process.run()
                try await Program.waitForEnd(process, within: 240, ["schemathesis"])
                process.waitUntilExit()
                let said = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
                #expect(process.terminationStatus == 0, "\(said.suffix(6_000))")
                #expect(said.contains("Tested: 12"), "it is to try every route: \(said.suffix(1_000))")
            }
            // The server has borne it, and counts.
            let counted = try await cluster.run(["tuple", "count", "afterwards", "[null]"])
            #expect(counted.output == "0\n")
        }
    }

    /// Without what would make requests wait for ever, or meet a key that another request was sent under.
    /// - Parameter isPlain: and without what no schema can describe: regular expressions, and formals that are bound before they are used.
    private static func narrow(_ document: inout [String: Any], isPlain: Bool) throws {
        var components = try #require(document["components"] as? [String: Any])
        var schemas = try #require(components["schemas"] as? [String: [String: Any]])
        for name in ["Find", "Statement"] {
            var properties = try #require(schemas[name]?["properties"] as? [String: Any])
            properties["timeout"] = nil
            schemas[name]?["properties"] = properties
        }
        if isPlain {
            let fields = try #require(schemas["TemplateField"]?["anyOf"] as? [[String: Any]])
            schemas["TemplateField"]?["anyOf"] = fields.filter { field in
                (field["properties"] as? [String: Any])?["regex"] == nil
            }
            for (name, item) in [("TupleExpression", "Value"), ("TemplateExpression", "TemplateField")] {
                schemas[name]?["items"] = ["$ref": "#/components/schemas/\(item)"]
            }
            // A replacement names an earlier read.
            let steps = try #require(schemas["Step"]?["anyOf"] as? [[String: Any]])
            schemas["Step"]?["anyOf"] = steps.filter { ($0["properties"] as? [String: Any])?["replace"] == nil }
        }
        components["schemas"] = schemas
        document["components"] = components
        var paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
        for (path, operations) in paths {
            for (method, operation) in operations {
                let parameters = operation["parameters"] as? [[String: Any]]
                paths[path]?[method]?["parameters"] = parameters?.filter { $0["in"] as? String != "header" }
            }
        }
        document["paths"] = paths
    }
}
