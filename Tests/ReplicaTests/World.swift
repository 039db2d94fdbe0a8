import ByteCoding
import Raft
import TupleSpace

@testable import Replica

/// A few replicas, a network and disks that do what the test says, and a clock that it moves. No chance, no thread.
struct World {
    struct Letter {
        var from: NodeID
        var to: NodeID
        var bytes: [UInt8]

        var message: PeerMessage? {
            bytes.withUnsafeBytes { try? PeerMessage(decoding: $0) }
        }

        var piece: SnapshotChunk? {
            switch message {
            case .snapshotChunk(let chunk)?, .snapshotPiece(let chunk)?: chunk
            default: nil
            }
        }

        var isPiece: Bool { piece != nil }
    }

    struct Server {
        var replica: Replica
        /// What its disk has.
        var entries: [Entry] = []
        var hardState = HardState()
        var snapshot: SnapshotMetadata
        var images: [LogIndex: [UInt8]] = [:]
        /// Of these the checksums do not hold.
        var rotten: Set<LogIndex> = []
        /// Rot that only shows when a whole file is checked.
        var rottenAtTheEnd: Set<LogIndex> = []
        var writes: [StorageWrite] = []
        var receiving: (index: LogIndex, bytes: [UInt8])?
        var replies: [RequestToken: [Reply]] = [:]
        var batches: [RequestToken: [EventBatch]] = [:]
        var ended: [RequestToken: Failure] = [:]
        var notices: [Notice] = []
        var outcomes: [RequestToken: [ClusterOutcome]] = [:]
        var fatal: String?
        var snapshotsToTake: [ReplicaEffects.SnapshotToTake] = []
        var isDown = false
        /// Its writes stay where they are.
        var diskIsStuck = false
        var snapshotDiskFails = false
        /// Snapshots are written when the test says so, by `finishSnapshot`.
        var snapshotDiskIsSlow = false
        /// Snapshots that were received are loaded when the test says so, by `finishLoading`.
        var loadingIsSlow = false
        var toLoad: SnapshotMetadata?
        /// What was received of a snapshot survives a restart.
        var keepsPartialSnapshots = false
        var wallOffset: UInt64 = 1_700_000_000_000
    }

    static let cluster = ClusterID(7)
    let configuration: Configuration
    var settings: ReplicaSettings
    var servers: [Server]
    var network: [Letter] = []
    /// Letters for which it is true are lost.
    var loses: (Letter) -> Bool = { _ in false }
    var milliseconds: UInt64 = 1_000
    private var lastToken: UInt64 = 0

    /// - Parameters:
    ///   - spares: servers without a configuration, which are down at first.
    ///   - featureLevel: of the first configuration; a new cluster begins with 1.
    init(
        _ count: Int, spares: Int = 0, featureLevel: UInt32 = Configuration.supportedFeatureLevel,
        _ change: (inout ReplicaSettings) -> Void = { _ in }
    ) {
        var settings = ReplicaSettings()
        change(&settings)
        self.settings = settings
        configuration = Configuration(
            members: (1...UInt64(count)).map(Self.member), featureLevel: featureLevel)
        let first = SnapshotMetadata(
            index: .zero, term: .zero, configuration: configuration, configurationIndex: .zero)
        servers = []
        for number in 1...UInt64(count + spares) {
            var snapshot = first
            if number > count { snapshot.configuration = Configuration(members: []) }
            let replica = Self.boot(number, snapshot, HardState(), [], StateMachine(), settings, 1_000)
            servers.append(Server(replica: replica, snapshot: snapshot, isDown: number > count))
        }
    }

    static func member(_ number: UInt64) -> Member {
        Member(
            id: NodeID(number), name: "s\(number)", peerAddress: "h\(number):1", clientAddress: "h\(number):2",
            httpAddress: "h\(number):3", publicKey: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 32))
    }

    private static func boot(
        _ number: UInt64, _ snapshot: SnapshotMetadata, _ hardState: HardState, _ entries: [Entry],
        _ machine: StateMachine,
        _ settings: ReplicaSettings, _ milliseconds: UInt64, mayVote: Bool = true
    ) -> Replica {
        Replica(
            id: NodeID(number), cluster: cluster,
            recovered: RecoveredLog(hardState: hardState, snapshot: snapshot, entries: entries, mayVote: mayVote),
            machine: machine,
            settings: settings, now: MonotonicTime(nanoseconds: milliseconds * 1_000_000),
            seed: number * 977 + milliseconds)
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }
    var leader: Int? { servers.firstIndex { !$0.isDown && $0.replica.isLeader } }

    mutating func token() -> RequestToken {
        lastToken += 1
        return RequestToken(lastToken)
    }

    // MARK: - What happens

    /// A pass of one server: what it is told, then its effects.
    mutating func pass(_ i: Int, _ body: (inout Replica) -> Void = { _ in }) {
        guard !servers[i].isDown else { return }
        servers[i].replica.advance(to: now, wallMilliseconds: servers[i].wallOffset + milliseconds)
        body(&servers[i].replica)
        servers[i].replica.flush()
        perform(i)
    }

    private mutating func perform(_ i: Int) {
        var effects = ReplicaEffects()
        swap(&effects, &servers[i].replica.effects)
        for message in effects.messages {
            let letter = Letter(from: NodeID(UInt64(i + 1)), to: message.to, bytes: message.bytes)
            if !loses(letter) { network.append(letter) }
        }
        servers[i].writes += effects.writes
        for reply in effects.replies {
            var reader = ByteReader(UnsafeRawBufferPointer(start: nil, count: 0))
            let bytes = Array(effects.replyBytes.bytes[reply.range])
            let decoded = bytes.withUnsafeBytes { bytes -> Reply? in
                reader = ByteReader(bytes)
                return try? Reply(from: &reader)
            }
            servers[i].replies[reply.token, default: []].append(decoded ?? .failed(Failure(.malformed, "unreadable")))
        }
        for event in effects.events { servers[i].batches[event.token, default: []].append(event.batch) }
        for (token, failure) in effects.endedSubscriptions { servers[i].ended[token] = failure }
        servers[i].notices += effects.notices
        for (token, outcome) in effects.clusterOutcomes { servers[i].outcomes[token, default: []].append(outcome) }
        servers[i].fatal = servers[i].fatal ?? effects.fatal
        performSnapshots(i, effects)
    }

    /// Makes everything durable that a server has asked for.
    mutating func sync(_ i: Int) {
        guard !servers[i].diskIsStuck, !servers[i].isDown, !servers[i].writes.isEmpty else { return }
        let writes = servers[i].writes
        servers[i].writes = []
        for write in writes {
            if let hardState = write.hardState { servers[i].hardState = hardState }
            if let snapshot = write.snapshot {
                servers[i].snapshot = snapshot
                servers[i].entries.removeAll { !write.keepsTail || $0.index <= snapshot.index }
            }
            if let from = write.truncateFrom { servers[i].entries.removeAll { $0.index >= from } }
            servers[i].entries += write.entries
        }
        guard let last = writes.last?.sequence else { return }
        pass(i) { $0.stored(last) }
    }

    /// Delivers all there is and syncs all disks, again and again, until nothing moves.
    mutating func settle() {
        for _ in 0..<10_000 {
            for i in servers.indices { sync(i) }
            let letters = network
            network = []
            for letter in letters { deliver(letter) }
            if network.isEmpty, servers.allSatisfy({ $0.writes.isEmpty || $0.diskIsStuck || $0.isDown }) { return }
        }
        fatalError("the world does not come to rest")
    }

    mutating func deliver(_ letter: Letter) {
        let i = Int(letter.to.rawValue) - 1
        pass(i) { replica in
            letter.bytes.withUnsafeBytes { bytes in
                do throws(MalformedBytes) {
                    try replica.receive(bytes, from: letter.from)
                } catch {
                    fatalError("a replica sent what cannot be read: \(error)")
                }
            }
        }
    }

    mutating func run(milliseconds count: UInt64, step: UInt64 = 10) {
        var rest = count
        while rest > 0 {
            let piece = min(step, rest)
            rest -= piece
            milliseconds += piece
            for i in servers.indices { pass(i) }
            settle()
        }
    }

    /// Runs until somebody leads and all who are up know of it.
    @discardableResult
    mutating func elect() -> Int {
        for _ in 0..<1_000 {
            run(milliseconds: 10)
            if let leader, servers[leader].replica.status.commit == servers[leader].replica.status.last,
                servers.indices.allSatisfy({
                    servers[$0].isDown || servers[$0].replica.leader == NodeID(UInt64(leader + 1))
                })
            {
                return leader
            }
        }
        fatalError("nobody was elected")
    }

    mutating func crash(_ i: Int) {
        servers[i].isDown = true
        servers[i].writes = []
        if !servers[i].keepsPartialSnapshots { servers[i].receiving = nil }
        network.removeAll { $0.from == NodeID(UInt64(i + 1)) || $0.to == NodeID(UInt64(i + 1)) }
    }

    /// - mayVote: false if the log was found damaged.
    mutating func restart(_ i: Int, mayVote: Bool = true) {
        let server = servers[i]
        var machine = StateMachine()
        if server.snapshot.index > .zero, let image = server.images[server.snapshot.index] {
            machine = Self.restore(image)
        }
        servers[i].replica = Self.boot(
            UInt64(i + 1), server.snapshot, server.hardState, server.entries, machine, settings, milliseconds,
            mayVote: mayVote)
        servers[i].isDown = false
    }

    // MARK: - Snapshots

    private mutating func performSnapshots(_ i: Int, _ effects: ReplicaEffects) {
        if let snapshot = effects.snapshotToTake {
            servers[i].snapshotsToTake.append(snapshot)
            if !servers[i].snapshotDiskIsSlow { finishSnapshot(i) }
        }
        for read in effects.snapshotReads {
            let isSound =
                !servers[i].rotten.contains(read.index)
                && !(read.verifiesWhole && servers[i].rottenAtTheEnd.contains(read.index))
            let image = isSound ? servers[i].images[read.index] : nil
            pass(i) { replica in
                guard let image else { return replica.snapshotRead(read, nil) }
                let start = min(Int(read.offset), image.count)
                let end = min(start + read.maximumBytes, image.count)
                replica.snapshotRead(read, (Array(image[start..<end]), UInt64(image.count)))
            }
        }
        for (sender, chunk) in effects.snapshotChunks { store(chunk, from: sender, at: i) }
        if let metadata = effects.snapshotToLoad {
            servers[i].toLoad = metadata
            if !servers[i].loadingIsSlow { finishLoading(i) }
        }
    }

    /// Loads the last snapshot that a server wanted loaded.
    mutating func finishLoading(_ i: Int) {
        guard let metadata = servers[i].toLoad, let image = servers[i].images[metadata.index] else { return }
        servers[i].toLoad = nil
        let machine = Self.restore(image)
        pass(i) { $0.installed(machine, metadata) }
    }

    /// Writes the last snapshot that a server wanted to take.
    mutating func finishSnapshot(_ i: Int) {
        // A test that calls this without a snapshot under way is itself wrong.
        guard let snapshot = servers[i].snapshotsToTake.last else { fatalError("no snapshot was begun") }
        let fails = servers[i].snapshotDiskFails
        if !fails {
            var image: [UInt8] = []
            snapshot.image.encode { image += $0 }
            servers[i].images[snapshot.metadata.index] = image
            servers[i].rotten.remove(snapshot.metadata.index)
            servers[i].rottenAtTheEnd.remove(snapshot.metadata.index)
        }
        pass(i) { $0.snapshotTaken(fails ? nil : snapshot.metadata, keepFrom: snapshot.keepFrom) }
    }

    private mutating func store(_ chunk: SnapshotChunk, from sender: NodeID, at i: Int) {
        var receiving = servers[i].receiving ?? (chunk.index, [])
        if receiving.index != chunk.index { receiving = (chunk.index, []) }
        if chunk.offset == UInt64(receiving.bytes.count) { receiving.bytes += chunk.bytes }
        var complete: SnapshotMetadata?
        let next = UInt64(receiving.bytes.count)
        if next == chunk.total,
            servers.contains(where: { $0.rottenAtTheEnd.contains(chunk.index) && $0.replica.id == sender })
        {
            servers[i].receiving = nil
            return pass(i) {
                $0.snapshotChunkStored(
                    from: sender, index: chunk.index, nextOffset: 0, complete: nil,
                    refusal: "the checksum does not hold")
            }
        }
        if next == chunk.total {
            servers[i].images[chunk.index] = receiving.bytes
            complete = SnapshotMetadata(
                index: chunk.index, term: chunk.term, configuration: configuration, configurationIndex: .zero)
            servers[i].receiving = nil
        } else {
            servers[i].receiving = receiving
        }
        pass(i) { $0.snapshotChunkStored(from: sender, index: chunk.index, nextOffset: next, complete: complete) }
    }

    static func restore(_ image: [UInt8]) -> StateMachine {
        var restorer = StateMachine.Restorer()
        do {
            try image.withUnsafeBytes { (bytes) throws in try restorer.consume(bytes) }
            return try restorer.finish()
        } catch {
            fatalError("an image of our own cannot be restored: \(error)")
        }
    }
}
