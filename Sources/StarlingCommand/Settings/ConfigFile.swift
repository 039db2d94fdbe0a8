import Foundation
import Yams

/// The config file: a YAML mapping of settings, each a scalar; `servers` may be a list.
struct ConfigFile {
    private(set) var values: [Setting: String] = [:]

    init() {}

    init(path: String) throws(Complaint) {
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        for (key, value) in try YAMLFile.read(path) { try add(key, value, path, directory) }
    }

    private mutating func add(_ key: Node, _ value: Node, _ path: String, _ directory: String) throws(Complaint) {
        guard let name = key.string, let setting = Setting(rawValue: name) else {
            let known = Setting.allCases.map(\.key).joined(separator: ", ")
            throw YAMLFile.complaint(path, key, "\"\(key.string ?? "?")\" is not a setting. The settings are \(known).")
        }
        if let scalar = value.scalar {
            values[setting] = setting.isPath ? YAMLFile.path(scalar.string, in: directory) : scalar.string
        } else if let items = value.sequence, setting == .servers, items.allSatisfy({ $0.scalar != nil }) {
            values[setting] = items.compactMap { $0.scalar?.string }.joined(separator: ",")
        } else {
            throw YAMLFile.complaint(path, key, "\(name) must be a plain value")
        }
    }
}
