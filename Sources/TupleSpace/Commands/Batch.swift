import ByteCoding

/// Builds the payload of one log entry: the leader's two clocks, then whole commands.
///
///     version u8 = 1 · lease time u64 ms · wall stamp u64 ms · { length u32 · command }*
///     command: session u64 · sequence u64 · acknowledged below varint · count varint, single ones varint* · caller string · operation
public struct BatchWriter: Sendable {
    public private(set) var commandCount = 0
    private var writer = ByteWriter()

    public init() { begin() }

    public var byteCount: Int { writer.count }
    public var isEmpty: Bool { commandCount == 0 }

    private mutating func begin() {
        commandCount = 0
        writer.write(UInt8(1))
        writer.write(UInt64(0))
        writer.write(UInt64(0))
    }

    /// A command as `encodeCommand` made it, or as it came from another server.
    public mutating func append(command: UnsafeRawBufferPointer) {
        writer.write(UInt32(command.count))
        writer.write(raw: command)
        commandCount += 1
    }

    /// A header of ours and a client's operation bytes, without building either first.
    public mutating func append(_ header: CommandHeader, operation: UnsafeRawBufferPointer) {
        let lengthAt = writer.count
        writer.write(UInt32(0))
        header.encode(into: &writer)
        writer.write(raw: operation)
        writer.patch(UInt32(writer.count - lengthAt - 4), at: lengthAt)
        commandCount += 1
    }

    /// Stamps the batch, hands it over and begins the next.
    public mutating func finish(leaseTime: UInt64, wallStamp: UInt64) -> [UInt8] {
        withUnsafeBytes(of: leaseTime.littleEndian) { for i in 0..<8 { writer.bytes[1 + i] = $0[i] } }
        withUnsafeBytes(of: wallStamp.littleEndian) { for i in 0..<8 { writer.bytes[9 + i] = $0[i] } }
        let capacity = writer.count
        let bytes = writer.take()
        writer = ByteWriter(reserving: min(capacity, 1 << 20))
        begin()
        return bytes
    }
}

extension CommandHeader {
    public func encode(into writer: inout ByteWriter) {
        writer.write(session.rawValue)
        writer.write(sequence)
        writer.writeVarint(acknowledgedBelow)
        writer.writeVarint(UInt64(acknowledged.count))
        for sequence in acknowledged { writer.writeVarint(sequence) }
        writer.write(caller)
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let session = SessionID(try reader.readUInt64("session"))
        let sequence = try reader.readUInt64("sequence number")
        let below = try reader.readVarint("acknowledged number")
        let count = try reader.readCount(of: "acknowledged numbers")
        var single: [UInt64] = []
        for _ in 0..<count { single.append(try reader.readVarint("acknowledged number")) }
        let caller = try reader.readString("caller")
        self.init(
            session: session, sequence: sequence, acknowledgedBelow: below, acknowledged: single, caller: caller)
    }
}
