import WriteAheadLog

/// The state behind `SimulatedFileSystem`.
struct SimulatedDisk: Sendable {
    /// One directory: names as processes see them, and as the medium has them.
    private struct Directory: Sendable {
        var names: [String: Int] = [:]
        var durable: [String: Int] = [:]
        /// Changes not synced, oldest first: a crash lets each happen or not. A rename is one change.
        var pending: [[(name: String, file: Int?)]] = []
    }

    var capacity: UInt64
    /// Ascends by one with every crash.
    var life = 0
    var locks: [String] = []
    var syncsUntilFailure: Int?
    var writesUntilFailure: Int?
    var failsNextDirectorySync: FileSystemError.Code?
    /// Changes that still succeed before the process ends; nil for no end.
    var changesUntilEnd: Int?
    var changes = 0
    var stallsAhead = 0
    var stalls = 0
    var syncs = 0

    /// Offsets by file.
    private var unreadable: [Int: UInt64] = [:]
    private var chance: SimulatedChance
    private var directories: [String: Directory] = [:]
    /// By number; never removed, so that an open file outlives its name. Those without a name are emptied at a crash.
    private var files: [SimulatedContents] = []

    init(seed: UInt64, capacity: UInt64) {
        chance = SimulatedChance(seed: seed)
        self.capacity = capacity
    }

    // MARK: - Space

    var used: UInt64 {
        directories.values.reduce(0) { sum, directory in
            directory.names.values.reduce(sum) { $0 + UInt64(files[$1].cache.count) }
        }
    }

    var free: UInt64 { capacity > used ? capacity - used : 0 }

    // MARK: - Names

    mutating func createDirectory(_ path: String) throws(FileSystemError) {
        let (parent, name) = split(path)
        if directories[parent]?.names[name] != nil {
            throw FileSystemError("create directory", path, .notDirectory, "it is a file")
        }
        if directories[path] == nil { directories[path] = Directory() }
    }

    func list(_ path: String) throws(FileSystemError) -> [String] {
        guard let directory = directories[path] else {
            throw FileSystemError("list", path, .notFound, "there is no such directory")
        }
        return directory.names.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    mutating func open(_ path: String, _ access: FileAccess) throws(FileSystemError) -> Int {
        let (directory, name) = split(path)
        guard directories[directory] != nil else {
            throw FileSystemError("open", path, .notFound, "there is no such directory")
        }
        if let file = directories[directory]?.names[name] {
            if access == .create {
                try live("open", path)
                // On the medium, the old contents and the empty file are two files: the truncation is a change like a
                // name's.
                let fresh = newFile()
                change(directory, [(name, fresh)])
                return fresh
            }
            return file
        }
        if access == .create { try live("open", path) }
        guard access == .create else { throw FileSystemError("open", path, .notFound, "there is no such file") }
        let file = newFile()
        change(directory, [(name, file)])
        return file
    }

    mutating func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try live("rename", path)
        let (from, name) = split(path)
        let (to, newName) = split(newPath)
        guard from == to, let file = directories[from]?.names[name] else {
            throw FileSystemError("rename", path, .notFound, "there is no such file in the directory")
        }
        change(from, [(name, nil), (newName, file)])
    }

    mutating func remove(_ path: String) throws(FileSystemError) {
        try live("remove", path)
        let (directory, name) = split(path)
        guard directories[directory]?.names[name] != nil else {
            throw FileSystemError("remove", path, .notFound, "there is no such file")
        }
        change(directory, [(name, nil)])
    }

    mutating func syncDirectory(_ path: String) throws(FileSystemError) {
        try live("sync directory", path)
        guard var directory = directories[path] else {
            throw FileSystemError("sync directory", path, .notFound, "there is no such directory")
        }
        if let code = failsNextDirectorySync {
            failsNextDirectorySync = nil
            throw FileSystemError("sync directory", path, code, "the simulated disk fails")
        }
        directory.durable = directory.names
        directory.pending = []
        directories[path] = directory
    }

    mutating func takeLock(_ path: String, holder: String) throws(FileSystemError) {
        guard !locks.contains(path) else { throw FileSystemError("lock", path, .locked, "it is locked") }
        let file = try open(path, .create)
        locks.append(path)
        files[file].write(Array(holder.utf8), at: 0)
    }

    private mutating func newFile() -> Int {
        files.append(SimulatedContents())
        return files.count - 1
    }

    private mutating func change(_ directory: String, _ changes: [(name: String, file: Int?)]) {
        for (name, file) in changes { directories[directory]?.names[name] = file }
        directories[directory]?.pending.append(changes)
    }

    private func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return ("", path) }
        return (String(path[..<slash]), String(path[path.utf8.index(after: slash)...]))
    }

    // MARK: - Contents

    func size(_ file: Int) -> UInt64 { UInt64(files[file].cache.count) }

    func read(_ file: Int, _ path: String, _ offset: UInt64, _ count: Int) throws(FileSystemError) -> [UInt8] {
        if let place = unreadable[file], place >= offset, place < offset + UInt64(count) {
            throw FileSystemError("read", path, .inputOutput, "the simulated disk cannot read offset \(place)")
        }
        let cache = files[file].cache
        guard offset < UInt64(cache.count) else { return [] }
        return Array(cache[Int(offset)...].prefix(count))
    }

    mutating func write(_ bytes: [UInt8], _ file: Int, _ path: String, _ offset: UInt64) throws(FileSystemError) {
        try live("write", path)
        if let left = writesUntilFailure {
            writesUntilFailure = left > 0 ? left - 1 : nil
            if left == 0 {
                files[file].write(Array(bytes.prefix(Int(chance.next() % UInt64(bytes.count + 1)))), at: Int(offset))
                throw FileSystemError("write", path, .inputOutput, "the simulated disk fails")
            }
        }
        let growth = Int64(offset) + Int64(bytes.count) - Int64(files[file].cache.count)
        guard growth <= 0 || UInt64(growth) <= free else {
            throw FileSystemError("write", path, .noSpace, "the simulated disk is full")
        }
        files[file].write(bytes, at: Int(offset))
    }

    mutating func allocate(_ file: Int, _ path: String, _ length: UInt64) throws(FileSystemError) {
        let growth = Int64(length) - Int64(files[file].cache.count)
        guard growth <= 0 || UInt64(growth) <= free else {
            throw FileSystemError("allocate", path, .noSpace, "the simulated disk is full")
        }
        files[file].grow(to: Int(length))
    }

    mutating func sync(_ file: Int, _ path: String) throws(FileSystemError) {
        try live("sync", path)
        syncs += 1
        if stallsAhead > 0 {
            stallsAhead -= 1
            stalls += 1
        }
        if let left = syncsUntilFailure {
            syncsUntilFailure = left > 0 ? left - 1 : nil
            if left == 0 {
                files[file].failSync(&chance)
                throw FileSystemError("sync", path, .inputOutput, "the simulated disk fails")
            }
        }
        files[file].sync()
    }

    // MARK: - Faults

    /// Counts a change, or refuses it because the process has ended before it.
    private mutating func live(_ operation: String, _ path: String) throws(FileSystemError) {
        changes += 1
        guard let left = changesUntilEnd else { return }
        guard left > 0 else { throw FileSystemError(operation, path, .inputOutput, "the process has ended") }
        changesUntilEnd = left - 1
    }

    mutating func crash(_ loss: SimulatedFileSystem.CrashLoss) {
        life += 1
        locks = []
        syncsUntilFailure = nil
        writesUntilFailure = nil
        failsNextDirectorySync = nil
        changesUntilEnd = nil
        stallsAhead = 0
        stalls = 0
        guard loss != .nothing else { return }
        // With some probability all or nothing of one file is lost: an even coin for each of many sectors would hardly
        // ever do that.
        var named: Set<Int> = []
        for path in directories.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            crashNames(path, loss)
            if let durable = directories[path]?.durable { named.formUnion(durable.values) }
        }
        for file in files.indices {
            guard named.contains(file) else {
                files[file].truncate()
                continue
            }
            let mode = loss == .everything ? 0 : chance.next() % 4
            files[file].crash(
                keeping: { chance in
                    switch mode {
                    case 0: false
                    case 1: true
                    default: chance.coin()
                    }
                }, &chance)
        }
    }

    private mutating func crashNames(_ path: String, _ loss: SimulatedFileSystem.CrashLoss) {
        guard var directory = directories[path] else { return }
        for changes in directory.pending where loss == .some && chance.coin() {
            for (name, file) in changes { directory.durable[name] = file }
        }
        directory.names = directory.durable
        directory.pending = []
        directories[path] = directory
    }

    mutating func rot(_ path: String, at offset: Int, bit: Int) -> Bool {
        let (directory, name) = split(path)
        guard offset >= 0, let file = directories[directory]?.names[name] else { return false }
        return files[file].rot(at: offset, bit: bit)
    }

    mutating func makeUnreadable(_ path: String, at offset: UInt64) -> Bool {
        let (directory, name) = split(path)
        guard let file = directories[directory]?.names[name] else { return false }
        unreadable[file] = offset
        return true
    }
}
