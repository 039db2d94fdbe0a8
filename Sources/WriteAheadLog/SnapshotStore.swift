import Raft

/// The snapshot files of a data directory. Any thread may use it; who prunes must know that nobody streams the files
/// that go (on Linux, a file that is open outlives its name).
public struct SnapshotStore<Files: FileSystem>: Sendable {
    /// Snapshots kept by `prune`.
    public static var kept: Int { 2 }

    private let files: Files
    private let path: String
    private let identity: LogIdentity
    private let mutations: StorageMutations

    /// Removes what unfinished snapshots of an earlier run left, but for what was received in part: `receiver` goes on
    /// with that.
    /// - Parameter mutations: defences switched off, for tests.
    public init(_ directory: LogDirectory<Files>, mutations: StorageMutations = []) throws(SnapshotError) {
        self.mutations = mutations
        guard let identity = directory.identity else { throw .notInitialised(path: directory.path) }
        self.identity = identity
        files = directory.files
        path = directory.path
        for name in try snapshotStep({ () throws(FileSystemError) in try files.list(path) }) {
            guard name.hasPrefix("snapshot-"), name.hasSuffix(FileNames.temporarySuffix) else { continue }
            try snapshotStep { () throws(FileSystemError) in try files.remove(join(path, name)) }
        }
    }

    /// What snapshots there are by their names, newest first. Whether they are whole is not looked at.
    public func places() throws(FileSystemError) -> [SnapshotPlace] {
        try files.list(path).reversed().compactMap { name in
            FileNames.snapshotPlace(name).map { SnapshotPlace(index: LogIndex($0.index), term: Term($0.term)) }
        }
    }

    public func file(_ place: SnapshotPlace) -> String { join(path, place.fileName) }

    // MARK: - Writing

    public func writer(_ metadata: SnapshotMetadata) throws(SnapshotError) -> SnapshotWriter<Files> {
        try SnapshotWriter(metadata, identity: identity, files: files, directory: path, mutations: mutations)
    }

    /// Writes a whole snapshot from pieces of any length; nil ends it.
    public func write(_ metadata: SnapshotMetadata, from nextPiece: () -> [UInt8]?) throws(SnapshotError) {
        var writer = try writer(metadata)
        while let piece = nextPiece() { try writer.write(piece) }
        try writer.finish()
    }

    // MARK: - Receiving

    /// Receives a snapshot file from a peer, going on with what an earlier receiver of the same place left, perhaps
    /// in an earlier process: its `offset` says how much of it is here and sound. What was left of other places is
    /// removed.
    public func receiver(_ place: SnapshotPlace) throws(SnapshotError) -> SnapshotReceiver<Files> {
        for name in try snapshotStep({ () throws(FileSystemError) in try files.list(path) })
        where FileNames.isReceiving(name) && name != FileNames.receiving(place) {
            try snapshotStep { () throws(FileSystemError) in try files.remove(join(path, name)) }
        }
        return try SnapshotReceiver(
            place, cluster: identity.cluster, files: files, directory: path, mutations: mutations)
    }

    /// How much of a snapshot file of this place has been received and is sound, without opening a receiver; 0 if
    /// nothing was received. After a restart: what to ask a sender to go on from.
    public func resume(index: LogIndex, term: Term) throws(SnapshotError) -> UInt64 {
        let place = SnapshotPlace(index: index, term: term)
        let name = FileNames.receiving(place)
        guard try snapshotStep({ () throws(FileSystemError) in try files.list(path) }).contains(name) else { return 0 }
        return try SnapshotReceiver<Files>.soundBytes(join(path, name), place, identity.cluster, files)
    }

    // MARK: - Reading

    public func reader(_ place: SnapshotPlace) throws(SnapshotError) -> SnapshotReader<Files> {
        try SnapshotReader(file(place), place: place, cluster: identity.cluster, files: files)
    }

    /// Reads all of a snapshot and checks it.
    /// - Parameter visit: called with each chunk of the payload in order. That the file is whole is known only afterwards.
    @discardableResult
    public func verify(
        _ place: SnapshotPlace, visit: ([UInt8]) -> Void = { _ in }
    ) throws(SnapshotError) -> SnapshotMetadata {
        var reader = try reader(place)
        while let chunk = try reader.nextChunk() { visit(chunk) }
        return reader.metadata
    }

    /// Bytes of a snapshot's file.
    public func size(_ place: SnapshotPlace) throws(SnapshotError) -> UInt64 {
        try snapshotStep { () throws(FileSystemError) in
            let file = try files.open(file(place), .read)
            defer { file.close() }
            return try file.size()
        }
    }

    // MARK: - Pruning

    /// Removes all snapshots but the newest two and those of these indices: of the log's mark, and those that are being sent.
    public func prune(keeping needed: Set<LogIndex>) throws(SnapshotError) {
        try snapshotStep { () throws(FileSystemError) in
            let superfluous = try places().dropFirst(SnapshotStore.kept).filter { !needed.contains($0.index) }
            for place in superfluous { try files.remove(file(place)) }
            if !superfluous.isEmpty { try files.syncDirectory(path) }
            try removeOvertaken()
        }
    }

    /// What was received in part of a snapshot that is not newer than the newest one here is of no more use.
    private func removeOvertaken() throws(FileSystemError) {
        guard let newest = try places().first else { return }
        for name in try files.list(path) {
            guard let place = FileNames.receivingPlace(name), place.index <= newest.index.rawValue else { continue }
            try files.remove(join(path, name))
        }
    }
}
