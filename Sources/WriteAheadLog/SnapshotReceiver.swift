import Raft

/// Puts together a snapshot file that a peer streams, in order, and makes it durable once it is whole.
///
/// The bytes of the peer's file are taken as they are. What was received outlives the process (scenario 22): the next
/// receiver of the same place reads it again, keeps it up to the last chunk whose checksum holds, and says so by its
/// offset. Two peers' files of one place need not be the same; that a part of one was continued with another is found
/// by the checksum of the whole, and then all of it is thrown away and begun anew.
public struct SnapshotReceiver<Files: FileSystem>: Sendable {
    public let place: SnapshotPlace
    /// How much is here: the only offset that is taken next.
    public private(set) var offset: UInt64 = 0
    /// How much of it an earlier receiver wrote.
    private let resumed: UInt64
    private let cluster: ClusterID
    private let files: Files
    private let directory: String
    private let temporary: String
    private let file: Files.File

    init(
        _ place: SnapshotPlace, cluster: ClusterID, files: Files, directory: String, mutations: StorageMutations = []
    ) throws(SnapshotError) {
        self.place = place
        self.cluster = cluster
        self.files = files
        self.directory = directory
        let name = FileNames.receiving(place)
        let temporary = join(directory, name)
        self.temporary = temporary
        let isThere = try snapshotStep { () throws(FileSystemError) in try files.list(directory).contains(name) }
        resumed = isThere ? try Self.soundBytes(temporary, place, cluster, files) : 0
        offset = resumed
        let access: FileAccess = resumed > 0 ? .update : .create
        file = try snapshotStep { () throws(FileSystemError) in try files.open(temporary, access) }
        if isThere, mutations.contains(.partialSnapshotBelieved) {
            offset = try snapshotStep { () throws(FileSystemError) in try file.size() }
        }
    }

    /// Up to where a part of a snapshot file is what it should be: whole chunks whose checksums hold.
    static func soundBytes(
        _ path: String, _ place: SnapshotPlace, _ cluster: ClusterID, _ files: Files
    ) throws(SnapshotError) -> UInt64 {
        do throws(SnapshotError) {
            var reader = try SnapshotReader(path, place: place, cluster: cluster, files: files)
            var sound = reader.offset
            do throws(SnapshotError) {
                while try reader.nextChunk() != nil { sound = reader.offset }
                return reader.offset
            } catch .damaged {
                return sound
            } catch .file(let error) where error.code == .inputOutput {
                return sound
            }
        } catch .file(let error) where error.code != .inputOutput {
            throw .file(error)
        } catch {
            // Not even its beginning is what it should be.
            return 0
        }
    }

    /// Takes a range of the file. What was received before is skipped, and a range behind what is missing is not taken.
    /// - Returns: `offset` after it: where the sender should go on.
    @discardableResult
    public mutating func receive(_ bytes: [UInt8], at start: UInt64) throws(SnapshotError) -> UInt64 {
        guard start <= offset, offset - start < UInt64(bytes.count) else { return offset }
        let fresh = Array(bytes[Int(offset - start)...])
        do throws(FileSystemError) {
            try file.write(fresh, at: offset)
            // As the writer does.
            try file.writeOut(offset..<offset + UInt64(fresh.count))
        } catch {
            discard()
            throw .file(error)
        }
        offset += UInt64(fresh.count)
        return offset
    }

    /// Checks all of the file and publishes it durably.
    /// - Throws: `.damaged`, `.otherCluster` or `.otherPlace` for a file that must not be used; it is discarded.
    public mutating func finish() throws(SnapshotError) -> SnapshotMetadata {
        do throws(SnapshotError) {
            try snapshotStep { () throws(FileSystemError) in
                try rewriteResumed()
                try file.syncData()
            }
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

    /// What an earlier process wrote may be in the page cache only, and count as written: its sync may have failed. So
    /// it is written again (as opening the log does with the last batch).
    private func rewriteResumed() throws(FileSystemError) {
        var at: UInt64 = 0
        while at < resumed {
            let piece = try file.readRange(at, count: Int(min(resumed - at, 1 << 20)))
            guard !piece.isEmpty else { return }
            try file.write(piece, at: at)
            at += UInt64(piece.count)
        }
    }

    /// Leaves what was received where it is, for a later receiver.
    public func suspend() { file.close() }

    /// Gives up what was received.
    public func discard() {
        file.close()
        try? files.remove(temporary)
    }
}
