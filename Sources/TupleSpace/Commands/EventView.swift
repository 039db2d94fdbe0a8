import ByteCoding

/// An event as its bytes in the ring, so that it is decoded only for those who want it. Not to be kept beyond the call that it is given to.
public struct EventView {
    public let position: Position
    public let kind: Event.Kind
    let id: UInt64
    let space: UnsafeRawBufferPointer
    let caller: UnsafeRawBufferPointer
    let tuple: UnsafeRawBufferPointer

    /// - bytes: an event that was encoded here, or checked when it was restored.
    init(_ bytes: UnsafeRawBufferPointer) {
        var scan = ByteScan(bytes)
        let index = scan.word()
        let ordinal = scan.half()
        position = Position(index: index, ordinal: ordinal)
        kind = Event.Kind(rawValue: scan.byte()) ?? .write
        id = scan.word()
        space = scan.prefixed()
        caller = scan.prefixed()
        tuple = scan.rest
    }

    /// Nil only if the ring's bytes were no event.
    public var event: Event? {
        var reader = ByteReader(tuple)
        guard let tuple = try? Tuple(from: &reader) else { return nil }
        return Event(
            position: position, kind: kind, space: String(decoding: space, as: UTF8.self),
            tuple: StoredTuple(id: TupleID(id), tuple: tuple), caller: String(decoding: caller, as: UTF8.self))
    }
}

/// What somebody wants of the events: those of the tuples of a space, or of such as match a template.
public struct EventFilter: Sendable {
    let space: [UInt8]
    let template: [UInt8]?

    public init(space: String, template: Template?) {
        self.space = Array(space.utf8)
        self.template = template.map { template in
            var writer = ByteWriter()
            template.encode(into: &writer)
            return writer.take()
        }
    }

    public func matches(_ event: EventView) -> Bool { matches(event.tuple, in: event.space) }

    func matches(_ tuple: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer) -> Bool {
        guard self.space.withUnsafeBytes({ $0.isSame(as: space) }) else { return false }
        return template?.withUnsafeBytes { EncodedTemplate.matches($0, tuple) } ?? true
    }
}
