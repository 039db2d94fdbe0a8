import Raft
import ZeroMQ

/// How servers reach one another. What goes through it may be lost, repeated, delayed and reordered; it is never changed,
/// and never comes from anybody but the member it says.
///
/// A transport belongs to one thread: the replica's. That thread waits for `pollItems`, and calls `receive` when one is
/// ready and whenever `nextDeadline` has come. Sending never waits.
public protocol PeerTransport: AnyObject {
    /// Replaces whom messages are sent to and taken from: the members of the newest configuration, and any that a member
    /// file adds. This server itself may be among them and is passed over. What a member who left still held is given up;
    /// requests to it fail at the next `receive`.
    func update(members: [Member])

    /// Replaces the servers of the plan, which may introduce themselves before their node ids are known.
    func update(plannedPeers: [PlannedPeer])

    /// Sends one message that expects no answer by the transport's doing. The bytes are copied.
    func send(_ payload: UnsafeRawBufferPointer, to peer: NodeID, over lane: PeerLane) -> SendOutcome

    /// Sends a request. Its end comes as an event, always exactly once: an answer, or a failure at the latest when the time
    /// is up. After that nothing is kept of it.
    /// - Throws: why it was not sent; then no event comes.
    func request(
        _ payload: UnsafeRawBufferPointer, to peer: NodeID, timeoutMilliseconds: UInt64, now: MonotonicTime
    ) throws(SendRefusal) -> RequestID

    /// Answers a request. Possible at any time, from within the sink or later; an answer that comes too late is dropped there.
    func respond(_ payload: UnsafeRawBufferPointer, to request: IncomingRequest) -> SendOutcome

    /// Sends to a server of the plan, by its name.
    func introduce(_ payload: UnsafeRawBufferPointer, to name: String) -> SendOutcome

    /// Hands what has arrived, and requests that have failed, to the sink, whose pointers are valid only within the call.
    /// - Parameter limit: at most so many messages, so that a loud peer cannot keep the thread from everything else.
    /// - Returns: how many frames were taken, dropped ones included; `limit` means that more may wait.
    @discardableResult
    func receive(now: MonotonicTime, limit: Int, into sink: (PeerEvent) -> Void) throws(TransportFailed) -> Int

    /// What the thread waits for. Never changes.
    var pollItems: [TransportPollItem] { get }

    /// When `receive` must be called even if nothing arrives; nil while no request is under way.
    var nextDeadline: MonotonicTime? { get }

    var statistics: TransportStatistics { get }

    /// `host:port` that is listened at, with the port that was chosen for port 0.
    var boundAddress: String { get }

    /// Breaks all connections. Everything sent afterwards is refused.
    func close()
}

extension PeerTransport {
    public func send(_ payload: [UInt8], to peer: NodeID, over lane: PeerLane = .main) -> SendOutcome {
        payload.withUnsafeBytes { send($0, to: peer, over: lane) }
    }

    public func respond(_ payload: [UInt8], to request: IncomingRequest) -> SendOutcome {
        payload.withUnsafeBytes { respond($0, to: request) }
    }

    public func introduce(_ payload: [UInt8], to name: String) -> SendOutcome {
        payload.withUnsafeBytes { introduce($0, to: name) }
    }
}

/// Snapshots have a connection of their own, so that a big chunk never delays a heartbeat.
public enum PeerLane: Sendable {
    case main, bulk
}

public enum SendOutcome: Equatable, Sendable {
    /// On its way, as far as this server can tell. It may still be lost.
    case sent
    /// Certainly not sent.
    case refused(SendRefusal)
}

/// Why a message was not sent. Nothing of it is kept; whoever sent it tries again when it makes sense.
public enum SendRefusal: Error, Equatable, Sendable {
    /// Not a member, this server itself, or a name that is not in the plan.
    case unknownPeer
    /// No connection stands now. One is tried for all the time.
    case notConnected
    /// `TransportLimits` allows no more messages or bytes to wait for this peer.
    case queueFull
    /// Bigger than `TransportLimits.maximumMessageBytes`.
    case tooLarge
    /// `TransportLimits.outstandingRequestsPerPeer` are under way to this peer.
    case tooManyRequests
    /// The transport is closed.
    case closed
}

/// What arrives.
public enum PeerEvent {
    case message(from: NodeID, UnsafeRawBufferPointer)
    /// A peer wants an answer: see `PeerTransport.respond`.
    case request(IncomingRequest, UnsafeRawBufferPointer)
    case response(to: RequestID, from: NodeID, UnsafeRawBufferPointer)
    case failed(RequestID, to: NodeID, RequestFailure)
    /// From a server of the plan: its name as its key proves it, or nil if the transport runs without security.
    case introduction(from: String?, UnsafeRawBufferPointer)
    /// The connection by which this server sends to a member broke, by the other side's doing or the network's: its process is
    /// probably gone. Not when this server itself gave it up. A hint: whatever was on its way may have arrived or not.
    case connectionLost(NodeID)
}

public enum RequestFailure: Equatable, Sendable {
    /// No answer came in time. The peer may have done it or not.
    case timedOut
    /// The peer is no longer a member. It may have done it or not.
    case peerLeft
}

/// Names a request among all of this server's, in this life of its process and, all but certainly, in all.
public struct RequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// To whom an answer goes, and to which of its requests.
public struct IncomingRequest: Hashable, Sendable {
    public let from: NodeID
    public let id: RequestID

    public init(from: NodeID, id: RequestID) {
        self.from = from
        self.id = id
    }
}

/// A server as the plan names it, before anybody knows its node id.
public struct PlannedPeer: Hashable, Sendable {
    public var name: String
    /// `host:port`.
    public var peerAddress: String
    public var publicKey: CurvePublicKey

    public init(name: String, peerAddress: String, publicKey: CurvePublicKey) {
        self.name = name
        self.peerAddress = peerAddress
        self.publicKey = publicKey
    }
}

public enum TransportPollItem {
    case socket(Socket)
    case fileDescriptor(Int32)
}

extension Poller {
    func add(_ items: [TransportPollItem]) {
        for item in items {
            switch item {
            case .socket(let socket): _ = add(socket)
            case .fileDescriptor(let descriptor): _ = add(fileDescriptor: descriptor)
            }
        }
    }
}

/// The transport itself no longer works: its thread should end the server, or is ending it.
public struct TransportFailed: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
