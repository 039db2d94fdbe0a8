import Foundation

/// Which cluster this user spoke with last: `starling demo` saves it, so that the other commands need no flags.
struct SavedContext: Codable {
    var servers: [String]
    /// Absolute.
    var clientFile: String
    /// Absolute; nil if there is none.
    var operatorFile: String?
    /// The command that wrote it.
    var savedBy: String

    private(set) var path = ""

    private enum CodingKeys: String, CodingKey {
        case servers
        case clientFile = "client-file"
        case operatorFile = "operator-file"
        case savedBy = "saved-by"
    }

    init(servers: [String], clientFile: String, operatorFile: String?, savedBy: String) {
        self.servers = servers
        self.clientFile = clientFile
        self.operatorFile = operatorFile
        self.savedBy = savedBy
    }

    func value(of setting: Setting) -> SettingValue? {
        switch setting {
        case .servers: SettingValue(text: servers.joined(separator: ","), source: .context(path))
        case .clientFile: SettingValue(text: clientFile, source: .context(path))
        case .operatorFile: operatorFile.map { SettingValue(text: $0, source: .context(path)) }
        default: nil
        }
    }

    static func file(_ directories: UserDirectories) -> String { directories.config + "/context.json" }

    /// Nil if none was saved.
    static func read(_ directories: UserDirectories) throws(Complaint) -> SavedContext? {
        let path = file(directories)
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do {
            var context = try JSONDecoder().decode(SavedContext.self, from: data)
            context.path = path
            return context
        } catch {
            throw Complaint(
                .wrongUsage, "the saved context \(path) cannot be read. Remove it; `starling demo` writes it anew.")
        }
    }

    /// - Returns: where.
    @discardableResult
    func save(_ directories: UserDirectories = UserDirectories()) throws(Complaint) -> String {
        let path = Self.file(directories)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            try FileManager.default.createDirectory(atPath: directories.config, withIntermediateDirectories: true)
            try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw Complaint(.failed, "the context cannot be saved at \(path): \(error.localizedDescription)")
        }
        return path
    }
}
