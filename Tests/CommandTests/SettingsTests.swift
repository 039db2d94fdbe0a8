import Foundation
import Testing

/// Flags win over the environment, that over the config file, that over the saved context, that over defaults.
@Suite struct SettingsTests {
    private struct Shown: Decodable {
        struct Setting: Decodable {
            var setting: String
            var value: String?
            var from: String
        }
        var configFile: String
        var settings: [Setting]
        var unknownVariables: [String]

        func value(_ name: String) -> Setting? { settings.first { $0.setting == name } }
    }

    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        _ = try directory.write(
            #"{"servers":["127.0.0.1:1004"],"client-file":"/context/client.json","saved-by":"a test"}"#,
            to: "config/starling/context.json")
    }

    private func writeConfig() throws {
        _ = try directory.write(
            "# mine\nservers: [\"127.0.0.1:1003\", \"127.0.0.1:1013\"]\nclient-file: keys/client.json\nuser: carol\n",
            to: "config/starling/config.yaml")
    }

    private func show(_ flags: [String] = [], _ environment: [String: String] = [:]) async throws -> Shown {
        let result = try await Program.run(
            ["config", "show", "--json"] + flags, in: directory, environment: environment)
        #expect(result.code == 0, "\(result.errors)")
        return try result.json(Shown.self)
    }

    @Test("A saved context wins over the defaults") func aSavedContextWinsOverTheDefaults() async throws {
        let shown = try await show()
        #expect(shown.value("servers")?.value == "127.0.0.1:1004")
        #expect(shown.value("servers")?.from.hasPrefix("saved context: ") == true)
        #expect(shown.value("request-timeout")?.from == "default")
    }

    @Test("The config file wins over the context") func theConfigFileWinsOverTheContext() async throws {
        try writeConfig()
        let shown = try await show()
        #expect(shown.value("servers")?.value == "127.0.0.1:1003,127.0.0.1:1013")
        #expect(shown.value("servers")?.from == "config file: \(shown.configFile)")
        #expect(shown.value("client-file")?.value == "\(directory.path)/config/starling/keys/client.json")
    }

    @Test("The environment wins over the file and a flag over all") func theEnvironmentWinsOverTheFileAndAFlagOverAll()
        async throws
    {
        try writeConfig()
        let environment = ["STARLING_SERVERS": "127.0.0.1:1002", "STARLING_SERVER": "typing error"]
        let shown = try await show([], environment)
        #expect(shown.value("servers")?.value == "127.0.0.1:1002")
        #expect(shown.value("servers")?.from == "environment: STARLING_SERVERS")
        #expect(shown.unknownVariables == ["STARLING_SERVER"])
        let flagged = try await show(["--servers", "127.0.0.1:1001"], environment)
        #expect(flagged.value("servers")?.value == "127.0.0.1:1001")
        #expect(flagged.value("servers")?.from == "flag")
    }

    @Test(
        "A config file that cannot be meant is refused",
        arguments: [
            ("colour: red\n", "\"colour\" is not a setting"), ("- a\n- b\n", "must be a YAML mapping"),
            ("servers: [\n", "is not YAML"), ("user: {a: b}\n", "user must be a plain value"),
        ])
    func badConfigFiles(text: String, part: String) async throws {
        let path = try directory.write(text, to: "bad.yaml")
        let result = try await Program.run(["config", "show", "--config", path], in: directory)
        #expect(result.code == 2)
        #expect(result.errors.contains(part) && result.errors.contains(path), "\(result.errors)")
    }
}
