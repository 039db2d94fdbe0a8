/// Why the durable log did not do something.
public enum LogError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A write or sync failed now. What it should have made durable may or may not be; the log is poisoned from here
    /// on.
    case failed(FileSystemError)
    /// A write or sync failed before. Nothing was done. The process must end: only opening the log anew finds out what
    /// the disk holds.
    case poisoned(String)
    /// Entries were refused because no segment can be prepared; nothing of the call was written. Term, vote and
    /// snapshot marks are still taken. Ask `checkRoom` now and then.
    case diskFull(path: String, needed: UInt64)
    /// The caller broke the order of the log; nothing was written.
    case invalidWrite(String)
    case directory(LogDirectoryError)

    public var description: String {
        switch self {
        case .failed(let error):
            "the log can no longer be trusted to be durable: \(error)"
        case .poisoned(let reason):
            "the log was given up after its first failure (\(reason)); restart the server"
        case .diskFull(let path, let needed):
            "the disk of \(path) is full: the log needs \(needed) more bytes"
        case .invalidWrite(let reason):
            "this cannot be appended to the log: \(reason)"
        case .directory(let error):
            error.description
        }
    }
}
