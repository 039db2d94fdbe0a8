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
            let admin = try await cluster.run(["admin", "token", "create", "--user", "root", "--role", "admin"])
            let token = admin.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let lenient = [
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            ]
            let described = 29
            let ofPolicies = ["--include-path-regex", "/policy$", "--header", "Authorization: Bearer \(token)"]
            for (isPlain, flags, count) in [
                (true, [], described), (false, lenient + ["--exclude-path-regex", "/policy$"], described - 6),
                // Last: then nobody else may do much.
                (true, ofPolicies + ["--mode", "positive"], 6), (false, lenient + ofPolicies, 6),
            ] {
                var document = try #require(
                    try JSONSerialization.jsonObject(with: data) as? [String: Any],
                    "a description that is no JSON object")
                try Self.narrow(&document, isPlain: isPlain)
                let path = "\(cluster.directory.path)/api.json"
                try JSONSerialization.data(withJSONObject: document).write(to: URL(fileURLWithPath: path))
                try Self.configuration.write(
                    toFile: "\(cluster.directory.path)/schemathesis.toml", atomically: true, encoding: .utf8)
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
                #expect(said.contains("Tested: \(count)"), "it is to try every route: \(said.suffix(1_000))")
            }
            // The server has borne it, and counts.
            _ = try await cluster.run(["admin", "policy", "remove", "--default"])
            let counted = try await cluster.run(["tuple", "count", "afterwards", "[null]"])
            #expect(counted.output == "0\n")
        }
    }

    /// A session that was not opened is gone: as good an answer as that something is not there.
    private static let configuration = """
        [checks.positive_data_acceptance]
        expected-statuses = ["2xx", "401", "403", "404", "409", "410", "5xx"]

        """

    /// Without what would make requests wait for ever, or meet a key that another request was sent under.
    /// - Parameter isPlain: and without what no schema can describe: regular expressions, formals that are bound before they are used, and
    ///   how many bytes all of a policy may have.
    private static func narrow(_ document: inout [String: Any], isPlain: Bool) throws {
        var components = try #require(document["components"] as? [String: Any])
        var schemas = try #require(components["schemas"] as? [String: [String: Any]])
        for name in ["Find", "Take", "Statement"] {
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
            for name in ["Rule", "CallerRule"] {
                var forms = try #require(schemas[name]?["oneOf"] as? [[String: Any]])
                let clause =
                    ["type": "array", "maxItems": 3, "items": ["$ref": "#/components/schemas/Simple"]] as [String: Any]
                forms[1] = ["type": "array", "maxItems": 2, "items": clause]
                schemas[name]?["oneOf"] = forms
            }
            let conditions = try #require(schemas["CallerCondition"]?["oneOf"] as? [[String: Any]])
            schemas["Simple"] = ["oneOf": Array(conditions.dropLast())]
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
                paths[path]?[method]?["parameters"] = parameters?.filter {
                    $0["in"] as? String != "header" || $0["required"] as? Bool == true
                }
            }
        }
        document["paths"] = paths
    }
}
