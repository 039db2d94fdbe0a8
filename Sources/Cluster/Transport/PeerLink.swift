import ZeroMQ

/// The way to one peer, with a connection for each lane. Messages go out here and nothing ever comes back: what the peer has to
/// say comes over connections that it made itself, authenticated as the peer.
protocol PeerLink: AnyObject, SendableMetatype {
    var target: PeerTarget { get }

    /// Whether a connection of the main lane stands, as far as `takeLoss` has heard.
    var isConnected: Bool { get }

    /// That wait to be written.
    var queuedBytes: Int { get }

    func send(_ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane) -> SendOutcome

    /// Digests the news of the connections, also of those that nothing is sent by.
    /// - Returns: whether a connection stands.
    func refresh() throws(TransportFailed) -> Bool

    /// - Returns: whether a connection of the main lane broke since the last call, and none stands in its place.
    func takeLoss() throws(TransportFailed) -> Bool

    /// Drops what waits and breaks the connections.
    func close()
}

/// Everything that, when it changes, needs new connections.
struct PeerTarget: Equatable, Sendable {
    /// `host:port`.
    var address: String
    /// Of the server that must be there: the key in force and perhaps the next one. Empty without security.
    var keys: [CurvePublicKey]
}

/// What carries frames between servers: ZeroMQ, or HTTP.
protocol PeerCarrier: AnyObject, SendableMetatype {
    associatedtype Link: PeerLink

    /// `host:port` that is listened at, with the port that was chosen for port 0.
    var boundAddress: String { get }

    /// What the thread waits for. Never changes.
    var pollItems: [TransportPollItem] { get }

    /// Says whose connections are let in from now on; at first nobody's. What is connected stays connected.
    func admit(_ keys: Set<CurvePublicKey>)

    /// Begins to connect, for all the time until the link is closed.
    func link(to target: PeerTarget) throws(TransportFailed) -> Link

    /// Hands what has arrived to the sink, whose pointers are valid only within the call.
    /// - Parameter limit: at most so many frames.
    /// - Returns: how many were taken.
    func receive(limit: Int, into sink: (ArrivedFrame) -> Void) throws(TransportFailed) -> Int

    /// When the certificate that the others are shown expires, in seconds since 1970; nil if none is shown.
    var certificateExpires: UInt64? { get }

    /// Breaks all connections and gives the address back.
    func close()
}

enum ArrivedFrame {
    case frame(UnsafeRawBufferPointer, PeerProof)
    /// What came was not one whole frame.
    case malformed
}
