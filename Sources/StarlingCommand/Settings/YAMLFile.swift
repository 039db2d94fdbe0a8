import Foundation
import Yams

/// A YAML file that people write: complaints about it name the line.
enum YAMLFile {
    /// The mapping at its top; empty for an empty file.
    static func read(_ path: String) throws(Complaint) -> Node.Mapping {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Complaint(.wrongUsage, "\(path) cannot be read: \(error.localizedDescription)")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw Complaint(.wrongUsage, "\(path) is not YAML: \(error)")
        }
        // A file of comments only is an empty document.
        guard let root, root.scalar?.string.isEmpty != true, !text.allSatisfy(\.isWhitespace) else { return [:] }
        guard let mapping = root.mapping else {
            throw Complaint(.wrongUsage, "\(path) must be a YAML mapping, as in `servers: 127.0.0.1:7460`")
        }
        return mapping
    }

    static func complaint(_ path: String, _ node: Node, _ problem: String) -> Complaint {
        Complaint(.wrongUsage, "\(path)\(node.mark.map { ", line \($0.line)" } ?? ""): \(problem)")
    }

    /// A path in a file is relative to that file.
    static func path(_ path: String, in directory: String) -> String {
        let path = UserDirectories.expanded(path)
        guard !path.isEmpty else { return path }
        return URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: directory, isDirectory: true))
            .standardizedFileURL.path
    }
}
