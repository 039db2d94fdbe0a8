/// What the durable log asks of a file system, and no more: small enough that a simulated one can keep every promise
/// and break every one that real disks break.
///
/// Paths are whatever the implementation takes; the log only ever joins a directory and a name by `/`.
public protocol FileSystem: Sendable {
    associatedtype File: OpenFile
    associatedtype Lock: FileLock

    func open(_ path: String, _ access: FileAccess) throws(FileSystemError) -> File
    /// Creates a directory and makes its own entry durable in its parent; one that is there already is fine.
    func createDirectory(_ path: String) throws(FileSystemError)
    /// Names in a directory, ascending by their bytes, without `.` and `..`.
    func list(_ directory: String) throws(FileSystemError) -> [String]
    /// Replaces what bears the new name, in one step. Durable only after the directory is synced.
    func rename(_ path: String, to newPath: String) throws(FileSystemError)
    func remove(_ path: String) throws(FileSystemError)
    /// Makes names created, renamed and removed in a directory durable.
    func syncDirectory(_ path: String) throws(FileSystemError)
    /// Bytes that an unprivileged process may still use where `path` is.
    func freeBytes(at path: String) throws(FileSystemError) -> UInt64
    /// Takes an exclusive lock on a file, made if need be, and writes the text `holder` into it. The lock is held until
    /// it is closed or the process ends.
    /// - Throws: an error with the code `.locked` if another holds it.
    func lock(_ path: String, holder: String) throws(FileSystemError) -> Lock
}

public enum FileAccess: Sendable {
    /// An existing file, for reading.
    case read
    /// An existing file, for reading and for overwriting at an offset.
    case update
    /// A new, empty file, for reading and writing; one of the same name loses its contents.
    case create
}

/// An open file. One thread at a time uses it.
public protocol OpenFile: AnyObject, Sendable {
    var path: String { get }
    /// Bytes.
    func size() throws(FileSystemError) -> UInt64
    /// Reads until the buffer is full or the file ends.
    /// - Returns: how many bytes were read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int
    /// Writes all bytes; the file grows if need be. Not durable before `syncData`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError)
    /// Reserves blocks for the first `length` bytes, so that writing them needs no more space; the file grows to that
    /// length.
    /// - Throws: an error with the code `.noSpace` if the disk is too full.
    func allocate(_ length: UInt64) throws(FileSystemError)
    /// Makes the contents and length durable. After it failed once, nothing is known of what was written before, and
    /// that a later one succeeds proves nothing.
    func syncData() throws(FileSystemError)
    /// Has the system move a range that was written from its cache to the disk, and waits for that: a sync of this or any other file
    /// then has less to do. Makes nothing durable.
    /// - Throws: what went wrong with writing. It is not told again by `syncData`, so it counts as a failure of that.
    func writeOut(_ range: Range<UInt64>) throws(FileSystemError)
    /// Does nothing the second time. Also done when the last reference goes.
    func close()
}

extension OpenFile {
    /// Leaves the time of writing to the system.
    public func writeOut(_ range: Range<UInt64>) throws(FileSystemError) {}
}

public protocol FileLock: AnyObject, Sendable {
    /// Gives the lock up. Does nothing the second time.
    func close()
}

/// A file operation that failed: what was tried, where, and what the system said.
public struct FileSystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system's error number, with names for those that the log distinguishes.
    public struct Code: Hashable, Sendable {
        public var rawValue: Int32
        public init(_ rawValue: Int32) { self.rawValue = rawValue }
        /// ENOENT
        public static let notFound = Code(2)
        /// EIO
        public static let inputOutput = Code(5)
        /// EBADF
        public static let closed = Code(9)
        /// EAGAIN, EWOULDBLOCK
        public static let locked = Code(11)
        /// ENOTDIR
        public static let notDirectory = Code(20)
        /// ENOSPC
        public static let noSpace = Code(28)
        /// EDQUOT
        public static let quotaExceeded = Code(122)
    }

    /// A verb, e.g. "sync".
    public var operation: String
    public var path: String
    public var code: Code
    public var message: String

    public init(_ operation: String, _ path: String, _ code: Code, _ message: String) {
        self.operation = operation
        self.path = path
        self.code = code
        self.message = message
    }

    /// The disk or the quota is full.
    public var isNoSpace: Bool { code == .noSpace || code == .quotaExceeded }

    public var description: String { "cannot \(operation) \(path): \(message) (error \(code.rawValue))" }
}

extension OpenFile {
    public func write(_ bytes: [UInt8], at offset: UInt64) throws(FileSystemError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(FileSystemError) in
            try write(UnsafeRawBufferPointer(buffer), at: offset)
        }
    }

    /// All of the file.
    public func readAll() throws(FileSystemError) -> [UInt8] {
        try readRange(0, count: Int(clamping: try size()))
    }

    /// Up to `count` bytes from `offset`: fewer where the file ends. A count that came from a file makes nobody reserve memory for
    /// more than that file has.
    public func readRange(_ offset: UInt64, count: Int) throws(FileSystemError) -> [UInt8] {
        let size = try size()
        let count = offset < size ? Int(min(UInt64(count), size - offset)) : 0
        var failure: FileSystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            do throws(FileSystemError) {
                initialised = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reserves `length` bytes and writes zeros over them, synced piece by piece, so that neither the journal nor the
    /// device's queue is filled at the cost of the log's own syncs.
    ///
    /// Blocks that were only reserved are marked unwritten; the first write to each then changes metadata too, and its
    /// sync costs a third more.
    public func zeroFill(_ length: UInt64) throws(FileSystemError) {
        try allocate(length)
        let piece = 1 << 20
        let zeros = [UInt8](repeating: 0, count: Int(min(length, UInt64(piece))))
        var offset: UInt64 = 0
        while offset < length {
            let count = Int(min(UInt64(piece), length - offset))
            try zeros.withUnsafeBufferPointer { (buffer) throws(FileSystemError) in
                try write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[..<count])), at: offset)
            }
            offset += UInt64(count)
            try syncData()
        }
    }
}

/// A name inside a directory.
func join(_ directory: String, _ name: String) -> String { directory + "/" + name }
