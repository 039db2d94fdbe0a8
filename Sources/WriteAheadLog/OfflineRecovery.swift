import Raft

/// Why a server could not be made a cluster of its own. Unless it says otherwise, nothing was changed.
public enum OfflineRecoveryError: Error, Equatable, Sendable, CustomStringConvertible {
    case directory(LogDirectoryError)
    case log(LogError)
    case snapshot(SnapshotError)
    case notInitialised(path: String)
    /// The configuration that is in force in the log does not have this server.
    case notAMember(name: String, members: [String])
    /// Nothing of the replicated state is left here.
    case nothingLeft(path: String)
    /// It failed once the decision may have been durable: the next start, or repeating it, finishes it or does not know
    /// of it.
    case unfinished(path: String, reason: String)

    public var description: String {
        switch self {
        case .directory(let error): error.description
        case .log(let error): error.description
        case .snapshot(let error): error.description
        case .notInitialised(let path):
            "\(path) is not the data directory of a server that has ever run: name the one of a server that survived"
        case .notAMember(let name, let members):
            "server \(name) is not a member of the cluster by its own log, which names "
                + "\(members.joined(separator: ", ")): choose another survivor"
        case .nothingLeft(let path):
            "nothing of the cluster's data can be read in \(path), neither a snapshot nor an entry: choose another "
                + "survivor, or restore a backup"
        case .unfinished(let path, let reason):
            "the recovery of \(path) was interrupted (\(reason)): repeat it; it is then finished, or done from its "
                + "beginning"
        }
    }
}

/// Recovery from the permanent loss of a majority: makes one surviving server a cluster of one, by the operator's word
/// and no one else's, since what the lost servers acknowledged and this one does not have is then lost for good.
///
/// It gives the directory a new cluster id, so that no lost server that comes back can ever mix in; a term above all
/// that are known here; and a configuration with this server as the only voter, at the end of its log. All of it comes
/// into force by one rename: a crash at any step leaves the directory as it was, or as it is to be. What it replaces is
/// kept under names that begin with `before-`. The other survivors are then emptied and join as new members.
public struct OfflineRecovery<Files: FileSystem>: Sendable {
    /// What is there, for the operator to decide by. The survivor to choose is the one whose last entry has the highest
    /// term and, among those, the highest index.
    public struct Survey: Sendable, Equatable {
        public var identity: LogIdentity
        /// Term, vote and the highest term in the log.
        public var hardState: HardState
        public var lastIndex: LogIndex
        public var lastTerm: Term
        public var snapshotIndex: LogIndex
        /// The newest in the log, committed or not.
        public var configuration: Configuration
        /// Why this server's own log was damaged, if it was: then what stood behind the damage is lost as well.
        public var damage: String?
        /// The server was removed from the cluster, and may lack what the others did since.
        public var removal: LogDirectory<Files>.Removal?
        /// What opening the log found.
        public var findings: [OpenReport.Finding]

        /// This server in the configuration.
        public var own: Member? { configuration[identity.node] }
        /// It is a cluster of one already: there is nothing to recover.
        public var isAlone: Bool {
            damage == nil && !configuration.isJoint && configuration.members.map(\.id) == [identity.node]
                && configuration.voters == [identity.node]
        }
    }

    public let survey: Survey
    private let directory: LogDirectory<Files>
    private let recovered: RecoveredLog
    private let nextSegmentID: UInt64
    private let options: LogOptions
    private let store: SnapshotStore<Files>

    /// Locks a data directory and opens its log as a start of the server would, which mends what a crash left.
    /// - Throws: `.directory(.inUse)` while a server runs on it.
    public init(
        _ path: String, files: Files, holder: String, options: LogOptions = LogOptions()
    ) throws(OfflineRecoveryError) {
        self.options = options
        try Self.requireDirectory(path, files)
        do throws(LogDirectoryError) {
            directory = try LogDirectory.open(path, files: files, holder: holder)
        } catch {
            throw .directory(error)
        }
        guard let identity = directory.identity, directory.hasConfiguration else {
            directory.close()
            throw .notInitialised(path: path)
        }
        do throws(OfflineRecoveryError) {
            store = try Self.store(directory)
            let report: OpenReport
            (recovered, nextSegmentID, report) = try Self.read(directory, store, options)
            survey = try Survey(
                identity, recovered, report, damage: recovered.mayVote ? nil : directory.pendingRepair,
                removal: directory.removal)
        } catch {
            directory.close()
            throw error
        }
    }

    /// Lets the directory go.
    public func close() { directory.close() }

    /// Makes this server the only voter of a new cluster. Durable when it returns.
    /// - Parameters:
    ///   - cluster: the new cluster's id, chosen at random by the caller; not the old one.
    ///   - publicKey: the server's new key, 32 bytes; nil keeps the one it has.
    /// - Returns: the server as it is now configured.
    /// - Precondition: not called twice on one value.
    public func perform(newCluster cluster: ClusterID, publicKey: [UInt8]? = nil) throws(OfflineRecoveryError) -> Member
    {
        guard var own = survey.own else {
            throw .notAMember(name: survey.identity.name, members: survey.configuration.members.map(\.name))
        }
        guard survey.lastIndex > .zero else { throw .nothingLeft(path: directory.path) }
        precondition(cluster != survey.identity.cluster, "a recovered cluster has an id of its own")
        own.role = .voter
        own.promoteWhenCaughtUp = false
        if let publicKey {
            own.publicKey = publicKey
            own.nextPublicKey = nil
        }
        let configuration = Configuration(members: [own], featureLevel: survey.configuration.featureLevel)
        let identity = LogIdentity(
            cluster: cluster, node: survey.identity.node, name: survey.identity.name, secret: survey.identity.secret)
        let staging = RecoveryStaging(
            files: directory.files, path: directory.path, identity: identity, former: survey.identity,
            segmentID: nextSegmentID, options: options)
        try staging.write(recovered, configuration, lastIndex: survey.lastIndex, lastTerm: survey.lastTerm, store)
        if let firstConfiguration = directory.firstConfiguration { try staging.writeIdentity(firstConfiguration) }
        do throws(LogDirectoryError) {
            try staging.decide()
            try RecoveryCompletion(files: directory.files, path: directory.path).finish()
        } catch {
            throw .unfinished(path: directory.path, reason: error.description)
        }
        return own
    }

    // MARK: - Opening

    /// Opening makes a directory that is not there; here that would hide a mistyped name.
    private static func requireDirectory(_ path: String, _ files: Files) throws(OfflineRecoveryError) {
        do throws(FileSystemError) {
            guard try files.list(path).contains(FileNames.identity) else {
                throw FileSystemError("find an identity in", path, .notFound, "there is none")
            }
        } catch {
            throw error.code == .notFound ? .notInitialised(path: path) : .directory(.file(error))
        }
    }

    private static func store(_ directory: LogDirectory<Files>) throws(OfflineRecoveryError) -> SnapshotStore<Files> {
        do throws(SnapshotError) {
            return try SnapshotStore(directory)
        } catch {
            throw .snapshot(error)
        }
    }

    private static func read(
        _ directory: LogDirectory<Files>, _ store: SnapshotStore<Files>, _ options: LogOptions
    ) throws(OfflineRecoveryError) -> (RecoveredLog, nextSegmentID: UInt64, OpenReport) {
        do throws(LogError) {
            let (log, recovered, report) = try WriteAheadLog.open(directory, snapshots: store, options: options)
            defer { log.close() }
            return (recovered, (log.segments.last ?? 0) &+ 1, report)
        } catch {
            throw .log(error)
        }
    }
}

extension OfflineRecovery.Survey {
    fileprivate init(
        _ identity: LogIdentity, _ recovered: RecoveredLog, _ report: OpenReport, damage: String?,
        removal: LogDirectory<Files>.Removal?
    ) throws(OfflineRecoveryError) {
        self.identity = identity
        hardState = recovered.hardState
        snapshotIndex = recovered.snapshot.index
        lastIndex = max(recovered.entries.last?.index ?? .zero, recovered.snapshot.index)
        lastTerm = recovered.entries.last?.term ?? recovered.snapshot.term
        findings = report.findings
        self.damage = damage
        self.removal = removal
        configuration = recovered.snapshot.configuration
        for entry in recovered.entries where entry.kind == .configuration && entry.index > recovered.snapshot.index {
            guard let decoded = Configuration(payload: entry.payload) else {
                throw .log(.invalidWrite("the configuration at index \(entry.index) cannot be read"))
            }
            configuration = decoded
        }
    }
}
