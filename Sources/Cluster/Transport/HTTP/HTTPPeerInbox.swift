import DequeModule
import NIOCore
import Synchronization
import ZeroMQ

/// What has arrived over HTTP, on its way to the replica's thread.
final class HTTPPeerInbox: Sendable {
    /// One connection to this server's door.
    final class Connection: Sendable {
        let channel: any Channel
        let proof: Proof
        /// Frames of it that wait here.
        fileprivate let waiting = Atomic<Int>(0)

        init(_ channel: any Channel, _ proof: Proof) {
            self.channel = channel
            self.proof = proof
        }
    }

    /// A `PeerProof` that goes from thread to thread: that one may point at a ZeroMQ frame, which cannot.
    enum Proof: Sendable {
        case notNeeded
        /// The Z85 text of the key that the connection's certificate names.
        case key([UInt8])
    }

    /// Tells a connection's handler that it may read on.
    struct ReadOn: Sendable {}

    private struct Arrived: Sendable {
        var connection: Connection
        /// Nil: what came was not one whole frame.
        var frame: ByteBuffer?
    }

    let waker: Waker
    private let limitPerConnection: Int
    private let arrived = Mutex<Deque<Arrived>>([])

    init(limitPerConnection: Int) throws(ZeroMQError) {
        self.limitPerConnection = limitPerConnection
        waker = try Waker()
    }

    /// Whether a connection should be read from no further for now.
    func isFull(for connection: Connection) -> Bool {
        connection.waiting.load(ordering: .relaxed) >= limitPerConnection
    }

    func post(_ frame: ByteBuffer?, from connection: Connection) {
        connection.waiting.add(1, ordering: .relaxed)
        let wasEmpty = arrived.withLock { arrived in
            defer { arrived.append(Arrived(connection: connection, frame: frame)) }
            return arrived.isEmpty
        }
        if wasEmpty { waker.wake() }
    }

    /// Hands over at most `limit` of what has arrived.
    /// - Returns: how many.
    func take(limit: Int, into sink: (ArrivedFrame) -> Void) -> Int {
        waker.drain()
        let taken = arrived.withLock { arrived in
            guard arrived.count > limit else {
                defer { arrived = [] }
                return arrived
            }
            let taken = Deque(arrived.prefix(limit))
            arrived.removeFirst(limit)
            return taken
        }
        for one in taken {
            if let frame = one.frame {
                let proof: PeerProof =
                    switch one.connection.proof {
                    case .notNeeded: .notNeeded
                    case .key(let key): .key(key)
                    }
                frame.withUnsafeReadableBytes { sink(.frame($0, proof)) }
            } else {
                sink(.malformed)
            }
            let before = one.connection.waiting.subtract(1, ordering: .relaxed).oldValue
            if before == (limitPerConnection + 1) / 2 {
                one.connection.channel.triggerUserOutboundEvent(ReadOn(), promise: nil)
            }
        }
        return taken.count
    }
}
