import ByteCoding
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

typealias SimulatedLog = WriteAheadLog<SimulatedFileSystem>

let testCluster = ClusterID(0xC0FFEE)
let testNode = NodeID(0xA11CE)
let testPath = "data"

func member(_ id: UInt64) -> Member {
    Member(
        id: NodeID(id), name: "s\(id)", peerAddress: "127.0.0.1:\(7000 + id)", clientAddress: "127.0.0.1:\(8000 + id)",
        httpAddress: "127.0.0.1:\(9000 + id)", publicKey: [UInt8](repeating: UInt8(id & 0xFF), count: 32))
}

let testConfiguration = Configuration(members: [member(1), member(2), member(3)], featureLevel: 2)
let genesis = SnapshotMetadata(
    index: .zero, term: .zero, configuration: testConfiguration, configurationIndex: .zero)

let smallOptions: LogOptions = {
    var options = LogOptions()
    options.segmentBytes = 64 << 10
    options.reserveFiles = 2
    options.reserveBytes = 64 << 10
    options.freeBytesKept = 0
    options.preparedSegments = 1
    return options
}()

/// For tests that open many logs.
let tinyOptions: LogOptions = {
    var options = smallOptions
    options.segmentBytes = 16 << 10
    options.reserveFiles = 1
    options.reserveBytes = 16 << 10
    return options
}()

func entry(_ index: UInt64, term: UInt64 = 1, bytes: Int = 24) -> Entry {
    let payload = (0..<bytes).map { UInt8(truncatingIfNeeded: UInt64($0) &* 7 &+ index &* 31 &+ term) }
    return Entry(index: LogIndex(index), term: Term(term), kind: .command, payload: payload)
}

func write(
    hardState: HardState? = nil, snapshot: SnapshotMetadata? = nil, keepsTail: Bool = false,
    truncateFrom: UInt64? = nil,
    _ entries: [Entry] = []
) -> StorageWrite {
    StorageWrite(
        sequence: .zero, hardState: hardState, snapshot: snapshot, keepsTail: keepsTail,
        truncateFrom: truncateFrom.map { LogIndex($0) }, entries: entries)
}

func snapshot(_ index: UInt64, term: UInt64 = 1, members: [UInt64] = [1, 2, 3]) -> SnapshotMetadata {
    SnapshotMetadata(
        index: LogIndex(index), term: Term(term), configuration: Configuration(members: members.map(member)),
        configurationIndex: LogIndex(index / 2))
}

/// One server's disk, through crashes and restarts.
struct Server {
    let files: SimulatedFileSystem
    var options = smallOptions
    var node = testNode
    /// 0: as an earlier program made directories.
    var secret: UInt64 = 0

    init(seed: UInt64 = 1, options: LogOptions = smallOptions, capacity: UInt64 = .max) {
        files = SimulatedFileSystem(seed: seed, capacity: capacity)
        self.options = options
    }

    func directory() throws -> LogDirectory<SimulatedFileSystem> {
        var directory = try LogDirectory.open(testPath, files: files, holder: "pid 1")
        try directory.initialise(clusterID: testCluster, nodeID: node, name: "s1", secret: secret)
        try directory.adopt(firstConfiguration: testConfiguration)
        return directory
    }

    func open(
        visit: SnapshotVisit = { _, _ in }
    ) throws -> (log: SimulatedLog, recovered: RecoveredLog, report: OpenReport) {
        let directory = try directory()
        do {
            let store = try SnapshotStore(directory, mutations: options.mutations)
            return try SimulatedLog.open(directory, snapshots: store, options: options, visit: visit)
        } catch {
            directory.close()
            throw error
        }
    }

    func restart(
        _ loss: SimulatedFileSystem.CrashLoss = .some
    ) throws -> (log: SimulatedLog, recovered: RecoveredLog, report: OpenReport) {
        files.crash(loss)
        return try open()
    }

    func contents(_ name: String) throws -> [UInt8] { try files.contents(of: testPath + "/" + name) }

    /// Replaces a file's contents, durably.
    func replace(_ name: String, _ bytes: [UInt8]) throws {
        let file = try files.open(testPath + "/" + name, .create)
        try file.write(bytes, at: 0)
        try file.syncData()
        try files.syncDirectory(testPath)
    }

    var names: [String] { get throws { try files.list(testPath) } }
    var segmentNames: [String] { get throws { try names.filter { FileNames.segmentID($0) != nil } } }

    /// Writes a snapshot file with a payload that its index determines.
    func publish(_ metadata: SnapshotMetadata, bytes: Int = 1000) throws {
        let directory = directoryOfOpenLog
        var writer = try SnapshotWriter(
            metadata, identity: directory, files: files, directory: testPath, mutations: options.mutations)
        try writer.write(snapshotPayload(metadata, bytes: bytes))
        try writer.finish()
    }

    private var directoryOfOpenLog: LogIdentity {
        LogIdentity(cluster: testCluster, node: node, name: "s1", secret: secret)
    }
}

func snapshotPayload(_ metadata: SnapshotMetadata, bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &+ Int(metadata.index.rawValue)) }
}

/// SplitMix64, for tests that draw.
struct Chance: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
