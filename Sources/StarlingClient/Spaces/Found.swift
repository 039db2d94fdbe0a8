import TupleSpace

/// A tuple that was found, and the id it has for ever.
public struct Found<Fields: Sendable>: Sendable {
    public let id: TupleID
    public let fields: Fields
}

/// Tuples that were found together, at one point of the one order.
public struct FoundPage<Fields: Sendable>: RandomAccessCollection, Sendable {
    private let tuples: [Found<Fields>]
    /// Those that match the template and yet have a field that is none of its types, as they are: a word that an enumeration does not
    /// know, a fraction in a range of ints. They are found, or taken, like the rest.
    public let others: [StoredTuple]
    /// Behind which tuple to ask on, with `after`; nil if these were all.
    public let next: TupleID?
    /// A point by which they had been found: events from here on tell what happened to them since.
    public let position: Position

    init(_ tuples: [Found<Fields>], others: [StoredTuple], next: TupleID?, position: Position) {
        self.tuples = tuples
        self.others = others
        self.next = next
        self.position = position
    }

    public var startIndex: Int { tuples.startIndex }
    public var endIndex: Int { tuples.endIndex }
    public subscript(index: Int) -> Found<Fields> { tuples[index] }
}

/// A taken tuple that is not yet yours for good. Nobody else sees it, until it is given back.
///
/// It goes back to its place by itself when the session that took it ends: when the process dies, or is cut off for longer than
/// `ClientSettings.sessionTimeout`.
public struct Held<Fields: Sendable>: Sendable {
    public let id: TupleID
    public let fields: Fields
    private let tuple: HeldTuple

    init(_ tuple: HeldTuple, fields: Fields) {
        id = tuple.stored.id
        self.fields = fields
        self.tuple = tuple
    }

    /// Makes the take final. Call it when the work is safely done.
    public func acknowledge() async { await tuple.acknowledge() }

    /// Puts the tuple back where it was.
    public func release() async { await tuple.release() }
}
