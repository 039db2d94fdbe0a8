import CZeroMQ
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A bound on the bytes that libzmq holds for somebody. Its own high-water marks count messages, whatever their size.
///
/// Sound from any thread. A budget that is empty takes one message of any size, or a big one could never be sent.
public final class ByteBudget: Sendable {
    public let limit: Int
    private let held = Atomic<Int>(0)

    public init(limit: Int) { self.limit = limit }

    /// Bytes that libzmq holds now.
    public var used: Int { held.load(ordering: .relaxed) }

    func reserve(_ count: Int) -> Bool {
        // Two threads could both pass here and overshoot by one message; a socket's budget has one sending thread.
        let before = held.load(ordering: .relaxed)
        guard before == 0 || before + count <= limit else { return false }
        held.add(count, ordering: .relaxed)
        return true
    }

    fileprivate func giveBack(_ count: Int) { held.subtract(count, ordering: .relaxed) }

    /// Before the frame's bytes stands their count: libzmq tells the release function where they are, not how many.
    private static let prefix = 16

    /// - Returns: false when there was no memory; the reservation is then given back.
    func makeFrame(_ count: Int, _ frame: inout zmq_msg_t, _ fill: (UnsafeMutableRawBufferPointer) -> Void) -> Bool {
        guard let block = malloc(Self.prefix + count) else {
            giveBack(count)
            return false
        }
        block.storeBytes(of: count, as: Int.self)
        let data = block + Self.prefix
        fill(UnsafeMutableRawBufferPointer(start: data, count: count))
        let release: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void = { data, hint in
            // libzmq gives back, once, the two pointers that it was given below.
            guard let data, let hint else { return }
            let block = data - ByteBudget.prefix
            Unmanaged<ByteBudget>.fromOpaque(hint).takeRetainedValue().giveBack(block.load(as: Int.self))
            free(block)
        }
        let hint = Unmanaged.passRetained(self)
        guard zmq_msg_init_data(&frame, data, count, release, hint.toOpaque()) == 0 else {
            hint.release()
            giveBack(count)
            free(block)
            return false
        }
        return true
    }
}
