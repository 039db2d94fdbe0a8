import Raft

/// Puts together a snapshot file that a peer streams, in order, and makes it durable once it is whole.
///
/// The bytes of the peer's file are taken as they are. The part received does not outlive the process (scenario 22):
/// after a restart a new receiver has nothing, says so by its offset, and the sender begins there.
public struct SnapshotReceiver<Files: FileSystem>: Sendable {
    public let place: SnapshotPlace
    /// How much is here: the only offset that is taken next.
    public private(set) var offset: UInt64 = 0
    private var unsynced = 0
    private let cluster: ClusterID
    private let files: Files
    private let directory: String
    private let temporary: String
    private let file: Files.File

    init(_ place: SnapshotPlace, cluster: ClusterID, files: Files, directory: String) throws(SnapshotError) {
        self.place = place
        self.cluster = cluster
        self.files = files
        self.directory = directory
        let temporary = join(directory, "receiving-" + place.fileName + FileNames.temporarySuffix)
        self.temporary = temporary
        file = try snapshotStep { () throws(FileSystemError) in try files.open(temporary, .create) }
    }

    /// Takes a range of the file. What was received before is skipped, and a range behind what is missing is not taken.
    /// - Returns: `offset` after it: where the sender should go on.
    @discardableResult
    public mutating func receive(_ bytes: [UInt8], at start: UInt64) throws(SnapshotError) -> UInt64 {
        guard start <= offset, offset - start < UInt64(bytes.count) else { return offset }
        let fresh = Array(bytes[Int(offset - start)...])
        let mustSync = unsynced + fresh.count >= SnapshotFormat.bytesBetweenSyncs
        do throws(FileSystemError) {
            try file.write(fresh, at: offset)
            if mustSync { try file.syncData() }
        } catch {
            discard()
            throw .file(error)
        }
        offset += UInt64(fresh.count)
        unsynced = mustSync ? 0 : unsynced + fresh.count
        return offset
    }

    /// Checks all of the file and publishes it durably.
    /// - Throws: `.damaged`, `.otherCluster` or `.otherPlace` for a file that must not be used; it is discarded.
    public mutating func finish() throws(SnapshotError) -> SnapshotMetadata {
        do throws(SnapshotError) {
            try snapshotStep { () throws(FileSystemError) in try file.syncData() }
            var reader = try SnapshotReader(temporary, place: place, cluster: cluster, files: files)
            while try reader.nextChunk() != nil {}
            try snapshotStep { () throws(FileSystemError) in
                try files.rename(temporary, to: join(directory, place.fileName))
                try files.syncDirectory(directory)
            }
            file.close()
            return reader.metadata
        } catch {
            discard()
            throw error
        }
    }

    /// Gives up what was received.
    public func discard() {
        file.close()
        try? files.remove(temporary)
    }
}
