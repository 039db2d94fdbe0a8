import CZeroMQ

#if canImport(Glibc)
    import Glibc
#endif

/// What a new thread is given, in one object that a C function can pass on.
private final class ThreadBody {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Starts a detached thread. Whatever the body captures belongs to that thread from then on: `sending` lets a socket,
/// which is not `Sendable`, go over.
/// - Parameter name: at most 15 bytes, as the kernel and debuggers show it.
public func startThread(named name: String, _ body: sending @escaping () -> Void) throws(ZeroMQError) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { argument in
            // The pointer is the one given below; the body is released when the thread ends.
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, box.toOpaque())
    guard code == 0 else {
        box.release()
        throw ZeroMQError("start thread \(name)", code: code)
    }
    pthread_setname_np(thread, String(name.prefix(15)))
    pthread_detach(thread)
}
