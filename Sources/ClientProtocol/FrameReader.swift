import ByteCoding
import TupleSpace

/// One request of a `requests` frame. The payload views the frame's memory.
public struct ClientRequest {
    public var id: UInt64
    /// Nil: a kind that this version does not know. Answer `unsupported`; the requests behind it can still be read.
    public var kind: ClientRequestKind?
    public var payload: UnsafeRawBufferPointer

    @inlinable
    public init(id: UInt64, kind: ClientRequestKind?, payload: UnsafeRawBufferPointer) {
        self.id = id
        self.kind = kind
        self.payload = payload
    }
}

/// One response of a `responses` frame. The payload views the frame's memory.
public struct ClientResponse {
    public var id: UInt64
    /// Nil: a kind that this version does not know.
    public var kind: ClientResponseKind?
    public var position: Position
    public var payload: UnsafeRawBufferPointer

    @inlinable
    public init(id: UInt64, kind: ClientResponseKind?, position: Position, payload: UnsafeRawBufferPointer) {
        self.id = id
        self.kind = kind
        self.position = position
        self.payload = payload
    }
}

/// Reads a frame that came from anybody: every bound is checked, and rubbish is an error, never a trap.
///
/// Views the frame's memory and must not outlive it.
public struct ClientFrameReader {
    public let kind: ClientFrameKind
    /// Behind what has been read.
    public var reader: ByteReader

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard frame.count <= FrameLimits.frameBytes else {
            throw MalformedBytes("frame of \(frame.count) bytes exceeds \(FrameLimits.frameBytes)", at: 0)
        }
        reader = ByteReader(frame)
        let raw = try reader.readByte("frame kind")
        guard let kind = ClientFrameKind(rawValue: raw) else {
            throw MalformedBytes("frame kind \(raw) is unknown", at: 0)
        }
        self.kind = kind
    }

    /// The number of a `ping` or `pong`.
    public mutating func readPingNumber() throws(MalformedBytes) -> UInt64 {
        let number = try reader.readUInt64("ping number")
        try reader.requireEnd("ping")
        return number
    }

    /// The failure of a `refused` frame.
    public mutating func readRefusal() throws(MalformedBytes) -> Failure {
        let failure = try Failure(from: &reader)
        try reader.requireEnd("refusal")
        return failure
    }

    /// - Returns: nil at the end of the frame.
    @inlinable
    public mutating func nextRequest() throws(MalformedBytes) -> ClientRequest? {
        guard !reader.isAtEnd else { return nil }
        let id = try reader.readVarint("request id")
        let kind = ClientRequestKind(rawValue: try reader.readByte("request kind"))
        return ClientRequest(id: id, kind: kind, payload: try reader.readPrefixed("request payload"))
    }

    /// - Returns: nil at the end of the frame.
    @inlinable
    public mutating func nextResponse() throws(MalformedBytes) -> ClientResponse? {
        guard !reader.isAtEnd else { return nil }
        let id = try reader.readVarint("response id")
        let kind = ClientResponseKind(rawValue: try reader.readByte("response kind"))
        let position = try Position(fromVarints: &reader)
        return ClientResponse(
            id: id, kind: kind, position: position, payload: try reader.readPrefixed("response payload"))
    }
}

extension Position {
    /// index varint · ordinal varint
    @usableFromInline
    init(fromVarints reader: inout ByteReader) throws(MalformedBytes) {
        let index = try reader.readVarint("position index")
        let start = reader.offset
        guard let ordinal = UInt32(exactly: try reader.readVarint("position ordinal")) else {
            throw MalformedBytes("position ordinal exceeds 32 bits", at: start)
        }
        self.init(index: index, ordinal: ordinal)
    }
}
