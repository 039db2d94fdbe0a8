/// Bounds of a transport, each per server. The memory that one peer, dead or alive, can hold here is at most
/// `queuedBytesPerPeer + bulkQueuedBytesPerPeer` outgoing (one message more if that is bigger), and incoming, per
/// connection, `receivedMessagesPerConnection` messages of at most `maximumMessageBytes`.
public struct TransportLimits: Sendable, Equatable {
    /// Payload of one message. A peer that sends more is disconnected.
    public var maximumMessageBytes = 64 << 20
    public var queuedMessagesPerPeer: Int32 = 1024
    public var queuedBytesPerPeer = 64 << 20
    public var bulkQueuedMessagesPerPeer: Int32 = 8
    public var bulkQueuedBytesPerPeer = 16 << 20
    public var receivedMessagesPerConnection: Int32 = 256
    public var outstandingRequestsPerPeer = 1024
    /// Over HTTP: those that have not shown yet whose they are count too.
    public var incomingConnections = 256

    /// A silent connection is asked for a sign of life so often, and broken when none comes in time.
    public var heartbeatMilliseconds: Int32 = 1000
    public var heartbeatTimeoutMilliseconds: Int32 = 3000
    /// Pause before connecting again; it doubles up to the maximum: how long a server that was started again may be missed.
    public var reconnectMilliseconds: Int32 = 20
    public var maximumReconnectMilliseconds: Int32 = 100
    public var connectTimeoutMilliseconds: Int32 = 3000
    /// Also how long a server waits that came a moment before its key was known.
    public var handshakeTimeoutMilliseconds: Int32 = 2000

    public init() {}
}
