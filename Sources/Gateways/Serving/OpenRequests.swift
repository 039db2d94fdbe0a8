import Synchronization

/// The requests that stay open: streams, and reads and takes that wait. Bounds their number and ends them when the
/// server stops, which could otherwise wait for them for ever.
final class OpenRequests: Sendable {
    enum Kind: Sendable {
        case stream, wait
    }

    private struct State {
        var isStopping = false
        var nextID: UInt64 = 0
        var streams = 0
        var waits = 0
        var cancels: [UInt64: @Sendable () -> Void] = [:]
    }

    /// A place among the open requests, given back when nobody holds it any more.
    final class Ticket: Sendable {
        private let requests: OpenRequests
        private let kind: Kind

        fileprivate init(_ requests: OpenRequests, _ kind: Kind) {
            self.requests = requests
            self.kind = kind
        }

        deinit {
            requests.state.withLock { [kind] in
                if kind == .stream { $0.streams -= 1 } else { $0.waits -= 1 }
            }
        }

        /// Runs the closure until it ends, the client hangs up or the server stops; the latter two cancel it.
        /// - Throws: `APIError` `busy` if the server stops; whatever the closure throws.
        func run<T: Sendable>(
            on connection: Connection, _ body: @escaping @Sendable () async throws -> T
        ) async throws -> T {
            let task = Task { try await connection.whileConnected(body) }
            let id = requests.register { task.cancel() }
            defer { requests.unregister(id) }
            do {
                return try await withTaskCancellationHandler {
                    try await task.value
                } onCancel: {
                    task.cancel()
                }
            } catch {
                throw requests.isStopping ? OpenRequests.stopping : error
            }
        }
    }

    private let state = Mutex(State())
    private let limits: (streams: Int, waits: Int)
    static let stopping = APIError.busy("this server is stopping; ask another one")

    init(streams: Int = GatewayLimits.streams, waits: Int = GatewayLimits.waitingRequests) {
        limits = (streams, waits)
    }

    var counts: (streams: Int, waits: Int) { state.withLock { ($0.streams, $0.waits) } }
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// - Throws: `busy` if there are too many already, or the server stops.
    func enter(_ kind: Kind) throws(APIError) -> Ticket {
        let refusal: APIError? = state.withLock { state in
            if state.isStopping { return Self.stopping }
            switch kind {
            case .stream where state.streams >= limits.streams:
                return .busy("\(limits.streams) event streams are open on this server, which is its limit")
            case .wait where state.waits >= limits.waits:
                return .busy("\(limits.waits) requests wait on this server, which is its limit")
            case .stream: state.streams += 1
            case .wait: state.waits += 1
            }
            return nil
        }
        if let refusal { throw refusal }
        return Ticket(self, kind)
    }

    private func register(_ cancel: @escaping @Sendable () -> Void) -> UInt64 {
        let id: UInt64? = state.withLock { state in
            guard !state.isStopping else { return nil }
            state.nextID += 1
            state.cancels[state.nextID] = cancel
            return state.nextID
        }
        guard let id else {
            cancel()
            return 0
        }
        return id
    }

    private func unregister(_ id: UInt64) {
        state.withLock { _ = $0.cancels.removeValue(forKey: id) }
    }

    /// Ends all of them and admits no more.
    func stop() {
        let cancels = state.withLock { state in
            state.isStopping = true
            return Array(state.cancels.values)
        }
        for cancel in cancels { cancel() }
    }
}
