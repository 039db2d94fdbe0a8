import ByteCoding
import Raft
import TupleSpace

/// Everything one server's replica says to another's. The transport has checked the sender, the cluster and the addressee.
///
/// The first byte is the kind; docs/formats/peer-messages.md has the rest.
public enum PeerMessage: Sendable, Equatable {
    case raft(Message)
    /// Commands for the leader, each as it shall stand in a batch.
    case forward([[UInt8]])
    /// The leader did not take these commands: certainly not done by that forwarding.
    case refused([CommandKey])
    /// These sessions' clients live.
    case keepAlive([SessionID])
    case status(PeerStatus)
    case snapshotChunk(SnapshotChunk)
    /// The receiver of a snapshot has this much of it safely, or all of it.
    case snapshotProgress(index: LogIndex, nextOffset: UInt64, complete: Bool)
    /// For the leader. From feature level 2 on, like all that follow.
    case clusterQuestion(ClusterQuestion)
    case clusterAnswer(id: UInt64, ClusterOutcome)
    /// A chunk with a checksum of its own, which is right: a piece with a wrong one does not decode.
    case snapshotPiece(SnapshotChunk)
    /// The receiver of a snapshot has thrown away what it had of it, for this reason. A progress of 0 follows.
    case snapshotRefused(index: LogIndex, reason: String)

    private enum Kind: UInt8 {
        case raft = 1, forward, refused, keepAlive, status, snapshotChunk, snapshotProgress, clusterQuestion
        case clusterAnswer, snapshotPiece, snapshotRefused
    }

    /// A batch of commands is copied straight from the log entry; nothing else here is large or frequent.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .raft(let message):
            PeerMessage.encode(raft: message, into: &writer)
        case .forward(let commands):
            writer.write(Kind.forward.rawValue)
            writer.writeVarint(UInt64(commands.count))
            for command in commands { writer.writePrefixed(command) }
        case .refused(let keys):
            writer.write(Kind.refused.rawValue)
            writer.writeVarint(UInt64(keys.count))
            for key in keys {
                writer.write(key.session.rawValue)
                writer.write(key.sequence)
            }
        case .keepAlive(let sessions):
            writer.write(Kind.keepAlive.rawValue)
            writer.writeVarint(UInt64(sessions.count))
            for session in sessions { writer.write(session.rawValue) }
        case .status(let status):
            writer.write(Kind.status.rawValue)
            status.encode(into: &writer)
        case .snapshotChunk(let chunk):
            writer.write(Kind.snapshotChunk.rawValue)
            chunk.encode(into: &writer)
        case .snapshotPiece(let chunk):
            writer.write(Kind.snapshotPiece.rawValue)
            writer.write(chunk.checksum)
            chunk.encode(into: &writer)
        case .clusterQuestion(let question):
            writer.write(Kind.clusterQuestion.rawValue)
            question.encode(into: &writer)
        case .clusterAnswer(let id, let outcome):
            writer.write(Kind.clusterAnswer.rawValue)
            writer.write(id)
            outcome.encode(into: &writer)
        case .snapshotRefused(let index, let reason):
            writer.write(Kind.snapshotRefused.rawValue)
            writer.write(index.rawValue)
            writer.write(reason)
        case .snapshotProgress(let index, let nextOffset, let complete):
            writer.write(Kind.snapshotProgress.rawValue)
            writer.write(index.rawValue)
            writer.write(nextOffset)
            writer.write(complete)
        }
    }

    static func isForward(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.first == Kind.forward.rawValue }

    /// Walks the commands of a `forward` without copying them. All or none: nothing is handed out before all are known to be whole.
    static func commands(
        ofForward bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MalformedBytes) {
        for isCheck in [true, false] {
            var reader = ByteReader(bytes, from: 1)
            let count = try reader.readCount(of: "commands")
            for _ in 0..<count {
                let command = try reader.readPrefixed("command")
                if !isCheck { body(command) }
            }
            try reader.requireEnd("forwarded commands")
        }
    }

    static func encode(raft message: Message, into writer: inout ByteWriter) {
        writer.write(Kind.raft.rawValue)
        message.encode(into: &writer)
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.readByte("peer message kind")) else {
            throw MalformedBytes("unknown peer message kind \(bytes[0])", at: 0)
        }
        switch kind {
        case .raft:
            self = .raft(try Message(decoding: UnsafeRawBufferPointer(rebasing: bytes[1...])))
            return
        case .forward:
            let count = try reader.readCount(of: "commands")
            var commands: [[UInt8]] = []
            commands.reserveCapacity(count)
            for _ in 0..<count { commands.append(try reader.readPrefixedArray("command")) }
            self = .forward(commands)
        case .refused:
            let count = try reader.readCount(of: "commands", minimumBytes: 16)
            var keys: [CommandKey] = []
            for _ in 0..<count {
                let session = SessionID(try reader.readUInt64("session"))
                keys.append(CommandKey(session: session, sequence: try reader.readUInt64("sequence number")))
            }
            self = .refused(keys)
        case .keepAlive:
            let count = try reader.readCount(of: "sessions", minimumBytes: 8)
            var sessions: [SessionID] = []
            for _ in 0..<count { sessions.append(SessionID(try reader.readUInt64("session"))) }
            self = .keepAlive(sessions)
        case .status:
            self = .status(try PeerStatus(from: &reader))
        case .snapshotChunk:
            self = .snapshotChunk(try SnapshotChunk(from: &reader))
        case .snapshotPiece:
            let checksum = try reader.readUInt32("checksum")
            let chunk = try SnapshotChunk(from: &reader)
            guard chunk.checksum == checksum else {
                throw MalformedBytes(
                    "a piece of the snapshot at log index \(chunk.index), offset \(chunk.offset): its checksum is wrong",
                    at: reader.offset)
            }
            self = .snapshotPiece(chunk)
        case .clusterQuestion: self = .clusterQuestion(try ClusterQuestion(from: &reader))
        case .clusterAnswer:
            let id = try reader.readUInt64("request id")
            self = .clusterAnswer(id: id, try ClusterOutcome(from: &reader))
        case .snapshotRefused:
            let index = LogIndex(try reader.readUInt64("snapshot index"))
            self = .snapshotRefused(index: index, reason: try reader.readString("reason"))
        case .snapshotProgress:
            let index = LogIndex(try reader.readUInt64("snapshot index"))
            let next = try reader.readUInt64("snapshot offset")
            self = .snapshotProgress(index: index, nextOffset: next, complete: try reader.readBool("complete"))
        }
        try reader.requireEnd("peer message")
    }
}

/// Names one command in the whole cluster, for ever.
public struct CommandKey: Hashable, Sendable {
    public var session: SessionID
    public var sequence: UInt64

    public init(session: SessionID, sequence: UInt64) {
        self.session = session
        self.sequence = sequence
    }
}

/// A piece of a snapshot file on its way to a server that is too far behind for the log.
public struct SnapshotChunk: Sendable, Equatable {
    public var index: LogIndex
    public var term: Term
    public var offset: UInt64
    /// Length of the whole file.
    public var total: UInt64
    public var bytes: [UInt8]

    public init(index: LogIndex, term: Term, offset: UInt64, total: UInt64, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.offset = offset
        self.total = total
        self.bytes = bytes
    }

    func encode(into writer: inout ByteWriter) {
        for number in [index.rawValue, term.rawValue, offset, total] { writer.write(number) }
        writer.writePrefixed(bytes)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        index = LogIndex(try reader.readUInt64("snapshot index"))
        term = Term(try reader.readUInt64("snapshot term"))
        offset = try reader.readUInt64("snapshot offset")
        total = try reader.readUInt64("snapshot length")
        bytes = try reader.readPrefixedArray("snapshot chunk")
        guard offset <= total, UInt64(bytes.count) <= total - offset else {
            throw MalformedBytes(
                "a piece of \(bytes.count) bytes at offset \(offset) of a snapshot of \(total)", at: reader.offset)
        }
    }

    /// CRC-32C of the four numbers, little-endian, and the bytes: what it is and where it belongs.
    var checksum: UInt32 {
        var writer = ByteWriter()
        for number in [index.rawValue, term.rawValue, offset, total] { writer.write(number) }
        return crc32c(bytes, continuing: crc32c(writer.bytes))
    }
}

/// What servers tell one another a few times a second, so that each can show the whole cluster, measure round trips and notice
/// that a replica has diverged.
public struct PeerStatus: Sendable, Equatable {
    public var role: Role
    public var term: Term
    public var commit: LogIndex
    public var applied: LogIndex
    public var last: LogIndex
    /// Applied index and state digest at the last checkpoint, see `DigestHistory`.
    public var checkpoint: LogIndex
    public var digest: UInt64
    /// The sender's clock now, and, to be measured by the addressee, the addressee's clock in its own last status plus how long ago (ns)
    /// that arrived.
    public var sentAt: UInt64
    public var echo: UInt64
    public var echoHeld: UInt64
    public var version: String

    public init(
        role: Role, term: Term, commit: LogIndex, applied: LogIndex, last: LogIndex, checkpoint: LogIndex,
        digest: UInt64,
        sentAt: UInt64, echo: UInt64, echoHeld: UInt64, version: String
    ) {
        self.role = role
        self.term = term
        self.commit = commit
        self.applied = applied
        self.last = last
        self.checkpoint = checkpoint
        self.digest = digest
        self.sentAt = sentAt
        self.echo = echo
        self.echoHeld = echoHeld
        self.version = version
    }

    private static let roles: [Role] = [.follower, .preCandidate, .candidate, .leader]

    func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(PeerStatus.roles.firstIndex(of: role) ?? 0))
        for number in [
            term.rawValue, commit.rawValue, applied.rawValue, last.rawValue, checkpoint.rawValue, digest, sentAt, echo,
            echoHeld,
        ] {
            writer.write(number)
        }
        writer.write(version)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let code = Int(try reader.readByte("role"))
        guard PeerStatus.roles.indices.contains(code) else {
            throw MalformedBytes("role \(code)", at: reader.offset - 1)
        }
        role = PeerStatus.roles[code]
        term = Term(try reader.readUInt64("term"))
        commit = LogIndex(try reader.readUInt64("commit index"))
        applied = LogIndex(try reader.readUInt64("applied index"))
        last = LogIndex(try reader.readUInt64("last index"))
        checkpoint = LogIndex(try reader.readUInt64("checkpoint"))
        digest = try reader.readUInt64("digest")
        sentAt = try reader.readUInt64("clock")
        echo = try reader.readUInt64("clock")
        echoHeld = try reader.readUInt64("clock")
        version = try reader.readString("version")
    }
}
