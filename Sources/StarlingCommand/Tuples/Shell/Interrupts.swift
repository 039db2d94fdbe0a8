import Dispatch
import Glibc
import Synchronization

/// Ctrl-C for whatever runs at the moment.
final class Interrupts: Sendable {
    private final class Listener: Sendable {
        let heard = Mutex<(@Sendable () -> Void)?>(nil)
    }

    private let listener = Listener()
    // Only kept, so that it stays: nobody touches it after the initialiser.
    nonisolated(unsafe) private let source: any DispatchSourceSignal

    /// - Parameter otherwise: what happens if nobody listens.
    init(otherwise: @escaping @Sendable () -> Void) {
        source = signalSource(SIGINT) { [listener] in (listener.heard.withLock { $0 } ?? otherwise)() }
    }

    /// Calls `heard`, on any thread, at each from now on. Nil: nobody listens any more.
    func listen(_ heard: (@Sendable () -> Void)?) { listener.heard.withLock { $0 = heard } }
}
