import Foundation

/// All settings with their sources, resolved once.
struct Settings {
    private(set) var values: [Setting: SettingValue] = [:]
    /// Where a config file was looked for, and whether it is there.
    let configPath: String
    let hasConfigFile: Bool
    /// Variables that begin with STARLING_ and mean nothing: likely slips.
    private(set) var unknownVariables: [String] = []

    /// - Parameters:
    ///   - flags: what the command line says.
    ///   - config: of `--config`.
    init(
        flags: [Setting: String?], config: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(Complaint) {
        let named = config ?? environment["STARLING_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let path = named.map(UserDirectories.expanded) ?? UserDirectories(environment).config + "/config.yaml"
        configPath = path
        hasConfigFile = FileManager.default.fileExists(atPath: path)
        guard hasConfigFile || named == nil else {
            throw Complaint(
                .wrongUsage,
                "the config file \(path) is not there (named by \(config == nil ? "STARLING_CONFIG" : "--config"))")
        }
        let file = hasConfigFile ? try ConfigFile(path: path) : ConfigFile()
        let context = try SavedContext.read(UserDirectories(environment))
        for setting in Setting.allCases {
            values[setting] =
                flags[setting]?.map { SettingValue(text: $0, source: .flag) }
                ?? Self.fromEnvironment(setting, environment)
                ?? file.values[setting].map { SettingValue(text: $0, source: .file(path)) }
                ?? context?.value(of: setting)
                ?? setting.standard.map { SettingValue(text: $0, source: .standard) }
        }
        let known = Set(Setting.allCases.map(\.environmentName) + ["STARLING_CONFIG"])
        unknownVariables = environment.keys.filter { $0.hasPrefix("STARLING_") && !known.contains($0) }.sorted()
    }

    private static func fromEnvironment(_ setting: Setting, _ environment: [String: String]) -> SettingValue? {
        guard let text = environment[setting.environmentName], !text.isEmpty else { return nil }
        return SettingValue(text: text, source: .environment(setting.environmentName))
    }

    subscript(_ setting: Setting) -> String? { values[setting]?.text }

    /// How to call the setting in a complaint about its value.
    func origin(of setting: Setting) -> String {
        switch values[setting]?.source {
        case .flag, .standard, nil: "--\(setting.key)"
        case .environment(let name): name
        case .file(let path): "\(setting.key) in \(path)"
        case .context(let path): "\(setting.key) in \(path)"
        }
    }

    func required(_ setting: Setting) throws(Complaint) -> String {
        guard let value = self[setting] else {
            throw Complaint(
                .wrongUsage,
                "\(setting.key) is missing: \(setting.meaning).\nGive --\(setting.key), set "
                    + "\(setting.environmentName), or write it into \(configPath)."
            )
        }
        return value
    }

    func flag(_ setting: Setting) throws(Complaint) -> Bool {
        switch self[setting]?.lowercased() {
        case "yes", "true", "on", "1": return true
        case "no", "false", "off", "0": return false
        case let other: throw Complaint(.wrongUsage, "\(origin(of: setting)) is yes or no, and not \"\(other ?? "")\"")
        }
    }

    /// A whole number from 1.
    func count(_ setting: Setting, atMost most: Int = 1_000_000_000) throws(Complaint) -> Int {
        let text = self[setting] ?? ""
        guard let count = Int(text), (1...most).contains(count) else {
            throw Complaint(
                .wrongUsage, "\(origin(of: setting)) is a whole number from 1 to \(most), and not \"\(text)\"")
        }
        return count
    }

    /// Seconds, as milliseconds.
    func milliseconds(_ setting: Setting) throws(Complaint) -> UInt64 {
        let text = self[setting] ?? ""
        guard let seconds = Double(text), seconds > 0, seconds <= 86_400 else {
            throw Complaint(
                .wrongUsage,
                "\(origin(of: setting)) is a number of seconds above 0 and up to 86400, and not \"\(text)\"")
        }
        return UInt64((seconds * 1_000).rounded(.up))
    }
}

/// Where this user's settings and data are, after the XDG Base Directory specification.
struct UserDirectories {
    let config: String
    let data: String
    let state: String

    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
        let home = environment["HOME"] ?? NSHomeDirectory()
        func directory(_ name: String, _ standard: String) -> String {
            // The specification: relative paths there are invalid and ignored.
            let base = environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? home + standard
            return base + "/starling"
        }
        config = directory("XDG_CONFIG_HOME", "/.config")
        data = directory("XDG_DATA_HOME", "/.local/share")
        state = directory("XDG_STATE_HOME", "/.local/state")
    }

    /// With `~` as the home directory, which shells leave alone behind `=` and in files.
    static func expanded(_ path: String) -> String { NSString(string: path).expandingTildeInPath }

    /// The directory that a file stands in.
    static func parent(_ path: String) -> String {
        let parent = NSString(string: path).deletingLastPathComponent
        return parent.isEmpty ? "." : parent
    }
}
