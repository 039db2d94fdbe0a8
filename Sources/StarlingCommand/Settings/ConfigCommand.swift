import ArgumentParser
import Gateways
import StarlingClient
import Yams

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Settings of this program.",
        subcommands: [ConfigShowCommand.self, ConfigValidateCommand.self])
}

struct ConfigValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check a config file, or a cluster.yaml, without starting anything.",
        discussion: """
              starling config validate                    the config file that all commands read
              starling config validate cluster.yaml       what `starling up` starts

            Exits 2 and names the line of what is wrong. Plan files that it names are read too.
            """)

    @Argument(help: ArgumentHelp("The file; without one, the config file in use.", valueName: "file"))
    var file: String?

    func run() throws {
        guard let file else {
            let settings = try Settings(flags: [:], config: nil)
            try Self.check(settings)
            return Terminal.line(
                "\(settings.configPath): \(settings.hasConfigFile ? "good" : "not there, which is good")")
        }
        let path = DemoCommand.absolute(file)
        let root = try YAMLFile.read(path)
        // A list of plain addresses is a config file's, a list of mappings is what `up` starts.
        let isUp = root.contains { key, value in
            key.string == "servers" && (value.sequence?.contains { $0.mapping != nil } ?? false)
        }
        if isUp {
            let file = try UpFile(path: path)
            for server in file.servers { try Self.check(server) }
            return Terminal.line("\(path): good; it starts \(file.servers.map(\.name).joined(separator: ", "))")
        }
        try Self.check(try Settings(flags: [:], config: path))
        Terminal.line("\(path): good")
    }

    /// As the server itself would judge, as far as its file goes.
    private static func check(_ server: UpFile.Server) throws(Complaint) {
        let http = try server.probeAddress()
        var flags: [Setting: String?] = [.name: server.name]
        for (setting, text) in server.settings { flags[setting] = text }
        do throws(Complaint) {
            let settings = try Settings(flags: flags, config: nil)
            try check(settings)
            let isOpen = try settings.flag(.open)
            _ = try ListenAddress(server.settings[.http] ?? http, "http", isOpen: isOpen)
            if let client = server.settings[.client] { _ = try ListenAddress(client, "client", isOpen: isOpen) }
        } catch {
            throw Complaint(error.outcome, "server \(server.name): \(error.text)")
        }
    }

    /// Values too, as far as a file can be judged by itself.
    private static func check(_ settings: Settings) throws(Complaint) {
        _ = try settings.milliseconds(.requestTimeout)
        for setting in [Setting.curve, .open, .leaseReads] { _ = try settings.flag(setting) }
        for setting in [Setting.snapshotEntries, .trailingEntries, .trailingMebibytes] {
            _ = try settings.count(setting)
        }
        _ = try settings.count(.segmentMebibytes, atMost: 1_024)
        _ = try ServerLog(settings, server: "")
        if settings[.servers] != nil { _ = try ClusterAddress.endpoints(of: .servers, settings) }
    }
}

struct ConfigShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show every setting, its value, and where that comes from.",
        discussion: """
            Flags win over STARLING_… environment variables, those over the config file \
            (~/.config/starling/config.yaml, or what --config or \
            STARLING_CONFIG names), that over the context which `starling demo` saves, and that over the defaults. \
            With connection flags it shows what a command with these flags would use. A config file:

              servers: [127.0.0.1:7460, 127.0.0.1:7461, 127.0.0.1:7462]
              client-file: ~/cluster/client.json
              user: alice
            """)

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let settings = try connection.settings()
        json ? printJSON(settings) : printTable(settings)
    }

    private func printTable(_ settings: Settings) {
        var table = Table(("SETTING", .left), ("VALUE", .left), ("FROM", .left), ("MEANING", .left))
        for setting in Setting.allCases {
            let value = settings.values[setting]
            table.add(
                setting.key, value.map { Self.shown($0, of: setting) } ?? "-", value?.source.text ?? "not set",
                setting.meaning)
        }
        for line in table.lines { Terminal.line(line) }
        Terminal.line()
        Terminal.line("config file: \(settings.configPath)\(settings.hasConfigFile ? "" : " (not there)")")
        for name in settings.unknownVariables {
            Terminal.line("note: the environment variable \(name) is not a setting")
        }
    }

    private static func shown(_ value: SettingValue, of setting: Setting) -> String {
        setting.isSecret ? "(secret)" : value.text
    }

    private func printJSON(_ settings: Settings) {
        let items = Setting.allCases.map { setting in
            let value = settings.values[setting]
            return JSON.object([
                .init("setting", .string(setting.key)),
                .init("value", value.map { .string(Self.shown($0, of: setting)) } ?? .null),
                .init("from", .string(value?.source.text ?? "not set")),
            ])
        }
        Terminal.line(
            JSON.object([
                .init("config_file", .string(settings.configPath)),
                .init("config_file_exists", .bool(settings.hasConfigFile)),
                .init("settings", .array(items)),
                .init("unknown_variables", .array(settings.unknownVariables.map { .string($0) })),
            ]).text)
    }
}
