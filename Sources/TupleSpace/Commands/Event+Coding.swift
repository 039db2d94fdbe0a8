import ByteCoding

extension Event {
    /// Index u64, ordinal u32, kind u8, id u64, space, caller, tuple.
    public func encode(into writer: inout ByteWriter) {
        position.encode(into: &writer)
        writer.write(kind.rawValue)
        writer.write(tuple.id.rawValue)
        writer.write(space)
        writer.write(caller)
        tuple.tuple.encode(into: &writer)
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let position = try Position(from: &reader)
        guard let kind = Kind(rawValue: try reader.readByte("kind of event")) else {
            throw MalformedBytes("unknown kind of event", at: start)
        }
        let id = TupleID(try reader.readUInt64("tuple id"))
        let space = try reader.readString("space")
        let caller = try reader.readString("caller")
        self.init(
            position: position, kind: kind, space: space,
            tuple: StoredTuple(id: id, tuple: try Tuple(from: &reader)), caller: caller)
    }
}
