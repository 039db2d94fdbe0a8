import TupleSpace

/// What a `LoadDriver` does.
public struct LoadPlan: Sendable {
    public enum Operation: String, Sendable, CaseIterable {
        case write
        /// Linearizable, of a tuple that each session wrote before.
        case read
        /// Final takes, without waiting, of tuples that were written before. Needs a number of requests.
        case take
        /// A write of (user, topic, message).
        case post
        /// A work queue: every other session writes jobs; the others wait for them and take them, each acknowledged by its
        /// taker's next command. Needs a number of requests, which is that of the jobs, and an even number of sessions.
        case queue
    }

    public enum Extent: Sendable {
        case requests(Int)
        case seconds(Double)
    }

    public var operation: Operation
    /// Each has one request outstanding.
    public var sessions: Int
    /// Spread over the servers in turn; sessions are spread over the connections in turn.
    public var connections: Int
    public var extent: Extent
    /// Bytes of the payload, or message.
    public var payloadBytes: Int
    /// At least one. Those with a key are spoken to with CURVE.
    public var servers: [ServerEndpoint]
    public var cluster: UInt64 = 0
    public var token = ""
    public var space: String
    /// The tuple that the session of this number writes; its first two fields are what it is read and taken by.
    public var tuple: @Sendable (Int) -> Tuple
    /// Nil: every write of a session is of its `tuple`. Else every measured write is of a tuple of its own, `tuple` of a number that
    /// is counted up from here.
    public var numbersFrom: Int?
    /// Keep when each measured request was done and how long it took, 16 bytes each.
    public var keepsSamples = false
    /// Milliseconds. Nothing keeps the sessions alive but their commands, so for reads it is longer than the run.
    public var sessionTimeout: UInt64 = 600_000

    public init(
        _ operation: Operation, sessions: Int, connections: Int? = nil, extent: Extent, payloadBytes: Int = 256,
        servers: [ServerEndpoint]
    ) {
        self.operation = operation
        self.sessions = sessions
        self.connections = connections ?? max(servers.count, min(32, sessions / 8))
        self.extent = extent
        self.payloadBytes = payloadBytes
        self.servers = servers
        let payload = String(repeating: "x", count: payloadBytes)
        switch operation {
        case .post:
            space = "blog"
            tuple = { Tuple([.string("user\($0)"), .string("bench"), .string(payload)]) }
        case .queue:
            space = "bench-jobs"
            tuple = { Tuple([.string("job"), .int(Int64($0)), .string(payload)]) }
        case .write, .read, .take:
            space = "bench"
            tuple = { Tuple([.string("bench"), .int(Int64($0)), .string(payload)]) }
        }
    }

    /// It takes the jobs that others write.
    func isWorker(_ session: Int) -> Bool { operation == .queue && session % 2 == 1 }

    /// Matches what the session's `tuple` makes; a worker's, what any session's does.
    func template(_ session: Int) -> Template {
        let literals = isWorker(session) ? 1 : 2
        return Template(tuple(session).fields.enumerated().map { $0.offset < literals ? .literal($0.element) : .any })
    }
}

/// One request of a run.
public struct LoadSample: Equatable, Sendable, BitwiseCopyable {
    /// When it was done, by the clock CLOCK_MONOTONIC of this machine.
    public var nanoseconds: UInt64
    /// From the first sending to the success.
    public var latencyNanoseconds: UInt64
}

/// What a run of a `LoadDriver` measured.
public struct LoadReport: Equatable, Sendable {
    public var operation: String
    public var sessions: Int
    /// Completed with success, within `seconds`.
    public var requests: Int
    /// Attempts that failed or were lost; each was made again.
    public var errors: Int
    /// Requests a second.
    public var rate: Double
    /// From the first sending to the success, in milliseconds.
    public var p50: Double
    public var p99: Double
    public var seconds: Double

    public init(
        operation: String, sessions: Int, requests: Int, errors: Int, rate: Double, p50: Double, p99: Double,
        seconds: Double
    ) {
        self.operation = operation
        self.sessions = sessions
        self.requests = requests
        self.errors = errors
        self.rate = rate
        self.p50 = p50
        self.p99 = p99
        self.seconds = seconds
    }

    /// One object with the members operation, sessions, requests, errors, rate, p50_ms, p99_ms, seconds.
    public var json: String {
        """
        {"operation":"\(operation)","sessions":\(sessions),"requests":\(requests),"errors":\(errors),\
        "rate":\(Self.rounded(rate, 10)),"p50_ms":\(Self.rounded(p50, 1_000)),"p99_ms":\(Self.rounded(p99, 1_000)),\
        "seconds":\(Self.rounded(seconds, 1_000))}
        """
    }

    private static func rounded(_ value: Double, _ unit: Double) -> Double { (value * unit).rounded() / unit }
}

/// Why a run of a `LoadDriver` came to nothing.
public struct LoadFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public var description: String
}
