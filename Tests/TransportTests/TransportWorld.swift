import Raft
import Testing
import ZeroMQ

@testable import Cluster

/// What the conformance suite needs of a kind of transport: stations can be started, stopped and written to from outside.
protocol TransportWorld: AnyObject {
    var isSecure: Bool { get }
    func makeTransport(
        _ identity: Identity, at address: String?, limits: TransportLimits
    ) throws -> (transport: any PeerTransport, address: String)
    /// As if the process had died.
    func stop(_ transport: any PeerTransport) throws
    /// Sends raw frames over a connection that is authenticated with the given keys.
    func inject(_ frames: [[UInt8]], with keys: CurveKeyPair, to station: Station) throws
    /// Lets time pass, at most about a millisecond.
    func pass() throws
    var now: MonotonicTime { get }
    /// After so many passes what must happen should have happened.
    var patience: Int { get }
}

/// The kinds under test.
enum WorldKind: String, CaseIterable, CustomTestStringConvertible {
    case lossyMemory = "lossy memory"
    case plainZeroMQ = "ZeroMQ without security"
    case curveZeroMQ = "ZeroMQ with CURVE"
    case plainHTTP = "HTTP without security"
    case secureHTTP = "HTTP with TLS"

    var testDescription: String { rawValue }

    func make() throws -> any TransportWorld {
        switch self {
        case .lossyMemory: LossyWorld(seed: 1)
        case .plainZeroMQ: ZeroMQWorld(isSecure: false)
        case .curveZeroMQ: ZeroMQWorld(isSecure: true)
        case .plainHTTP: try HTTPWorld(isSecure: false)
        case .secureHTTP: try HTTPWorld(isSecure: true)
        }
    }
}

struct Identity {
    var id: NodeID
    var cluster: ClusterID
    var keys: CurveKeyPair

    init(_ id: UInt64, cluster: UInt64 = 0xC1, keys: CurveKeyPair? = nil) throws {
        self.id = NodeID(id)
        self.cluster = ClusterID(cluster)
        self.keys = try keys ?? .generate()
    }
}

/// One server of a test, and everything that has arrived there.
final class Station {
    let world: any TransportWorld
    let identity: Identity
    let transport: any PeerTransport
    let address: String
    var messages: [(from: NodeID, bytes: [UInt8])] = []
    var requests: [(request: IncomingRequest, bytes: [UInt8])] = []
    var responses: [(id: RequestID, from: NodeID, bytes: [UInt8])] = []
    var failures: [(id: RequestID, failure: RequestFailure)] = []
    var introductions: [(from: String?, bytes: [UInt8])] = []
    var losses: [NodeID] = []

    init(
        _ identity: Identity, in world: any TransportWorld, at address: String? = nil,
        limits: TransportLimits = TransportLimits()
    ) throws {
        self.world = world
        self.identity = identity
        (transport, self.address) = try world.makeTransport(identity, at: address, limits: limits)
    }

    var id: NodeID { identity.id }

    var member: Member {
        Member(
            id: id, name: "n\(id.rawValue)", peerAddress: address, clientAddress: "", httpAddress: "",
            publicKey: identity.keys.publicKey.bytes)
    }

    var planned: PlannedPeer {
        PlannedPeer(name: "n\(id.rawValue)", peerAddress: address, publicKey: identity.keys.publicKey)
    }

    func pump() throws {
        try transport.receive(now: world.now, limit: 1000) { event in
            switch event {
            case .message(let from, let bytes): messages.append((from, [UInt8](bytes)))
            case .request(let request, let bytes): requests.append((request, [UInt8](bytes)))
            case .response(let id, let from, let bytes): responses.append((id, from, [UInt8](bytes)))
            case .failed(let id, _, let failure): failures.append((id, failure))
            case .introduction(let from, let bytes): introductions.append((from, [UInt8](bytes)))
            case .connectionLost(let peer): losses.append(peer)
            }
        }
    }

    func request(_ bytes: [UInt8], to peer: NodeID, timeoutMilliseconds: UInt64) throws(SendRefusal) -> RequestID {
        let transport = transport
        let now = world.now
        let result: Result<RequestID, SendRefusal> = bytes.withUnsafeBytes { bytes in
            do throws(SendRefusal) {
                return .success(
                    try transport.request(bytes, to: peer, timeoutMilliseconds: timeoutMilliseconds, now: now))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Requests again and again until one could be sent.
    func requestWhenConnected(
        _ bytes: [UInt8], to peer: NodeID, timeoutMilliseconds: UInt64, pumping stations: [Station]
    ) throws -> RequestID {
        var id: RequestID?
        try world.await("a connection", stations) {
            id = try? self.request(bytes, to: peer, timeoutMilliseconds: timeoutMilliseconds)
            return id != nil
        }
        return try #require(id)
    }
}

extension TransportWorld {
    /// Pumps the stations until the condition holds; what the condition does (send again, for instance) is done each time.
    func `await`(
        _ what: String, _ stations: [Station], _ location: SourceLocation = #_sourceLocation,
        until condition: () throws -> Bool
    ) throws {
        for _ in 0..<patience {
            for station in stations { try station.pump() }
            if try condition() { return }
            try pass()
        }
        Issue.record("waited in vain for \(what)", sourceLocation: location)
        throw GaveUp()
    }

    /// Pumps for a while in which something must not happen.
    func settle(_ stations: [Station], passes: Int = 150) throws {
        for _ in 0..<passes {
            for station in stations { try station.pump() }
            try pass()
        }
    }

    /// Sends until it arrives: transports may lose.
    func deliver(
        _ bytes: [UInt8], from sender: Station, to receiver: Station, over lane: PeerLane = .main,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        var passes = 0
        var isUnderWay = false
        try self.await("a message of \(bytes.count) bytes", [sender, receiver], location) {
            // Not at every pass, or a slow machine would drown in copies of a big message.
            if passes % 200 == 0 || !isUnderWay {
                isUnderWay = sender.transport.send(bytes, to: receiver.id, over: lane) == .sent
            }
            passes += 1
            return receiver.messages.contains { $0.from == sender.id && $0.bytes == bytes }
        }
    }

    func introduce(_ stations: [Station]) {
        for station in stations { station.transport.update(members: stations.map(\.member)) }
    }
}

struct GaveUp: Error {}
