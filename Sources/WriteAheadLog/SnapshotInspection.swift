import Raft

/// What snapshots a data directory has and what they are worth, for an operator. Changes nothing and takes no lock.
public struct SnapshotInspection: Sendable, Equatable {
    public var file: String
    public var place: SnapshotPlace
    /// Bytes of the file, and of the state in it as far as it could be read.
    public var fileBytes: UInt64
    public var payloadBytes: UInt64
    /// The members that it names, and the node that made it; empty and nil if its beginning is damaged.
    public var members: [Member]
    public var node: NodeID?
    /// Nil if every checksum holds.
    public var problem: String?

    /// Reads every snapshot in an initialised data directory to its end, newest first.
    public static func inspect(_ path: String, files: some FileSystem) throws(LogError) -> [SnapshotInspection] {
        do throws(FileSystemError) {
            let owner = try LogIdentity(reading: path, files)
            var found: [SnapshotInspection] = []
            for name in try files.list(path).reversed() {
                guard let (index, term) = FileNames.snapshotPlace(name) else { continue }
                let file = try files.open(join(path, name), .read)
                defer { file.close() }
                var this = SnapshotInspection(
                    file: join(path, name), place: SnapshotPlace(index: LogIndex(index), term: Term(term)),
                    fileBytes: try file.size(), payloadBytes: 0, members: [], node: nil, problem: nil)
                this.read(files, owner.cluster)
                found.append(this)
            }
            return found
        } catch {
            throw .failed(error)
        }
    }

    private mutating func read(_ files: some FileSystem, _ cluster: ClusterID) {
        do throws(SnapshotError) {
            var reader = try SnapshotReader(file, place: place, cluster: cluster, files: files)
            members = reader.metadata.configuration.members
            node = reader.node
            while let chunk = try reader.nextChunk() { payloadBytes += UInt64(chunk.count) }
        } catch {
            problem = error.description
        }
    }
}
