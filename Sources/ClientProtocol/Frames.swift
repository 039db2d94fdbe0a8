import ByteCoding
import TupleSpace

/// The native protocol between a client's DEALER and a server's ROUTER: one ZeroMQ message is one frame, one frame is
/// one of these. docs/formats/client-protocol.md has the bytes. Everything is little-endian.
public enum ClientFrameKind: UInt8, Sendable {
    // Client to server.
    case hello = 1
    /// Any number of requests, one behind the other.
    case requests = 2
    case ping = 3
    // Server to client.
    case welcome = 129
    /// Any number of responses, one behind the other.
    case responses = 130
    case pong = 131
    /// The hello, or a frame, cannot be accepted: an encoded `Failure`. For a hello the server keeps nothing.
    case refused = 255
}

/// The first frame of every connection, and again after a reconnect.
public struct Hello: Equatable, Sendable {
    public static let version: UInt8 = 1

    /// 0: any cluster.
    public var cluster: UInt64
    /// Empty: anonymous.
    public var token: String

    public init(cluster: UInt64 = 0, token: String = "") {
        self.cluster = cluster
        self.token = token
    }
}

/// What a server says of itself and the others: the client finds the rest of the cluster by it.
public struct Welcome: Equatable, Sendable {
    public struct Server: Equatable, Sendable {
        public var id: UInt64
        public var name: String
        public var clientAddress: String
        public var httpAddress: String
        /// CURVE, 32 bytes.
        public var publicKey: [UInt8]

        public init(id: UInt64, name: String, clientAddress: String, httpAddress: String, publicKey: [UInt8]) {
            self.id = id
            self.name = name
            self.clientAddress = clientAddress
            self.httpAddress = httpAddress
            self.publicKey = publicKey
        }
    }

    public var cluster: UInt64
    public var server: UInt64
    /// 0: none is known.
    public var leader: UInt64
    /// Random for each start of the server's process: another one means that the server forgot its connections.
    public var incarnation: UInt64
    public var servers: [Server]

    public init(cluster: UInt64, server: UInt64, leader: UInt64, incarnation: UInt64, servers: [Server]) {
        self.cluster = cluster
        self.server = server
        self.leader = leader
        self.incarnation = incarnation
        self.servers = servers
    }
}

/// One request within a `requests` frame: `id varint · kind u8 · length varint · payload`. Ids are the client's own,
/// unique among those without an answer on the connection. The same request may be sent again under its id, and may
/// then be answered twice.
public enum ClientRequestKind: UInt8, Sendable {
    /// session u64 · sequence u64 · acknowledged below varint · count varint, single ones varint* · operation
    case command = 1
    /// consistency u8 (0 linearizable, 1 sequential, 2 local) [· index varint · ordinal varint if 1] · time-out · query
    case query = 2
    /// Request id varint of an earlier query or subscription, which then ends with `noMatch` or `end`. Has no answer of
    /// its own.
    case cancel = 3
    /// Session u64: its client lives. Answered `done`, or `session-expired`.
    case keepAlive = 4
    /// space string · has template bool · template · has position bool · index varint · ordinal varint
    case subscribe = 5
    /// Empty. Answered by a `status` response.
    case status = 6
    /// An encoded `ClusterRequest`, of an operator: whose connection's key the server was told. Answered by an `outcome`, or a failure.
    case cluster = 7
    /// An encoded `MemberChange.add`: a server that waits to be added tells what it would be, and tells it again within seconds. Answered
    /// `done`, or with the reason why it cannot be added so.
    case join = 8
    /// A `SnapshotPieceRequest`, of an operator. Answered by a `snapshotPiece`, or a failure.
    case snapshotPiece = 9
}

/// One response within a `responses` frame: `id varint · kind u8 · index varint · ordinal varint · length varint ·
/// payload`. The two numbers are the position that the server had applied when it answered: reading at another server
/// at that position sees as much.
public enum ClientResponseKind: UInt8, Sendable {
    /// An encoded `Reply`; the request is over.
    case reply = 1
    /// Encoded events until the end of the payload (none: a heartbeat that moves the position on); more will come.
    case events = 2
    /// UTF-8 JSON of the server's view of the cluster, the same as `GET /v1/cluster`; the request is over.
    case status = 3
    /// A subscription is over, by `cancel`, or (payload: an encoded `Failure`) because it is too far behind.
    case end = 4
    /// An encoded `ClusterOutcome`; the request is over.
    case outcome = 5
    /// A `SnapshotPiece`; the request is over.
    case snapshotPiece = 6
}
