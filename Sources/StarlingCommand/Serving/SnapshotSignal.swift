import Dispatch
import Glibc

/// SIGUSR1: an operator wants a snapshot now, say before a backup of the data directory.
final class SnapshotSignal: Sendable {
    // Only cancelled, which any thread may do, and otherwise untouched after the initialiser.
    nonisolated(unsafe) private let source: any DispatchSourceSignal

    init(_ take: @escaping @Sendable () -> Void) {
        // The default action would end the process before the source sees the signal.
        signal(SIGUSR1, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: .global())
        source.setEventHandler { take() }
        source.resume()
    }

    func cancel() { source.cancel() }
}
