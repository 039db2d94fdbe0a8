import Glibc

/// Tells whether a file was replaced or written to.
enum FileStamp {
    /// Zeros if there is none.
    static func of(_ path: String) -> [UInt64] {
        var found = stat()
        guard stat(path, &found) == 0 else { return [0, 0, 0, 0] }
        return [
            UInt64(found.st_ino), UInt64(bitPattern: Int64(found.st_size)),
            UInt64(bitPattern: Int64(found.st_mtim.tv_sec)), UInt64(bitPattern: Int64(found.st_mtim.tv_nsec)),
        ]
    }
}
