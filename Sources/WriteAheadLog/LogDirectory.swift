import ByteCoding
import Raft

/// A server's data directory, locked for this process: who the server is, its first configuration, and whether its log
/// awaits repair. Log segments and snapshots lie beside these files; docs/formats/write-ahead-log.md lists them all.
///
/// On first start: `open`, `initialise` (the node's id is durable before anyone is told), then, once all servers agree,
/// `adopt`. Each step is durable when it returns and may be repeated after a crash. One thread at a time uses it.
public struct LogDirectory<Files: FileSystem>: Sendable {
    public let files: Files
    public let path: String
    /// Nil until `initialise`.
    public private(set) var identity: LogIdentity?
    /// Nil until `adopt`.
    public private(set) var firstConfiguration: Configuration?
    /// What this server has promised during the first start to adopt, should all others promise the same. Nil until
    /// `hold`.
    public private(set) var heldConfiguration: Configuration?
    /// Why this server must not vote, until `WriteAheadLog.markRepaired`; nil if it may.
    public private(set) var pendingRepair: String?
    /// While repair is pending: no term below this was in force when the damage was found.
    public private(set) var pendingRepairTerm = Term.zero
    /// What this server has learnt of its removal from the cluster; nil if it is a member as far as it knows. The others have forgotten it:
    /// nobody would tell it again.
    public private(set) var removal: Removal?
    private let lock: Files.Lock

    public struct Removal: Equatable, Sendable, CustomStringConvertible {
        /// Of the configuration without it, if it has that in its log.
        public var index: LogIndex?

        public var description: String {
            "removed from the cluster" + (index.map { " at log index \($0)" } ?? "")
        }
    }

    /// Where a server that joined keeps its plan.
    public static func planFile(in path: String) -> String { join(path, FileNames.plan) }

    public var isInitialised: Bool { identity != nil }
    public var hasConfiguration: Bool { firstConfiguration != nil }

    /// Opens a data directory, creating it if need be, and locks it.
    /// - Parameters:
    ///   - cluster: refuses a directory of any other cluster, if given.
    ///   - node: refuses a directory of any other node, if given.
    ///   - holder: what a second process is told about this one, e.g. "pid 4711".
    public static func open(
        _ path: String, files: Files, cluster: ClusterID? = nil, node: NodeID? = nil, holder: String
    ) throws(LogDirectoryError) -> LogDirectory {
        try attempt { () throws(FileSystemError) in try files.createDirectory(path) }
        try refuseForeignDirectory(path, files)
        let lock = try takeLock(path, files, holder)
        var directory = LogDirectory(files: files, path: path, lock: lock)
        do throws(LogDirectoryError) {
            try directory.load()
            try directory.check(cluster: cluster, node: node)
        } catch {
            lock.close()
            throw error
        }
        return directory
    }

    private init(files: Files, path: String, lock: Files.Lock) {
        self.files = files
        self.path = path
        self.lock = lock
    }

    /// Lets another process have the directory.
    public func close() { lock.close() }

    /// Makes this directory that of a node, for ever. Repeating it with the same values does nothing.
    /// - Parameters:
    ///   - nodeID: chosen at random by the caller, once.
    ///   - secret: see `LogIdentity.secret`; a simulated run chooses it, to be the same again.
    ///   - repair: why the node must not vote yet, and the term that is known: durable before the directory is anybody's.
    public mutating func initialise(
        clusterID: ClusterID, nodeID: NodeID, name: String, secret: UInt64 = .random(in: 1 ... .max),
        awaiting repair: (reason: String, term: Term)? = nil
    ) throws(LogDirectoryError) {
        let wanted = LogIdentity(cluster: clusterID, node: nodeID, name: name, secret: secret)
        if let identity {
            guard identity == wanted else { throw .alreadyInitialised(path: path, as: identity) }
            return
        }
        let allowed = name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard (1...63).contains(name.utf8.count), allowed else { throw .badName(name) }
        if let repair { try demandRepair(repair.reason, term: repair.term, of: wanted) }
        try publish(wanted.fileHeader().encoded(body: Array(name.utf8)), as: FileNames.identity)
        identity = wanted
    }

    /// Stores the configuration that this server promises to adopt. A directory holds one in its life; repeating it
    /// does nothing.
    public mutating func hold(_ configuration: Configuration) throws(LogDirectoryError) {
        guard let identity else { throw .notInitialised(path: path) }
        if let heldConfiguration {
            guard heldConfiguration == configuration else { throw .otherConfiguration(path: path) }
            return
        }
        try store(configuration, as: FileNames.held, identity)
        heldConfiguration = configuration
    }

    /// Stores the cluster's first configuration. Repeating it with the same one does nothing.
    public mutating func adopt(firstConfiguration configuration: Configuration) throws(LogDirectoryError) {
        guard let identity else { throw .notInitialised(path: path) }
        if let firstConfiguration {
            guard firstConfiguration == configuration else { throw .otherConfiguration(path: path) }
            return
        }
        try store(configuration, as: FileNames.genesis, identity)
        firstConfiguration = configuration
    }

    private func store(
        _ configuration: Configuration, as name: String, _ identity: LogIdentity
    ) throws(LogDirectoryError) {
        let genesis = SnapshotMetadata(
            index: .zero, term: .zero, configuration: configuration, configurationIndex: .zero)
        guard genesis.isReadable else { throw .malformedConfiguration }
        var body = ByteWriter()
        configuration.encode(into: &body)
        let header = FileHeader(magic: .genesis, cluster: identity.cluster, node: identity.node)
        try publish(header.encoded(body: body.take()), as: name)
    }

    /// Makes durable that this server neither votes nor leads, and why. The first reason stays, and the highest term.
    mutating func demandRepair(_ reason: String, term: Term) throws(LogDirectoryError) {
        guard let identity else { throw .notInitialised(path: path) }
        try demandRepair(reason, term: term, of: identity)
    }

    private mutating func demandRepair(
        _ reason: String, term: Term, of identity: LogIdentity
    ) throws(LogDirectoryError) {
        guard pendingRepair == nil || term > pendingRepairTerm else { return }
        let reason = pendingRepair ?? reason
        let header = FileHeader(
            magic: .repair, cluster: identity.cluster, node: identity.node, fields: (term.rawValue, 0, 0, 0))
        let bytes = header.encoded(body: Array(reason.utf8))
        do throws(LogDirectoryError) {
            try publish(bytes, as: FileNames.repair)
        } catch {
            // A damaged log must be opened on a full disk too: what was put by for running on makes room.
            guard case .file(let cause) = error, cause.isNoSpace, try giveUpReserve() else { throw error }
            try publish(bytes, as: FileNames.repair)
        }
        pendingRepair = reason
        pendingRepairTerm = term
    }

    /// Makes durable that this server was removed. Concerns no other file: any thread may call it.
    public func noteRemoval(at index: LogIndex?) throws(LogDirectoryError) {
        guard let identity else { throw .notInitialised(path: path) }
        let header = FileHeader(
            magic: .removal, cluster: identity.cluster, node: identity.node,
            fields: (index?.rawValue ?? 0, 0, 0, 0))
        try publish(header.encoded(), as: FileNames.removed)
    }

    /// - Returns: false if there is none.
    private func giveUpReserve() throws(LogDirectoryError) -> Bool {
        try attempt { () throws(FileSystemError) in
            let names = try files.list(path)
            guard
                let name = names.first(where: { FileNames.preparedNumber($0) != nil })
                    ?? names.first(where: FileNames.isReserve)
            else { return false }
            try files.remove(join(path, name))
            try files.syncDirectory(path)
            return true
        }
    }

    mutating func endRepair() throws(LogDirectoryError) {
        guard pendingRepair != nil else { return }
        try attempt { () throws(FileSystemError) in
            try files.remove(join(path, FileNames.repair))
            try files.syncDirectory(path)
        }
        pendingRepair = nil
        pendingRepairTerm = .zero
    }

    private func publish(_ bytes: [UInt8], as name: String) throws(LogDirectoryError) {
        try attempt { () throws(FileSystemError) in try files.publish(bytes, as: name, in: path) }
    }

    // MARK: - Reading what is there

    private mutating func load() throws(LogDirectoryError) {
        // What a process before this one renamed and did not live to sync counts only from here on.
        try attempt { () throws(FileSystemError) in try files.syncDirectory(path) }
        try RecoveryCompletion(files: files, path: path).finish()
        let names = try attempt { () throws(FileSystemError) in try files.list(path) }
        guard names.contains(FileNames.identity) else { return }
        let (header, body) = try read(FileNames.identity, .identity)
        guard let name = String(validating: body, as: UTF8.self) else {
            throw .damaged(file: join(path, FileNames.identity), reason: "the name is not UTF-8")
        }
        let identity = LogIdentity(header, name: name)
        self.identity = identity
        if names.contains(FileNames.genesis) {
            firstConfiguration = try readConfiguration(FileNames.genesis, identity)
        }
        if names.contains(FileNames.held) {
            do throws(LogDirectoryError) {
                heldConfiguration = try readConfiguration(FileNames.held, identity)
            } catch {
                // What was promised has been kept: what has become of the promise matters to nobody.
                guard firstConfiguration != nil, case .damaged = error else { throw error }
            }
        }
        if names.contains(FileNames.repair) {
            try readRepair()
        }
        if names.contains(FileNames.removed) { try readRemoval(identity) }
    }

    /// One that cannot be read, or is another cluster's, says nothing: then this server waits in vain, and nothing is lost.
    private mutating func readRemoval(_ identity: LogIdentity) throws(LogDirectoryError) {
        let file = join(path, FileNames.removed)
        let bytes = try attempt { () throws(FileSystemError) in try files.readableContents(of: file).bytes }
        let reading = bytes.withUnsafeBytes { FileHeader.read($0, expecting: .removal) }
        if case .newer = reading { _ = try LogDirectory.valid(reading, file) }
        guard case .valid(let header) = reading, header.cluster == identity.cluster, header.node == identity.node else {
            return
        }
        removal = Removal(index: header.fields.0 == 0 ? nil : LogIndex(header.fields.0))
    }

    /// Whatever has become of its contents: that it is there forbids voting.
    private mutating func readRepair() throws(LogDirectoryError) {
        let file = join(path, FileNames.repair)
        let bytes = try attempt { () throws(FileSystemError) in try files.contents(of: file) }
        let (reading, body) = FileHeader.readWithBody(bytes, expecting: .repair)
        switch reading {
        case .newer: _ = try LogDirectory.valid(reading, file)
        case .damaged: pendingRepair = "the reason has become unreadable"
        case .valid(let header):
            pendingRepair = String(decoding: body, as: UTF8.self)
            if header.fields.0 < LogReplay.bound { pendingRepairTerm = Term(header.fields.0) }
        }
    }

    private func readConfiguration(
        _ name: String, _ identity: LogIdentity
    ) throws(LogDirectoryError) -> Configuration {
        let file = join(path, name)
        let (header, body) = try read(name, .genesis)
        try LogDirectory.check(header, in: file, against: identity)
        do {
            return try body.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                let configuration = try Configuration(from: &reader)
                try reader.requireEnd("first configuration")
                return configuration
            }
        } catch {
            throw .damaged(file: file, reason: "\(error)")
        }
    }

    private func read(
        _ name: String, _ magic: FileHeader.Magic
    ) throws(LogDirectoryError) -> (header: FileHeader, body: [UInt8]) {
        let file = join(path, name)
        let bytes = try attempt { () throws(FileSystemError) in try files.contents(of: file) }
        let (reading, body) = FileHeader.readWithBody(bytes, expecting: magic)
        return (try LogDirectory.valid(reading, file), body)
    }

    static func valid(_ reading: FileHeader.Reading, _ file: String) throws(LogDirectoryError) -> FileHeader {
        switch reading {
        case .valid(let header): return header
        case .damaged(let reason): throw .damaged(file: file, reason: reason)
        case .newer(let version):
            throw .newerVersion(file: file, found: version, supported: FileHeader.supportedVersion)
        }
    }

    /// Refuses a file that was made for another server.
    static func check(
        _ header: FileHeader, in file: String, against identity: LogIdentity
    ) throws(LogDirectoryError) {
        guard header.cluster == identity.cluster else {
            throw .otherCluster(path: file, found: header.cluster, expected: identity.cluster)
        }
        guard header.node == identity.node else {
            throw .otherNode(path: file, found: header.node, expected: identity.node)
        }
    }

    private func check(cluster: ClusterID?, node: NodeID?) throws(LogDirectoryError) {
        guard let identity else { return }
        if let cluster, cluster != identity.cluster {
            throw .otherCluster(path: path, found: identity.cluster, expected: cluster)
        }
        if let node, node != identity.node {
            throw .otherNode(path: path, found: identity.node, expected: node)
        }
    }

    /// Done before the lock file is made: nothing is written into a directory that is not ours.
    private static func refuseForeignDirectory(_ path: String, _ files: Files) throws(LogDirectoryError) {
        let names = try attempt { () throws(FileSystemError) in try files.list(path) }
        guard !names.contains(FileNames.identity) else { return }
        // A first start that crashed leaves these.
        let own = [
            FileNames.lock, FileNames.identity + FileNames.temporarySuffix, FileNames.plan,
            FileNames.plan + FileNames.temporarySuffix,
        ]
        let joins = names.contains(FileNames.plan)
        let foreign = names.filter { !own.contains($0) && !(joins && FileNames.isPEM($0)) }
        guard foreign.isEmpty else {
            let more = foreign.count > 3 ? " and \(foreign.count - 3) more" : ""
            throw .notStarling(path: path, found: foreign.prefix(3).joined(separator: ", ") + more)
        }
    }

    private static func takeLock(
        _ path: String, _ files: Files, _ holder: String
    ) throws(LogDirectoryError) -> Files.Lock {
        let file = join(path, FileNames.lock)
        do throws(FileSystemError) {
            return try files.lock(file, holder: holder)
        } catch {
            guard error.code == .locked else { throw .file(error) }
            let text = (try? files.contents(of: file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            throw .inUse(path: path, holder: text.isEmpty ? "which one is not known" : text)
        }
    }
}

/// Runs file operations, with their errors as a directory's.
func attempt<Result>(_ body: () throws(FileSystemError) -> Result) throws(LogDirectoryError) -> Result {
    do throws(FileSystemError) {
        return try body()
    } catch {
        throw .file(error)
    }
}

extension FileSystem {
    /// - Returns: the file, zeros standing for what the disk cannot read any more, and where the first such place begins.
    func readableContents(
        of path: String
    ) throws(FileSystemError) -> (bytes: [UInt8], unreadable: Int?) {
        let file = try open(path, .read)
        defer { file.close() }
        do throws(FileSystemError) {
            return (try file.readAll(), nil)
        } catch {
            guard error.code == .inputOutput else { throw error }
        }
        var bytes = [UInt8](repeating: 0, count: Int(clamping: try file.size()))
        var unreadable: Int?
        for start in stride(from: 0, to: bytes.count, by: 4_096) {
            do throws(FileSystemError) {
                let piece = try file.readRange(UInt64(start), count: min(4_096, bytes.count - start))
                bytes.replaceSubrange(start..<start + piece.count, with: piece)
            } catch {
                guard error.code == .inputOutput else { throw error }
                unreadable = unreadable ?? start
            }
        }
        return (bytes, unreadable)
    }

    func contents(of path: String) throws(FileSystemError) -> [UInt8] {
        let file = try open(path, .read)
        defer { file.close() }
        return try file.readAll()
    }

    /// Writes a small file so that, whenever the machine stops, either none of it or all of it is there.
    func publish(_ bytes: [UInt8], as name: String, in directory: String) throws(FileSystemError) {
        let temporary = join(directory, name + FileNames.temporarySuffix)
        let file = try open(temporary, .create)
        defer { file.close() }
        try file.write(bytes, at: 0)
        try file.syncData()
        try rename(temporary, to: join(directory, name))
        try syncDirectory(directory)
    }
}
