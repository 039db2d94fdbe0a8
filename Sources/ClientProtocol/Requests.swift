import ByteCoding
import TupleSpace

/// The payload of a `command` request.
public struct CommandRequest {
    /// As the client sent it; the caller is empty, for the server that knows it to fill in.
    public var header: CommandHeader
    /// An encoded `Operation` that nobody has looked at; it views the frame's memory.
    public var operation: UnsafeRawBufferPointer

    @inlinable
    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        let session = SessionID(try reader.readUInt64("session"))
        let sequence = try reader.readUInt64("sequence number")
        let below = try reader.readVarint("acknowledged number")
        let count = try reader.readCount(of: "acknowledged numbers")
        var single: [UInt64] = []
        if count > 0 {
            guard count <= Limits.sessionWindow else {
                throw MalformedBytes("\(count) acknowledged numbers exceed \(Limits.sessionWindow)", at: reader.offset)
            }
            single.reserveCapacity(count)
            for _ in 0..<count { single.append(try reader.readVarint("acknowledged number")) }
        }
        operation = try reader.readRaw(reader.remaining, "operation")
        header = CommandHeader(session: session, sequence: sequence, acknowledgedBelow: below, acknowledged: single)
    }
}

/// The payload of a `cancel` request: the id of another request of this connection.
public struct CancelRequest: Equatable, Sendable {
    public var id: UInt64

    public init(id: UInt64) { self.id = id }

    public func encode(into writer: inout ByteWriter) { writer.writeVarint(id) }

    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        id = try reader.readVarint("id of the request to cancel")
        try reader.requireEnd("cancel request")
    }
}

/// The payload of a `keepAlive` request.
public struct KeepAliveRequest: Equatable, Sendable {
    public var session: SessionID

    public init(session: SessionID) { self.session = session }

    public func encode(into writer: inout ByteWriter) { writer.write(session.rawValue) }

    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        session = SessionID(try reader.readUInt64("session"))
        try reader.requireEnd("keep-alive request")
    }
}
