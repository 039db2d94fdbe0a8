import Synchronization
import WriteAheadLog

/// The disk of one simulated server: keeps the file system's promises, and breaks on demand what a real disk may break.
///
/// It holds two versions of everything: what the page cache shows, and what the medium has. Syncing a file or a
/// directory copies the one to the other; `crash` throws the cache away, after the medium has got some of what was not
/// synced, sector by sector and name by name, in whatever order chance has it. All chance comes from the seed.
///
/// Any thread may use it. Files opened before a crash belong to the process that died: using them is an error.
public final class SimulatedFileSystem: FileSystem {
    /// What may reach the medium in part at a crash; an atomic unit, as of a disk.
    public static let sector = SimulatedContents.sector

    let disk: Mutex<SimulatedDisk>

    /// - Parameter capacity: bytes of files that fit.
    public init(seed: UInt64, capacity: UInt64 = .max) {
        disk = Mutex(SimulatedDisk(seed: seed, capacity: capacity))
    }

    public func open(_ path: String, _ access: FileAccess) throws(FileSystemError) -> SimulatedFile {
        let (file, life) = try disk.withLock { (disk) throws(FileSystemError) in
            (try disk.open(path, access), disk.life)
        }
        return SimulatedFile(path: path, number: file, life: life, system: self)
    }

    public func createDirectory(_ path: String) throws(FileSystemError) {
        try disk.withLock { (disk) throws(FileSystemError) in try disk.createDirectory(path) }
    }

    public func list(_ directory: String) throws(FileSystemError) -> [String] {
        try disk.withLock { (disk) throws(FileSystemError) in try disk.list(directory) }
    }

    public func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try disk.withLock { (disk) throws(FileSystemError) in try disk.rename(path, to: newPath) }
    }

    public func remove(_ path: String) throws(FileSystemError) {
        try disk.withLock { (disk) throws(FileSystemError) in try disk.remove(path) }
    }

    public func syncDirectory(_ path: String) throws(FileSystemError) {
        try disk.withLock { (disk) throws(FileSystemError) in try disk.syncDirectory(path) }
    }

    public func freeBytes(at path: String) throws(FileSystemError) -> UInt64 {
        disk.withLock { $0.free }
    }

    public func lock(_ path: String, holder: String) throws(FileSystemError) -> SimulatedLock {
        let life = try disk.withLock { (disk) throws(FileSystemError) in
            try disk.takeLock(path, holder: holder)
            return disk.life
        }
        return SimulatedLock(path: path, life: life, system: self)
    }

    // MARK: - Faults

    /// What becomes of unsynced sectors and names at a crash.
    public enum CrashLoss: CaseIterable, Sendable {
        /// All are lost.
        case everything
        /// None is: the process died and the machine did not.
        case nothing
        /// Each by chance.
        case some
    }

    /// The process that used the disk is gone, its files and locks with it.
    public func crash(_ loss: CrashLoss = .some) {
        disk.withLock { $0.crash(loss) }
    }

    /// The next data sync after `count` good ones fails, and what it should have written is lost in part, although the
    /// page cache goes on showing it and counts it as written: a later sync succeeds and does nothing about it.
    public func failSync(after count: Int = 0) {
        disk.withLock { $0.syncsUntilFailure = count }
    }

    public func failNextSync() { failSync() }

    /// The next write after `count` good ones fails, having written some of its sectors.
    public func failWrite(after count: Int = 0) {
        disk.withLock { $0.writesUntilFailure = count }
    }

    /// The process comes to its end after `count` more changes (writes, syncs, new names): every later one fails, until
    /// `crash`. With each count in turn, a procedure is stopped at each of its steps.
    public func endProcess(after count: Int) {
        disk.withLock { $0.changesUntilEnd = count }
    }

    /// Changes asked for so far.
    public var changeCount: Int { disk.withLock { $0.changes } }

    /// The next directory sync fails; names are as durable as they were.
    public func failNextDirectorySync(_ code: FileSystemError.Code = .inputOutput) {
        disk.withLock { $0.failsNextDirectorySync = code }
    }

    /// Bytes of files that fit from now on; what is there stays, even if it is more.
    public func setCapacity(_ bytes: UInt64) {
        disk.withLock { $0.capacity = bytes }
    }

    public var usedBytes: UInt64 { disk.withLock { $0.used } }

    /// Inverts one bit on the medium and in the cache.
    /// - Returns: false if there is no such byte.
    @discardableResult
    public func rot(_ path: String, at offset: Int, bit: Int = 0) -> Bool {
        disk.withLock { $0.rot(path, at: offset, bit: bit) }
    }

    /// Reads that touch this byte of the file fail from now on, under whatever name it has.
    /// - Returns: false if there is no such file.
    @discardableResult
    public func makeUnreadable(_ path: String, at offset: UInt64) -> Bool {
        disk.withLock { $0.makeUnreadable(path, at: offset) }
    }

    /// The next `count` data syncs take long. Virtual time is not this type's: whoever drives it asks `takeStalls` how
    /// many did, and delays their completion.
    public func stallSyncs(_ count: Int) {
        disk.withLock { $0.stallsAhead = count }
    }

    /// How many data syncs stalled since this was last asked.
    public func takeStalls() -> Int {
        disk.withLock { disk in
            defer { disk.stalls = 0 }
            return disk.stalls
        }
    }

    /// Data syncs done, for measuring group commit.
    public var syncCount: Int { disk.withLock { $0.syncs } }
}

public final class SimulatedFile: OpenFile {
    public let path: String
    private let number: Int
    private let life: Int
    private let system: SimulatedFileSystem
    private let isClosed = Atomic(false)

    init(path: String, number: Int, life: Int, system: SimulatedFileSystem) {
        self.path = path
        self.number = number
        self.life = life
        self.system = system
    }

    public func close() { isClosed.store(true, ordering: .relaxed) }

    public func size() throws(FileSystemError) -> UInt64 {
        try using("examine") { (disk) throws(FileSystemError) in disk.size(number) }
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int {
        // Copied out, because memory of the caller's may not be taken into the lock.
        let bytes = try using("read") { (disk) throws(FileSystemError) in
            try disk.read(number, path, offset, buffer.count)
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }

    public func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError) {
        let copy = Array(bytes)
        try using("write") { (disk) throws(FileSystemError) in
            try disk.write(copy, number, path, offset)
        }
    }

    public func allocate(_ length: UInt64) throws(FileSystemError) {
        try using("allocate") { (disk) throws(FileSystemError) in try disk.allocate(number, path, length) }
    }

    public func syncData() throws(FileSystemError) {
        try using("sync") { (disk) throws(FileSystemError) in try disk.sync(number, path) }
    }

    private func using<Result: Sendable>(
        _ operation: String, _ body: (inout SimulatedDisk) throws(FileSystemError) -> Result
    ) throws(FileSystemError) -> Result {
        try system.disk.withLock { (disk) throws(FileSystemError) in
            guard !isClosed.load(ordering: .relaxed) else {
                throw FileSystemError(operation, path, .closed, "the file is closed")
            }
            guard life == disk.life else {
                throw FileSystemError(operation, path, .closed, "the process that opened the file has crashed")
            }
            return try body(&disk)
        }
    }
}

public final class SimulatedLock: FileLock {
    private let path: String
    private let life: Int
    private let system: SimulatedFileSystem

    init(path: String, life: Int, system: SimulatedFileSystem) {
        self.path = path
        self.life = life
        self.system = system
    }

    deinit { close() }

    public func close() {
        system.disk.withLock { disk in
            // A lock of a process that died holds nothing.
            if disk.life == life { disk.locks.removeAll { $0 == path } }
        }
    }
}
