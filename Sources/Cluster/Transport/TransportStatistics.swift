import Raft

/// What a transport has done since it was made.
public struct TransportStatistics: Equatable, Sendable {
    public struct Peer: Equatable, Sendable {
        public var id: NodeID
        /// A connection to it stood when last looked at, at most a tenth of a second ago.
        public var isConnected = false
        public var sentMessages = 0
        public var sentBytes = 0
        public var receivedMessages = 0
        public var receivedBytes = 0
        /// Not sent because no connection stood, and because too much waited.
        public var refusedNotConnected = 0
        public var refusedQueueFull = 0
        public var timedOutRequests = 0
        /// Now: bytes that wait to be written to it, and requests without an answer.
        public var queuedBytes = 0
        public var outstandingRequests = 0

        public init(id: NodeID) { self.id = id }

        mutating func count(_ outcome: SendOutcome, bytes: Int) {
            switch outcome {
            case .sent:
                sentMessages += 1
                sentBytes += bytes
            case .refused(.notConnected): refusedNotConnected += 1
            case .refused(.queueFull): refusedQueueFull += 1
            case .refused: break
            }
        }
    }

    /// In order of id.
    public var peers: [Peer]
    /// When the certificate that the others are shown expires, in seconds since 1970; nil if none is shown.
    public var certificateExpires: UInt64?
    private var drops: [Int]

    init(peers: [Peer] = []) {
        self.peers = peers
        drops = Array(repeating: 0, count: DropReason.allCases.count)
    }

    public subscript(id: NodeID) -> Peer? { peers.first { $0.id == id } }

    /// Frames dropped for this reason.
    public func dropped(_ reason: DropReason) -> Int { drops[reason.rawValue] }
    public var droppedInAll: Int { drops.reduce(0, +) }

    mutating func countDrop(_ reason: DropReason) { drops[reason.rawValue] += 1 }
}
