/// Something that happened to a tuple, as subscribers see it.
public struct Event: Equatable, Sendable {
    public enum Kind: UInt8, Sendable {
        case write = 0
        case take
        /// A held tuple went back to its place: its session ended or released it.
        case giveBack
    }

    public var position: Position
    public var kind: Kind
    public var space: String
    public var tuple: StoredTuple
    /// Who did it; empty is anonymous.
    public var caller: String

    public init(position: Position, kind: Kind, space: String, tuple: StoredTuple, caller: String) {
        self.position = position
        self.kind = kind
        self.space = space
        self.tuple = tuple
        self.caller = caller
    }
}
