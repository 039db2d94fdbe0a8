import CZeroMQ

/// A libzmq context: its I/O threads and the `inproc` names. One process usually needs one.
///
/// Every socket keeps its context alive, so the context ends after its last socket. Ending waits for what sockets with a
/// linger time still have to send; sockets made here have none unless it is set.
public final class Context: @unchecked Sendable {
    // Proof for `@unchecked`: the pointer never changes, and libzmq's contexts may be used from any thread.
    let pointer: UnsafeMutableRawPointer

    /// - Parameters:
    ///   - ioThreads: one serves about a gigabyte a second without encryption.
    ///   - maximumSockets: sockets at one time.
    public init(ioThreads: Int32 = 1, maximumSockets: Int32 = 1023) throws(ZeroMQError) {
        guard let made = zmq_ctx_new() else { throw .last("make a ZeroMQ context") }
        pointer = made
        // After a throw from here `deinit` runs, all stored properties being set: the context is freed there.
        try set(ZMQ_IO_THREADS, ioThreads)
        try set(ZMQ_MAX_SOCKETS, maximumSockets)
        // Not "blocky": a socket whose linger time nobody sets has 0, not for ever.
        try set(ZMQ_BLOCKY, 0)
    }

    deinit { while zmq_ctx_term(pointer) == -1, zmq_errno() == EINTR {} }

    private func set(_ option: Int32, _ value: Int32) throws(ZeroMQError) {
        guard zmq_ctx_set(pointer, option, value) == 0 else { throw .last("set context option \(option) to \(value)") }
    }

    /// Makes every call on every socket of this context fail with an error for which `isTermination` holds, blocked ones
    /// too. Sockets must still be closed by their threads.
    public func shutdown() { _ = zmq_ctx_shutdown(pointer) }

    /// Version of the library that is loaded, which may be newer than the one compiled against.
    public static var libraryVersion: (major: Int, minor: Int, patch: Int) {
        var major: Int32 = 0
        var minor: Int32 = 0
        var patch: Int32 = 0
        zmq_version(&major, &minor, &patch)
        return (Int(major), Int(minor), Int(patch))
    }

    /// True when the loaded library was built with CURVE.
    public static var supportsCurve: Bool { zmq_has("curve") == 1 }
}
