import TupleSpace
import ZeroMQ

/// How a client behaves. Times are in milliseconds.
public struct ClientSettings: Sendable {
    /// The cluster that the servers must belong to; 0 is any.
    public var cluster: UInt64 = 0
    /// Empty: anonymous.
    public var token = ""
    /// The key by which servers know an operator, or a server that wants to join. Nil: a new one for each connection.
    public var keys: CurveKeyPair?
    /// How long an operation is tried, over all servers and beside the time that it waits for a match by itself.
    public var operationTimeout: UInt64 = 10_000
    /// Of the session that the client opens for itself.
    public var sessionTimeout: UInt64 = 30_000
    /// A server that says nothing for so long, with requests outstanding, is left for another.
    public var silence: UInt64 = 2_000
    /// A server that has not welcomed the client after so long is left for another.
    public var connectTimeout: UInt64 = 1_000
    /// Acknowledgements of held takes wait at most so long for a command to ride on.
    public var acknowledgeWithin: UInt64 = 100
    /// Requests without an answer, and their bytes; more are refused with `busy`.
    public var maximumOutstanding = 65_536
    public var maximumOutstandingBytes = 64 << 20
    /// Events that a stream holds for a slow reader. Then its subscription pauses at the server, and goes on from the
    /// same position.
    public var bufferedEvents = 4_096
    /// Begins with any of the servers given, so that clients spread over them; else with the first.
    public var startsAnywhere = true

    public init() {}

    /// With times that can be added to any clock's.
    var bounded: ClientSettings {
        var settings = self
        settings.operationTimeout = min(operationTimeout, Limits.timeoutMilliseconds)
        settings.silence = min(max(silence, 10), Limits.timeoutMilliseconds)
        settings.connectTimeout = min(connectTimeout, Limits.timeoutMilliseconds)
        settings.acknowledgeWithin = min(acknowledgeWithin, Limits.timeoutMilliseconds)
        settings.bufferedEvents = max(bufferedEvents, 1)
        return settings
    }
}
