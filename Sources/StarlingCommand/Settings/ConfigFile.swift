import Foundation
import Yams

/// The config file: a YAML mapping of settings, each a scalar; `servers` may be a list.
struct ConfigFile {
    private(set) var values: [Setting: String] = [:]

    init() {}

    init(path: String) throws(Complaint) {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Complaint(.wrongUsage, "the config file \(path) cannot be read: \(error.localizedDescription)")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw Complaint(.wrongUsage, "the config file \(path) is not YAML: \(error)")
        }
        guard let root, !text.allSatisfy(\.isWhitespace) else { return }
        guard let mapping = root.mapping else {
            // A file of comments only is an empty document.
            if root.scalar?.string.isEmpty == true { return }
            throw Complaint(
                .wrongUsage, "the config file \(path) must be a YAML mapping, as in `servers: 127.0.0.1:7460`")
        }
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        for (key, value) in mapping { try add(key, value, path, directory) }
    }

    private mutating func add(_ key: Node, _ value: Node, _ path: String, _ directory: String) throws(Complaint) {
        let line = key.mark.map { ", line \($0.line)" } ?? ""
        guard let name = key.string, let setting = Setting(rawValue: name) else {
            let known = Setting.allCases.map(\.key).joined(separator: ", ")
            throw Complaint(
                .wrongUsage, "\(path)\(line): \"\(key.string ?? "?")\" is not a setting. The settings are \(known).")
        }
        if let scalar = value.scalar {
            values[setting] = setting.isPath ? Self.path(scalar.string, in: directory) : scalar.string
        } else if let items = value.sequence, setting == .servers, items.allSatisfy({ $0.scalar != nil }) {
            values[setting] = items.compactMap { $0.scalar?.string }.joined(separator: ",")
        } else {
            throw Complaint(.wrongUsage, "\(path)\(line): \(name) must be a plain value")
        }
    }

    private static func path(_ path: String, in directory: String) -> String {
        let path = UserDirectories.expanded(path)
        return path.hasPrefix("/") || path.isEmpty ? path : "\(directory)/\(path)"
    }
}
