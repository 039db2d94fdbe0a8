import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// One server: what outlives its processes (the disk, the clocks), and the process that runs now, if one does.
final class SimulatedServer {
    let number: Int
    private(set) var id: NodeID
    private(set) var files: SimulatedFileSystem
    var random: SeededRandom
    /// How many nodes this machine has been: a wiped disk is a new node.
    private(set) var incarnation = 0
    /// What it starts with on an empty disk: the cluster's first one, or for one that is to join, an empty one.
    private(set) var firstConfiguration: Configuration
    /// Not in use: a spare that was never started, or one that was removed and is stopped for good.
    var isRetired = false
    /// What its program can do.
    var featureLevel = Configuration.supportedFeatureLevel
    var process: ServerProcess?
    /// Counts its processes: what was planned for an earlier one is void.
    var life = 0
    var isPaused = false

    // What the checkers know of it.
    /// What its disk has for certain.
    var durable = LogImage()
    /// While it is down after a write was interrupted: what its disk may have instead.
    var perhapsDurable: LogImage?
    var hasStarted = false
    /// Bits have rotted on its disk since it last started.
    var isRotten = false
    /// It found damage, and its peers have not repaired it yet.
    var isDamaged = false
    /// The highest term that it ever began to write: of a write that never finished a damaged log may still say so much.
    var highestTerm = Term.zero
    /// What its disk had before bits rotted: others may still count on it.
    var lost: [LogImage] = []

    /// What its disk has for certain says that it is, or was, a member.
    var hasNotedMembership: Bool { durable.configurations.first?.configuration[id] != nil }

    // Its clocks and its disk.
    private var clockBase: UInt64
    private var clockSetAt: UInt64 = 0
    /// How fast its monotonic clock runs, in 1,024ths. Nothing but speed may depend on it.
    private var clockRate: UInt64 = 1_024
    var wallOffset: Int64
    var writeDelay: ClosedRange<UInt64> = 100_000...800_000
    /// Nothing is finished on its disk before this time.
    var stalledUntil: UInt64 = 0
    /// The next pass does not get through all its effects.
    var interruption: Interruption?

    enum Interruption {
        case crash(afterEffects: Int, SimulatedFileSystem.CrashLoss)
        case pause(afterEffects: Int, nanoseconds: UInt64)

        var afterEffects: Int {
            switch self {
            case .crash(let count, _), .pause(let count, _): count
            }
        }
    }

    static let capacity: UInt64 = 64 << 20

    init(number: Int, id: NodeID, first: Configuration, random: SeededRandom) {
        self.number = number
        self.id = id
        firstConfiguration = first
        var random = random
        files = SimulatedFileSystem(seed: random.next(), capacity: Self.capacity)
        clockBase = random.within(1...1_000_000_000_000)
        wallOffset = Int64(random.within(0...10_000)) - 5_000
        self.random = random
    }

    /// A new node on a wiped disk, which is to join. Its process must have ended.
    func wipe(as id: NodeID) {
        self.id = id
        incarnation += 1
        firstConfiguration = Configuration(members: [])
        files = SimulatedFileSystem(seed: random.next(), capacity: Self.capacity)
        durable = LogImage()
        perhapsDurable = nil
        hasStarted = false
        isRotten = false
        isDamaged = false
        lost.removeAll()
        isRetired = false
    }

    /// "a", "b", …; "b2" once it has become another node.
    var name: String {
        let letter = String(UnicodeScalar(UInt8(97 + number)))
        return incarnation == 0 ? letter : letter + "\(incarnation + 1)"
    }

    /// The first version knows seven kinds of messages, and of those of consensus the first format; it drops all others.
    func canRead(_ message: [UInt8]) -> Bool {
        guard featureLevel == 1, message.count > 1 else { return true }
        return message[0] == 1 ? message[1] == 1 : message[0] <= 7
    }

    /// Whether its disk has the entry, or had it before bits rotted.
    func holds(_ index: LogIndex, _ term: Term) -> Bool {
        durable.holds(index, term) || lost.contains { $0.holds(index, term) }
    }

    func clock(_ time: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: clockBase + (time - clockSetAt) / 1_024 * clockRate)
    }

    /// From now on its clock runs at another speed.
    func setClock(rate: UInt64, at time: UInt64) {
        clockBase = clock(time).nanoseconds
        clockSetAt = time
        clockRate = rate
    }

    /// Milliseconds since 1970, as this server believes.
    func wall(_ time: UInt64) -> UInt64 {
        UInt64(max(0, 1_700_000_000_000 + Int64(time / 1_000_000) + wallOffset))
    }
}

/// A running server: the replica with its durable log, and what its shell remembers.
final class ServerProcess {
    var replica: Replica
    let log: WriteAheadLog<SimulatedFileSystem>
    let store: SnapshotStore<SimulatedFileSystem>
    let directory: LogDirectory<SimulatedFileSystem>

    var inbox: [Inbound] = []
    var isPassPlanned = false

    /// The log with all writes under way.
    var issued: LogImage
    /// Handed to storage and not begun; and the group that is being written.
    var queue: [StampedWrite] = []
    var writing: [StampedWrite] = []
    var isWriting = false

    var requests: [RequestToken: ClientRequest] = [:]
    var operatorRequests: [RequestToken: OperatorRequest] = [:]
    var subscriptions: [(token: RequestToken, subscription: ClientSubscription)] = []
    private var nextToken: UInt64 = 1

    var snapshotUnderWay: ReplicaEffects.SnapshotToTake?
    var keepFrom: LogIndex = .zero
    var receiver: SnapshotReceiver<SimulatedFileSystem>?

    /// Effects that a pause has cut off.
    var remaining: Performance?
    var spareEffects = ReplicaEffects()
    /// The applied index at which each reply of this pass was made.
    var replyIndices: [LogIndex] = []

    // As they were after the last pass.
    var seenRole = Role.follower
    var seenTerm = Term.zero
    var seenCommit: LogIndex
    var seenApplied: LogIndex
    var seenConfiguration = LogIndex(.max)
    var passes = 0

    struct StampedWrite {
        var write: StorageWrite
        var stamps: [StampedEntry]
    }

    enum Inbound {
        case peer(from: NodeID, [UInt8])
        case connectionLost(NodeID)
        case request(ClientRequest)
        case cluster(OperatorRequest)
        case subscribe(ClientSubscription)
        /// Its connection is closed.
        case unsubscribe(client: Int)
        case keepAlive(SessionID)
        case stored(WriteSequence)
        case snapshotTaken(SnapshotMetadata?, keepFrom: LogIndex)
        case snapshotRead(ReplicaEffects.SnapshotRead, [UInt8]?, total: UInt64)
        case chunkStored(from: NodeID, index: LogIndex, next: UInt64, SnapshotMetadata?)
        case installed(StateMachine, SnapshotMetadata)
        case takeSnapshot
    }

    func takeToken() -> RequestToken {
        defer { nextToken += 1 }
        return RequestToken(nextToken)
    }

    init(
        replica: Replica, log: WriteAheadLog<SimulatedFileSystem>, store: SnapshotStore<SimulatedFileSystem>,
        directory: LogDirectory<SimulatedFileSystem>, issued: LogImage
    ) {
        self.replica = replica
        self.log = log
        self.store = store
        self.directory = directory
        self.issued = issued
        seenCommit = issued.snapshot.index
        seenApplied = issued.snapshot.index
    }
}

/// Effects of one pass on their way to being performed, one after another.
struct Performance {
    enum Step {
        case message(Int)
        case writes
        case reply(Int)
        case events(Int)
        case endedSubscription(Int)
        case outcome(Int)
        case takeSnapshot
        case loadSnapshot
        case readSnapshot(Int)
        case storeChunk(Int)
    }

    var effects: ReplicaEffects
    var replyIndices: [LogIndex]
    var steps: [Step]
    var next = 0
}

/// What a client sends to a server.
struct ClientRequest {
    enum Body {
        case command(CommandHeader, [UInt8])
        case query(Query, [UInt8], Consistency, Timeout, Credential)
    }

    var client: Int
    var operation: UInt64
    var attempt: UInt64
    var body: Body
    /// Everything up to here was committed when it was sent.
    var floor: LogIndex
}
