import Raft
import ZeroMQ

@testable import Cluster

/// A network in memory that loses, doubles and reorders frames by a seed, in virtual time. It has what the contract of
/// `PeerTransport` allows to be bad, and nothing else.
final class LossyWorld: TransportWorld {
    struct Flight {
        var due: UInt64
        var sender: CurvePublicKey
        var frame: [UInt8]
        var origin: ObjectIdentifier?
    }

    final class Door {
        let key: CurvePublicKey
        var allowed: Set<CurvePublicKey> = []
        var arriving: [Flight] = []
        init(_ key: CurvePublicKey) { self.key = key }
    }

    let isSecure = true
    let patience = 20_000
    var doors: [String: Door] = [:]
    private var milliseconds: UInt64 = 1
    private var random: SeededGenerator
    private var nextPort = 1

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    var now: MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    func makeTransport(
        _ identity: Identity, at address: String?, limits: TransportLimits
    ) throws -> (transport: any PeerTransport, address: String) {
        let address = address ?? "memory:\(nextPort)"
        nextPort += 1
        guard doors[address] == nil else { throw GaveUp() }
        let door = Door(identity.keys.publicKey)
        doors[address] = door
        return (InMemoryPeerTransport(identity, at: address, door, in: self, limits), address)
    }

    func stop(_ transport: any PeerTransport) throws {
        guard let transport = transport as? InMemoryPeerTransport else { return }
        transport.isClosed = true
        doors[transport.address] = nil
    }

    func inject(_ frames: [[UInt8]], with keys: CurveKeyPair, to station: Station) throws {
        // A frame in memory is one whole message: several become one that is malformed, as they are for ZeroMQ.
        guard let door = doors[station.address], door.allowed.contains(keys.publicKey) else { return }
        let frame = frames.count == 1 ? frames[0] : []
        door.arriving.append(Flight(due: milliseconds, sender: keys.publicKey, frame: frame))
    }

    func pass() { milliseconds += 1 }

    /// A third is lost, a tenth doubled, and each copy takes its own time.
    func put(_ frame: [UInt8], from sender: CurvePublicKey, origin: ObjectIdentifier, through door: Door) {
        guard random.next() % 3 != 0 else { return }
        for _ in 0..<(random.next() % 10 == 0 ? 2 : 1) {
            door.arriving.append(
                Flight(due: milliseconds + 1 + random.next() % 20, sender: sender, frame: frame, origin: origin))
        }
    }

    func takeArrived(_ door: Door, limit: Int) -> [Flight] {
        let arrived = door.arriving.filter { $0.due <= milliseconds }.sorted { $0.due < $1.due }
        let late = door.arriving.filter { $0.due > milliseconds }
        door.arriving = Array(arrived.dropFirst(limit)) + late
        return Array(arrived.prefix(limit))
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// The transport of a `LossyWorld`. What it shares with the real one is the switchboard.
final class InMemoryPeerTransport: PeerTransport {
    let address: String
    var isClosed = false
    private let own: CurvePublicKey
    private let door: LossyWorld.Door
    private let world: LossyWorld
    private let limits: TransportLimits
    private var switchboard: PeerSwitchboard
    private var connected: [NodeID: ObjectIdentifier] = [:]
    /// Of members who have another address now, and have not been reached there yet.
    private var former: [NodeID: String] = [:]

    init(
        _ identity: Identity, at address: String, _ door: LossyWorld.Door, in world: LossyWorld,
        _ limits: TransportLimits
    ) {
        self.address = address
        self.own = identity.keys.publicKey
        self.door = door
        self.world = world
        self.limits = limits
        switchboard = PeerSwitchboard(
            cluster: identity.cluster, own: identity.id,
            outstandingRequestsPerPeer: limits.outstandingRequestsPerPeer, firstRequest: 1, log: { _ in })
    }

    func update(members: [Member]) {
        let old = switchboard.roster.peers
        switchboard.update(members: members)
        for peer in old where stands(peer.address, peer.keys) { former[peer.id] = peer.address }
        former = former.filter { id, address in
            switchboard.roster.peers.contains { $0.id == id && $0.address != address }
        }
        door.allowed = switchboard.roster.allowedKeys
    }

    func update(plannedPeers: [PlannedPeer]) {
        switchboard.update(plannedPeers: plannedPeers)
        door.allowed = switchboard.roster.allowedKeys
    }

    func send(_ payload: UnsafeRawBufferPointer, to peer: NodeID, over lane: PeerLane) -> SendOutcome {
        send(switchboard.envelope(.message, to: peer), payload, over: lane)
    }

    func request(
        _ payload: UnsafeRawBufferPointer, to peer: NodeID, timeoutMilliseconds: UInt64, now: MonotonicTime
    ) throws(SendRefusal) -> RequestID {
        guard switchboard.roster.position(of: peer) != nil else { throw .unknownPeer }
        let deadline = now.advanced(byMilliseconds: timeoutMilliseconds)
        guard let id = switchboard.beginRequest(to: peer, deadline: deadline) else { throw .tooManyRequests }
        if case .refused(let refusal) = send(
            switchboard.envelope(.request, to: peer, request: id), payload, over: .main)
        {
            switchboard.cancelRequest(id, to: peer)
            throw refusal
        }
        return id
    }

    func respond(_ payload: UnsafeRawBufferPointer, to request: IncomingRequest) -> SendOutcome {
        send(switchboard.envelope(.response, to: request.from, request: request.id), payload, over: .main)
    }

    private func send(
        _ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane
    ) -> SendOutcome {
        guard payload.count <= limits.maximumMessageBytes else { return .refused(.tooLarge) }
        guard let position = switchboard.roster.position(of: envelope.to) else { return .refused(.unknownPeer) }
        let peer = switchboard.roster.peers[position]
        let bytes = lane == .main ? limits.queuedBytesPerPeer : limits.bulkQueuedBytesPerPeer
        var outcome = put(envelope, payload, to: peer.address, keys: peer.keys, budget: bytes)
        if outcome == .refused(.notConnected), let address = former[peer.id] {
            outcome = put(envelope, payload, to: address, keys: peer.keys, budget: bytes)
        }
        switchboard.count(outcome, bytes: PeerEnvelope.byteCount + payload.count, toPosition: position)
        return outcome
    }

    func introduce(_ payload: UnsafeRawBufferPointer, to name: String) -> SendOutcome {
        guard let planned = switchboard.roster.planned.first(where: { $0.peer.name == name })?.peer else {
            return .refused(.unknownPeer)
        }
        return put(
            switchboard.envelope(.introduction, to: NodeID(0)), payload, to: planned.peerAddress,
            keys: [planned.publicKey], budget: limits.queuedBytesPerPeer)
    }

    private func put(
        _ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, to address: String, keys: [CurvePublicKey],
        budget: Int
    ) -> SendOutcome {
        guard !isClosed else { return .refused(.closed) }
        guard let door = world.doors[address], stands(address, keys) else {
            return .refused(.notConnected)
        }
        var frame = [UInt8](repeating: 0, count: PeerEnvelope.byteCount + payload.count)
        frame.withUnsafeMutableBytes { envelope.write(to: $0, followedBy: payload) }
        let origin = ObjectIdentifier(self)
        let queued = door.arriving.lazy.filter { $0.origin == origin }.reduce(0) { $0 + $1.frame.count }
        guard queued == 0 || queued + frame.count <= budget else { return .refused(.queueFull) }
        world.put(frame, from: own, origin: origin, through: door)
        return .sent
    }

    func receive(now: MonotonicTime, limit: Int, into sink: (PeerEvent) -> Void) throws(TransportFailed) -> Int {
        guard !isClosed else { throw TransportFailed("closed") }
        tellLosses(sink)
        let arrived = world.takeArrived(door, limit: limit)
        for flight in arrived {
            flight.frame.withUnsafeBytes { bytes in
                let proof = PeerProof.key(Array(flight.sender.z85.utf8))
                if let event = switchboard.accept(bytes, proof: proof, now: now) { sink(event) }
            }
        }
        for failure in switchboard.failedRequests(now: now) { sink(failure) }
        return arrived.count
    }

    /// A connection stands while the other's door is there and lets us in.
    private func tellLosses(_ sink: (PeerEvent) -> Void) {
        var standing: [NodeID: ObjectIdentifier] = [:]
        for peer in switchboard.roster.peers {
            if stands(peer.address, peer.keys) { former[peer.id] = nil }
            let address = former[peer.id] ?? peer.address
            guard let door = world.doors[address], stands(address, peer.keys) else {
                if connected[peer.id] != nil { sink(.connectionLost(peer.id)) }
                continue
            }
            standing[peer.id] = ObjectIdentifier(door)
        }
        connected = standing
    }

    private func stands(_ address: String, _ keys: [CurvePublicKey]) -> Bool {
        world.doors[address].map { keys.contains($0.key) && $0.allowed.contains(own) } ?? false
    }

    var pollItems: [TransportPollItem] { [] }
    var nextDeadline: MonotonicTime? { switchboard.requests.nextDeadline }
    var statistics: TransportStatistics { switchboard.statistics }
    var boundAddress: String { address }
    func close() { isClosed = true }
}
