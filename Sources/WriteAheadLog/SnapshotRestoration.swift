import Raft

/// Why a saved snapshot was not restored. The file is as it was; the directory, if it was begun, must be removed.
public enum SnapshotRestorationError: Error, Equatable, Sendable, CustomStringConvertible {
    case directory(LogDirectoryError)
    case log(LogError)
    case snapshot(SnapshotError)
    /// The directory has an identity already.
    case inUse(path: String)

    public var description: String {
        switch self {
        case .directory(let error): error.description
        case .log(let error): error.description
        case .snapshot(let error): error.description
        case .inUse(let path):
            "\(path) is a server's data directory already, or one that a restore did not finish: name a new one"
        }
    }
}

/// Makes a new server's data directory out of a snapshot file, of whatever cluster: a backup brought back. The server
/// is the only voter of a new cluster; others join it.
///
/// Until all of it is durable the directory is marked as one that must not vote, so a crash leaves nothing that could
/// serve an empty state.
public struct SnapshotRestoration<Files: FileSystem>: Sendable {
    private let files: Files
    private let source: String

    /// - Parameter source: the snapshot file's path.
    public init(_ source: String, files: Files) {
        self.files = files
        self.source = source
    }

    /// Reads the whole file and checks it.
    public func verify() throws(SnapshotRestorationError) -> SnapshotMetadata {
        do throws(SnapshotError) {
            var reader = try SnapshotReader(source, place: nil, cluster: nil, files: files)
            while try reader.nextChunk() != nil {}
            return reader.metadata
        } catch {
            throw .snapshot(error)
        }
    }

    /// Restores into a directory that is made, or is empty. Durable when it returns.
    /// - Parameters:
    ///   - cluster: the new cluster, of which nobody has heard.
    ///   - own: the new server; a voter.
    public func restore(
        to path: String, cluster: ClusterID, own: Member, holder: String, options: LogOptions = LogOptions()
    ) throws(SnapshotRestorationError) {
        let saved = try verify()
        var directory = try open(path, holder)
        defer { directory.close() }
        let configuration = Configuration(members: [own], featureLevel: saved.configuration.featureLevel)
        let metadata = SnapshotMetadata(
            index: saved.index, term: saved.term, configuration: configuration, configurationIndex: saved.index)
        do throws(LogDirectoryError) {
            try directory.initialise(
                clusterID: cluster, nodeID: own.id, name: own.name,
                awaiting: ("a snapshot was being restored into it", saved.term))
            try directory.adopt(firstConfiguration: configuration)
        } catch {
            throw .directory(error)
        }
        guard let identity = directory.identity else { throw .directory(.notInitialised(path: path)) }
        try copy(to: path, metadata, identity)
        try mark(directory, metadata, own.id, options)
    }

    private func open(_ path: String, _ holder: String) throws(SnapshotRestorationError) -> LogDirectory<Files> {
        let directory: LogDirectory<Files>
        do throws(LogDirectoryError) {
            directory = try LogDirectory.open(path, files: files, holder: holder)
        } catch {
            throw .directory(error)
        }
        guard !directory.isInitialised else {
            directory.close()
            throw .inUse(path: path)
        }
        return directory
    }

    private func copy(
        to path: String, _ metadata: SnapshotMetadata, _ identity: LogIdentity
    ) throws(SnapshotRestorationError) {
        do throws(SnapshotError) {
            var reader = try SnapshotReader(source, place: nil, cluster: nil, files: files)
            var writer = try SnapshotWriter(metadata, identity: identity, files: files, directory: path)
            while let chunk = try reader.nextChunk() { try writer.write(chunk) }
            try writer.finish()
        } catch {
            throw .snapshot(error)
        }
    }

    /// The log begins behind the snapshot, in the next term, in which this server has voted for itself.
    private func mark(
        _ directory: LogDirectory<Files>, _ metadata: SnapshotMetadata, _ node: NodeID, _ options: LogOptions
    ) throws(SnapshotRestorationError) {
        let store: SnapshotStore<Files>
        do throws(SnapshotError) {
            store = try SnapshotStore(directory)
        } catch {
            throw .snapshot(error)
        }
        do throws(LogError) {
            let (log, _, _) = try WriteAheadLog.open(directory, snapshots: store, options: options)
            defer { log.close() }
            let state = HardState(term: metadata.term.next, vote: node)
            try log.append([StorageWrite(sequence: .zero, hardState: state, snapshot: metadata)])
            try log.markRepaired()
        } catch {
            throw .log(error)
        }
    }
}
