import Dispatch
import Glibc

/// SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process at once.
final class StopSignals: Sendable {
    /// Yields the first signal. Of many readers, one gets it.
    let requests: AsyncStream<Int32>
    private let continuation: AsyncStream<Int32>.Continuation
    // Only kept, so that they stay: nobody touches them after the initialiser.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let count = Counter()
        requests = stream
        self.continuation = continuation
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signalSource(number) {
                if count.next() > 1 { _exit(128 + number) }
                continuation.yield(number)
            }
        }
    }

    /// As if a signal had come.
    func request() { continuation.yield(SIGTERM) }
}

extension StopSignals {
    /// Cancels the body when a signal comes.
    func stopping(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let requests = requests
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask { for await _ in requests { return } }
            _ = try await group.next()
            group.cancelAll()
        }
    }
}
