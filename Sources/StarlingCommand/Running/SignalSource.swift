import Dispatch
import Glibc

/// Has a signal call `handler`, on any thread, instead of what it does by default.
/// - Returns: what to keep for as long as that shall be so.
func signalSource(_ number: Int32, _ handler: @escaping @Sendable () -> Void) -> any DispatchSourceSignal {
    // The default action would end the process before the source sees the signal.
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { handler() }
    source.resume()
    return source
}
