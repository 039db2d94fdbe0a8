import Foundation
import Yams

/// What `starling up` starts on this machine: a YAML file, `cluster.yaml`.
///
///     logs: logs                    # a file a server; relative to this file, as all paths
///     defaults: {open: yes}         # settings of every server
///     servers:
///       - name: a
///         data: data/a
///         plan: plan/a.plan.json
struct UpFile {
    struct Server {
        var name: String
        /// Beside the name.
        var settings: [Setting: String]
    }

    let path: String
    private(set) var logs: String
    /// At least one; names and data directories are different.
    private(set) var servers: [Server] = []

    init(path: String) throws(Complaint) {
        let root = try YAMLFile.read(path)
        self.path = path
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        // systemd's LogsDirectory.
        logs = ProcessInfo.processInfo.environment["LOGS_DIRECTORY"] ?? directory + "/logs"
        var defaults: [Setting: String] = [:]
        var list: [Node] = []
        for (key, value) in root {
            switch key.string {
            case "logs":
                guard let text = value.scalar?.string else {
                    throw YAMLFile.complaint(path, value, "logs is the name of a directory")
                }
                logs = YAMLFile.path(text, in: directory)
            case "defaults": defaults = try Self.settings(value, path, directory, isServer: false)
            case "servers":
                guard let items = value.sequence, !items.isEmpty else {
                    throw YAMLFile.complaint(path, value, "servers is a list of at least one server, as in `- name: a`")
                }
                list = Array(items)
            default:
                throw YAMLFile.complaint(
                    path, key, "\"\(key.string ?? "?")\" is not known here; the keys are logs, defaults and servers")
            }
        }
        guard !list.isEmpty else {
            throw Complaint(.wrongUsage, "\(path): servers is missing: a list of what is to be started")
        }
        for item in list { try add(item, defaults, directory) }
    }

    private mutating func add(_ item: Node, _ defaults: [Setting: String], _ directory: String) throws(Complaint) {
        var settings = try Self.settings(item, path, directory, isServer: true)
        guard let name = settings.removeValue(forKey: .name) else {
            throw YAMLFile.complaint(path, item, "a server has a name")
        }
        settings.merge(defaults) { own, _ in own }
        guard let data = settings[.data] else {
            throw YAMLFile.complaint(path, item, "server \(name) has no data directory: say data")
        }
        if servers.contains(where: { $0.name == name }) {
            throw YAMLFile.complaint(path, item, "server \(name) is there twice")
        }
        if let other = servers.first(where: { $0.settings[.data] == data }) {
            throw YAMLFile.complaint(path, item, "servers \(other.name) and \(name) have one data directory, \(data)")
        }
        servers.append(Server(name: name, settings: settings))
    }

    private static func settings(
        _ node: Node, _ path: String, _ directory: String, isServer: Bool
    ) throws(Complaint) -> [Setting: String] {
        guard let mapping = node.mapping else {
            throw YAMLFile.complaint(path, node, "expected settings, as in `data: data/a`")
        }
        var settings: [Setting: String] = [:]
        for (key, value) in mapping {
            let allowed = Setting.allCases.filter { $0.isOfServer && (isServer || $0 != .name) }
            guard let setting = key.string.flatMap({ Setting(rawValue: $0) }), allowed.contains(setting) else {
                throw YAMLFile.complaint(
                    path, key,
                    "\"\(key.string ?? "?")\" is not a setting of \(isServer ? "a server" : "all servers"). Those are "
                        + allowed.map(\.key).joined(separator: ", "))
            }
            guard let text = value.scalar?.string else {
                throw YAMLFile.complaint(path, value, "\(setting.key) must be a plain value")
            }
            settings[setting] = setting.isPath ? YAMLFile.path(text, in: directory) : text
        }
        return settings
    }
}
