import Foundation

/// The lines of earlier shells, in a file that nobody else reads. Shells that run at the same time append to it in turn.
struct ShellHistory {
    static let limit = 1_000
    /// Longer lines are not kept.
    static let lineBytes = 4_096

    let path: String

    init(_ directories: UserDirectories = UserDirectories()) {
        path = directories.state + "/tuple-history"
    }

    /// The last lines, the oldest first. A file that has grown to twice the limit is cut back to them.
    func load() -> [String] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        let all = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
        let lines = Array(all.suffix(Self.limit))
        if all.count >= 2 * Self.limit {
            let new = path + ".new"
            try? FileManager.default.removeItem(atPath: new)
            if (try? append(lines, to: new)) != nil { rename(new, path) }
        }
        return lines
    }

    func append(_ line: String) throws(Complaint) {
        guard line.utf8.count <= Self.lineBytes else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: UserDirectories.parent(path), withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            try append([line], to: path)
        } catch {
            throw Complaint(.failed, "the history cannot be kept in \(path): \(error.localizedDescription)")
        }
    }

    private func append(_ lines: [String], to path: String) throws {
        let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, fchmod(file, 0o600) == 0 else { throw CocoaError(.fileWriteNoPermission) }
        try FileHandle(fileDescriptor: file, closeOnDealloc: true)
            .write(contentsOf: Data(lines.map { $0 + "\n" }.joined().utf8))
    }
}
