import Glibc
import Synchronization

/// The machine's file system.
///
/// It calls the C library directly: what it needs (`fdatasync`, `posix_fallocate`, `flock`, syncing a directory,
/// `statvfs`) is not offered by swift-system, and the half that is would only hide which system call is made at each
/// point where durability hangs on it.
public struct PosixFileSystem: FileSystem {
    public init() {}

    public func open(_ path: String, _ access: FileAccess) throws(FileSystemError) -> PosixFile {
        let flags: Int32
        switch access {
        case .read: flags = O_RDONLY | O_CLOEXEC
        case .update: flags = O_RDWR | O_CLOEXEC
        case .create: flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC
        }
        return PosixFile(path: path, descriptor: try openDescriptor(path, flags, "open"))
    }

    public func createDirectory(_ path: String) throws(FileSystemError) {
        if mkdir(path, 0o750) != 0, errno != EEXIST { throw .last("create directory", path) }
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last("examine", path) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .numbered("create directory", path, ENOTDIR) }
        try syncDirectory(path + "/..")
    }

    public func list(_ directory: String) throws(FileSystemError) -> [String] {
        guard let stream = opendir(directory) else { throw .last("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        if errno != 0 { throw .last("list", directory) }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    public func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        guard Glibc.rename(path, newPath) == 0 else { throw .last("rename to \(newPath)", path) }
    }

    public func remove(_ path: String) throws(FileSystemError) {
        guard unlink(path) == 0 else { throw .last("remove", path) }
    }

    public func syncDirectory(_ path: String) throws(FileSystemError) {
        let descriptor = try openDescriptor(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, "open directory")
        defer { _ = Glibc.close(descriptor) }
        while fsync(descriptor) != 0 {
            if errno != EINTR { throw .last("sync directory", path) }
        }
    }

    public func freeBytes(at path: String) throws(FileSystemError) -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .last("measure free space", path) }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? .max : bytes
    }

    public func lock(_ path: String, holder: String) throws(FileSystemError) -> PosixLock {
        let descriptor = try openDescriptor(path, O_RDWR | O_CREAT | O_CLOEXEC, "open lock")
        let file = PosixFile(path: path, descriptor: descriptor)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno != EINTR { throw .last("lock", path) }
        }
        guard ftruncate(descriptor, 0) == 0 else { throw .last("truncate", path) }
        try file.write([UInt8](holder.utf8), at: 0)
        return PosixLock(file: file)
    }
}

/// A file descriptor, closed when the last reference goes.
public final class PosixFile: OpenFile {
    public let path: String
    /// -1 once closed.
    private let descriptor: Atomic<Int32>

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = Atomic(descriptor)
    }

    deinit { close() }

    public func close() {
        let open = descriptor.exchange(-1, ordering: .relaxed)
        // Not repeated on EINTR: Linux has freed the number by then.
        if open >= 0 { _ = Glibc.close(open) }
    }

    public func size() throws(FileSystemError) -> UInt64 {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last("examine", path) }
        return UInt64(status.st_size)
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(number, base + done, buffer.count - done, off_t(clamping: offset) + off_t(done))
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw .last("read", path)
            }
            done += count
        }
        return done
    }

    public func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            let count = pwrite(number, base + done, bytes.count - done, off_t(clamping: offset) + off_t(done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .last("write", path)
            }
            done += count
        }
    }

    public func allocate(_ length: UInt64) throws(FileSystemError) {
        guard length > 0 else { return }
        while true {
            // posix_fallocate returns its error instead of setting errno.
            let code = posix_fallocate(number, 0, off_t(clamping: length))
            if code == 0 { return }
            if code != EINTR { throw .numbered("allocate \(length) bytes for", path, code) }
        }
    }

    public func syncData() throws(FileSystemError) {
        while fdatasync(number) != 0 {
            if errno != EINTR { throw .last("sync", path) }
        }
    }

    public func writeOut(_ range: Range<UInt64>) throws(FileSystemError) {
        guard let writeOut = SyncFileRange.function else { return }
        let (offset, count) = (Int64(clamping: range.lowerBound), Int64(clamping: range.count))
        while writeOut(number, offset, count, SyncFileRange.writeAndWait) != 0 {
            switch errno {
            case EINTR: continue
            // Not every file system can.
            case EINVAL, ENOSYS, EOPNOTSUPP, ESPIPE: return
            default: throw .last("write out", path)
            }
        }
    }

    private var number: Int32 { descriptor.load(ordering: .relaxed) }
}

/// Holds `flock` on an open file: the kernel lets go of it with the process, however that ends.
public final class PosixLock: FileLock {
    private let file: PosixFile

    init(file: PosixFile) { self.file = file }

    public func close() { file.close() }
}

private func openDescriptor(_ path: String, _ flags: Int32, _ operation: String) throws(FileSystemError) -> Int32 {
    while true {
        let descriptor = Glibc.open(path, flags, 0o640)
        if descriptor >= 0 { return descriptor }
        if errno != EINTR { throw .last(operation, path) }
    }
}

extension FileSystemError {
    /// From the calling thread's `errno`.
    fileprivate static func last(_ operation: String, _ path: String) -> FileSystemError {
        numbered(operation, path, errno)
    }

    fileprivate static func numbered(_ operation: String, _ path: String, _ code: Int32) -> FileSystemError {
        FileSystemError(operation, path, Code(code), String(cString: strerror(code)))
    }
}

/// Linux's own `sync_file_range(2)`, looked up by name: the C library declares it for those only who ask for all of GNU.
private enum SyncFileRange {
    typealias Function = @convention(c) @Sendable (Int32, Int64, Int64, UInt32) -> Int32
    /// SYNC_FILE_RANGE_WAIT_BEFORE, WRITE and WAIT_AFTER.
    static let writeAndWait: UInt32 = 1 | 2 | 4

    /// Nil where there is none. The type is that of the manual page: `off64_t` is 64 bits.
    static let function: Function? = dlsym(nil, "sync_file_range").map { unsafeBitCast($0, to: Function.self) }
}
