import ByteCoding
import ClientProtocol
import TupleSpace
import ZeroMQ

/// Puts load on a cluster and measures it: many sessions over few connections, driven by one thread without allocating
/// for a request, since it shares the machine with the servers that it measures.
///
/// Belongs to one thread, which `run` occupies until it is done.
public final class LoadDriver {
    struct Session {
        var id: SessionID
        var connection: Int
        var sequence: UInt64 = 0
        var startedAt: UInt64 = 0
        /// Nanoseconds; 0: nothing is to be sent again.
        var resendAt: UInt64 = 0
        var refusals: UInt64 = 0
        var isOutstanding = false
    }

    /// What all sessions do at one time; each does it until the phase is over.
    enum Phase {
        case open, prepare, measure, end
    }

    let plan: LoadPlan
    let context: Context
    let poller = Poller()
    var connections: [LoadConnection] = []
    var sessions: [Session] = []
    /// By session: the operation or query bytes of the phase.
    var payloads: [[UInt8]] = []
    var isQuery = false

    var phase = Phase.open
    /// Requests that may still be begun in this phase, and until when.
    var toBegin = 0
    var beginUntil: UInt64 = .max
    var outstanding = 0
    var completed = 0
    var errors = 0
    var lastCompletion: UInt64 = 0
    var resends: [Int] = []
    /// When the connections' monitors are asked next.
    var newsAt: UInt64 = 0
    var histogram = LatencyHistogram()
    var samples: [LoadSample] = []
    private var numbered: NumberedPayload?
    var fatal: LoadFailure?
    private var progress: (Int, Double) -> Void = { _, _ in }

    public init(_ plan: LoadPlan) throws(LoadFailure) {
        guard plan.sessions > 0, plan.connections > 0, !plan.servers.isEmpty else {
            throw LoadFailure(description: "a run needs at least one session, one connection and one server")
        }
        if case .seconds = plan.extent, plan.operation == .take || plan.operation == .queue {
            throw LoadFailure(description: "a \(plan.operation.rawValue) is of a number of requests, not of seconds")
        }
        if plan.operation == .queue, plan.sessions % 2 == 1 {
            throw LoadFailure(description: "a queue needs as many sessions that write as sessions that take")
        }
        self.plan = plan
        do throws(ZeroMQError) {
            context = try Context(maximumSockets: Int32(clamping: plan.connections * 16 + 64))
        } catch {
            throw LoadFailure(description: "\(error)")
        }
    }

    /// Opens the sessions, prepares, measures, ends the sessions.
    /// - Parameter progress: called about once a second of the measured part, with the requests completed and the
    ///   seconds.
    public func run(progress: @escaping (Int, Double) -> Void = { _, _ in }) throws(LoadFailure) -> LoadReport {
        self.progress = progress
        defer { for connection in connections { connection.close(poller) } }
        try connectAll()
        for index in 0..<plan.sessions {
            // Of a queue a pair shares a connection: every connection has some of either.
            let place = plan.operation == .queue ? index / 2 : index
            sessions.append(
                Session(id: SessionID(.random(in: 1...UInt64.max)), connection: place % plan.connections))
        }
        payloads = [[UInt8]](
            repeating: encoded(.openSession(timeoutMilliseconds: plan.sessionTimeout)), count: plan.sessions)
        try drive(.open, requests: plan.sessions)
        try prepare()
        let report = try measure()
        isQuery = false
        payloads = [[UInt8]](repeating: encoded(.endSession), count: plan.sessions)
        try drive(.end, requests: plan.sessions)
        return report
    }

    /// The measured requests that were completed since the last call, in that order, if the plan keeps them. For `progress`, and
    /// after `run`.
    public func takeSamples() -> [LoadSample] {
        defer { samples.removeAll(keepingCapacity: true) }
        return samples
    }

    // MARK: Phases

    private func prepare() throws(LoadFailure) {
        payloads = (0..<plan.sessions).map { encoded(.write(space: plan.space, tuple: plan.tuple($0))) }
        if let first = plan.numbersFrom {
            numbered = try NumberedPayload(from: first) { [plan] in
                var writer = ByteWriter()
                Operation.write(space: plan.space, tuple: plan.tuple($0)).encode(into: &writer)
                return writer.bytes
            }
        }
        switch plan.operation {
        case .write, .post: return
        case .read:
            try drive(.prepare, requests: plan.sessions)
            payloads = (0..<plan.sessions).map { session in
                var query = ByteWriter()
                Query.read(space: plan.space, template: plan.template(session)).encode(into: &query)
                var payload = ByteWriter()
                query.bytes.withUnsafeBytes {
                    QueryRequest.encode(consistency: .linearizable, timeout: .none, query: $0, into: &payload)
                }
                return payload.bytes
            }
            isQuery = true
        case .take:
            guard case .requests(let count) = plan.extent else { return }
            // Every session finds as many as it takes: the same share of the requests.
            try drive(.prepare, requests: roundedUp(count))
            payloads = (0..<plan.sessions).map {
                encoded(.take(space: plan.space, template: plan.template($0), timeout: .none, holds: false))
            }
        case .queue:
            for session in 0..<plan.sessions where plan.isWorker(session) {
                payloads[session] = encoded(
                    .take(space: plan.space, template: plan.template(session), timeout: .forever, holds: true))
            }
        }
    }

    private func measure() throws(LoadFailure) -> LoadReport {
        errors = 0
        histogram = LatencyHistogram()
        let start = monotonicNanoseconds()
        switch plan.extent {
        case .requests(let count):
            switch plan.operation {
            case .take: try drive(.measure, requests: roundedUp(count))
            case .queue: try drive(.measure, requests: roundedUp(2 * count))
            case .write, .read, .post: try drive(.measure, requests: count)
            }
        case .seconds(let seconds):
            try drive(.measure, requests: .max, until: start + UInt64(max(0, seconds) * 1e9))
        }
        let seconds = Double(max(1, lastCompletion - start)) / 1e9
        // A job is written and taken.
        let requests = plan.operation == .queue ? completed / 2 : completed
        return LoadReport(
            operation: plan.operation.rawValue, sessions: plan.sessions, requests: requests, errors: errors,
            rate: Double(requests) / seconds, p50: Double(histogram.value(at: 0.5)) / 1e6,
            p99: Double(histogram.value(at: 0.99)) / 1e6, seconds: seconds)
    }

    private func roundedUp(_ count: Int) -> Int { (count + plan.sessions - 1) / plan.sessions * plan.sessions }

    private func encoded(_ operation: Operation) -> [UInt8] {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        return writer.bytes
    }

    /// Every session does one request behind the other until `requests` have been done, or begun by the time.
    private func drive(_ phase: Phase, requests: Int, until: UInt64 = .max) throws(LoadFailure) {
        self.phase = phase
        toBegin = requests
        beginUntil = until
        completed = 0
        lastCompletion = 0
        let start = monotonicNanoseconds()
        var reportAt = start + 1_000_000_000
        // A share for each: takes must find what the same session wrote.
        share = requests == .max ? .max : (requests + sessions.count - 1) / sessions.count
        done = [Int](repeating: 0, count: sessions.count)
        for session in sessions.indices { begin(session, at: start) }
        flush()
        while outstanding > 0 {
            do throws(ZeroMQError) {
                try poller.wait(milliseconds: resends.isEmpty ? 20 : 5)
            } catch {
                throw LoadFailure(description: "\(error)")
            }
            receive()
            if let fatal { throw fatal }
            let now = monotonicNanoseconds()
            tend(at: now)
            flush()
            if phase == .measure, now >= reportAt {
                reportAt += 1_000_000_000
                progress(completed, Double(now - start) / 1e9)
            }
            // Ending is a courtesy: sessions that cannot be ended in time expire.
            if phase == .end, now >= start + 5_000_000_000 { return }
        }
    }

    /// Requests that a session does in this phase, and has begun.
    private var share = 0
    private var done: [Int] = []

    /// Begins the session's next request, if there is one.
    func begin(_ index: Int, at now: UInt64) {
        guard toBegin > 0, now < beginUntil, done[index] < share else { return }
        if toBegin != .max { toBegin -= 1 }
        done[index] += 1
        outstanding += 1
        sessions[index].sequence += 1
        sessions[index].startedAt = now
        sessions[index].refusals = 0
        sessions[index].isOutstanding = true
        // A repetition sends the same bytes: the session's payload stays until its next request.
        if phase == .measure, let next = numbered?.next() { payloads[index] = next }
        append(index)
    }
}
