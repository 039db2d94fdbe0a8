import Dispatch
import Glibc

/// SIGUSR1: an operator wants a snapshot now, say before a backup of the data directory.
final class SnapshotSignal: Sendable {
    // Only cancelled, which any thread may do, and otherwise untouched after the initialiser.
    nonisolated(unsafe) private let source: any DispatchSourceSignal

    init(_ take: @escaping @Sendable () -> Void) {
        source = signalSource(SIGUSR1, take)
    }

    func cancel() { source.cancel() }
}
