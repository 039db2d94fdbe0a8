import Foundation
import Glibc

/// Files that hold secrets, or that a running process reads.
public enum NewFile {
    /// What went wrong, as a sentence without the path.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Makes a file that must not exist, with its mode from the very beginning, so that a secret is never readable by
    /// others; durable on return.
    public static func make(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("made") }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("written") }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw failure("synced") }
    }

    /// Makes a file, or puts another in the place of the one that is there, for the same readers: a reader sees the one or the
    /// other, after a crash too.
    /// - Parameter mode: of a file that was not there.
    public static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(Failure) {
        let temporary = path + ".tmp"
        // What an earlier attempt left.
        unlink(temporary)
        try make(temporary, bytes, mode: mode)
        // Whoever could read the old one has to read the new one: the user that the server runs as.
        if let old = try? FileManager.default.attributesOfItem(atPath: path),
            let owner = (old[.ownerAccountID] as? NSNumber)?.uint32Value,
            let group = (old[.groupOwnerAccountID] as? NSNumber)?.uint32Value,
            let mode = (old[.posixPermissions] as? NSNumber)?.uint32Value
        {
            guard chown(temporary, owner, group) == 0, chmod(temporary, mode & 0o777) == 0 else {
                let problem = failure("replaced by a file of the same owner")
                unlink(temporary)
                throw problem
            }
        }
        guard rename(temporary, path) == 0 else { throw failure("put in its place") }
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("found again in its directory") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("synced in its directory") }
    }

    private static func failure(_ what: String) -> Failure {
        Failure(description: "cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
