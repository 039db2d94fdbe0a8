import ByteCoding
import TupleSpace

/// Builds frames in memory that is used again and again: nothing is allocated for an item.
///
/// A frame is begun by one of the `begin` functions; items are appended behind each other; the bytes are sent from
/// `bytes`, and the next `begin` forgets them.
public struct ClientFrameWriter: Sendable {
    @usableFromInline var writer: ByteWriter
    /// Requests or responses in the frame.
    @inlinable public var itemCount: Int { items }
    @usableFromInline var items = 0

    public init(reserving capacity: Int = 4_096) {
        writer = ByteWriter(reserving: capacity)
    }

    /// The frame so far.
    @inlinable public var bytes: [UInt8] { writer.bytes }
    @inlinable public var byteCount: Int { writer.count }
    @inlinable public var isEmpty: Bool { items == 0 }
    /// True when the next item should go into another frame.
    @inlinable public var isFull: Bool { writer.count >= FrameLimits.gatheredBytes }

    // MARK: Frames

    public mutating func beginRequests() { begin(.requests) }
    public mutating func beginResponses() { begin(.responses) }

    /// A whole `ping`; the server sends the number back.
    public mutating func makePing(_ number: UInt64) {
        begin(.ping)
        writer.write(number)
    }

    /// A whole `pong`.
    public mutating func makePong(_ number: UInt64) {
        begin(.pong)
        writer.write(number)
    }

    /// A whole `hello`.
    public mutating func make(_ hello: Hello) {
        begin(.hello)
        hello.encode(into: &writer)
    }

    /// A whole `welcome`.
    public mutating func make(_ welcome: Welcome) {
        begin(.welcome)
        welcome.encode(into: &writer)
    }

    /// A whole `refused`.
    public mutating func makeRefusal(_ failure: Failure) {
        begin(.refused)
        failure.encode(into: &writer)
    }

    private mutating func begin(_ kind: ClientFrameKind) {
        writer.reset()
        items = 0
        writer.write(kind.rawValue)
    }

    // MARK: Requests

    /// A request whose payload stands already.
    @inlinable
    public mutating func appendRequest(id: UInt64, kind: ClientRequestKind, payload: UnsafeRawBufferPointer) {
        appendRequest(id: id, kind: kind) { $0.write(raw: payload) }
    }

    /// A request whose payload is written in place.
    @inlinable
    public mutating func appendRequest(id: UInt64, kind: ClientRequestKind, _ payload: (inout ByteWriter) -> Void) {
        appendItem { writer in
            writer.writeVarint(id)
            writer.write(kind.rawValue)
        } payload: {
            payload(&$0)
        }
    }

    /// A command from its parts; `operation` is an encoded `Operation`.
    @inlinable
    public mutating func appendCommand(
        id: UInt64, session: SessionID, sequence: UInt64, acknowledgedBelow: UInt64, acknowledged: [UInt64],
        operation: UnsafeRawBufferPointer
    ) {
        appendRequest(id: id, kind: .command) { writer in
            writer.write(session.rawValue)
            writer.write(sequence)
            writer.writeVarint(acknowledgedBelow)
            writer.writeVarint(UInt64(acknowledged.count))
            for single in acknowledged { writer.writeVarint(single) }
            writer.write(raw: operation)
        }
    }

    // MARK: Responses

    /// A response whose payload stands already.
    @inlinable
    public mutating func appendResponse(
        id: UInt64, kind: ClientResponseKind, position: Position, payload: UnsafeRawBufferPointer
    ) {
        appendResponse(id: id, kind: kind, position: position) { $0.write(raw: payload) }
    }

    /// A response whose payload is written in place.
    @inlinable
    public mutating func appendResponse(
        id: UInt64, kind: ClientResponseKind, position: Position, _ payload: (inout ByteWriter) -> Void
    ) {
        appendItem { writer in
            writer.writeVarint(id)
            writer.write(kind.rawValue)
            writer.writeVarint(position.index)
            writer.writeVarint(UInt64(position.ordinal))
        } payload: {
            payload(&$0)
        }
    }

    // MARK: Items

    /// Writes what stands before the length, the length, and the payload. The length is known last and stands first, so
    /// it has a fixed width: a varint of four bytes, longer than needed, as varints may be.
    @inlinable
    mutating func appendItem(_ head: (inout ByteWriter) -> Void, payload: (inout ByteWriter) -> Void) {
        head(&writer)
        let lengthAt = writer.count
        writer.write(UInt32(0))
        payload(&writer)
        let length = writer.count - lengthAt - 4
        precondition(length < 1 << 28, "a payload is below 256 MiB, far above every limit")
        writer.patch(Self.fourByteVarint(UInt32(length)), at: lengthAt)
        items += 1
    }

    /// Seven bits a byte, the lowest first, all but the last with the mark "goes on".
    @inlinable
    static func fourByteVarint(_ value: UInt32) -> UInt32 {
        let groups = value & 0x7F | (value << 1) & 0x7F00 | (value << 2) & 0x7F_0000 | (value << 3) & 0x7F00_0000
        return groups | 0x0080_8080
    }
}
