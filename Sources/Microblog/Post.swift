import TupleSpace

/// A tuple `(user, topic, message)` in the space `blog`. Its id is the tuple's, and tells the time.
public struct Post: Hashable, Sendable, Identifiable {
    public var id: TupleID
    public var user: String
    public var topic: String
    public var message: String

    public init(id: TupleID, user: String, topic: String, message: String) {
        self.id = id
        self.user = user
        self.topic = topic
        self.message = message
    }

    /// Nil if the tuple is not three strings: any program may write to the space, and what is no post is none of ours.
    public init?(_ stored: StoredTuple) {
        let fields = stored.tuple.fields
        guard fields.count == 3, case .string(let user) = fields[0], case .string(let topic) = fields[1],
            case .string(let message) = fields[2]
        else { return nil }
        self.init(id: stored.id, user: user, topic: topic, message: message)
    }

    public static func tuple(user: String, topic: String, message: String) -> Tuple {
        Tuple([.string(user), .string(topic), .string(message)])
    }
}
