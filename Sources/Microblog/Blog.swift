import TupleSpace

/// The microblog over a tuplespace: posting, and timelines newest first. Holds nothing; every answer comes from the
/// store.
public struct Blog: Sendable {
    public static let space = "blog"

    private let store: any TupleStore

    public init(store: any TupleStore) { self.store = store }

    /// - key: with it, the same call again posts nothing more.
    /// - Throws: `PostProblem` if the post breaks a rule, else the store's `Failure`.
    public func post(
        user: String, topic: String, message: String, key: IdempotencyKey? = nil
    ) async throws -> WriteResult {
        try PostRules.check(user: user, topic: topic, message: message)
        return try await store.write(Post.tuple(user: user, topic: topic, message: message), to: Self.space, key: key)
    }

    /// At most `limit` posts, newest first.
    public func page(
        of timeline: Timeline, from cursor: TimelineCursor = .newest, limit: Int,
        consistency: Consistency = .linearizable
    ) async throws(Failure) -> TimelinePage {
        var page = Page(limit: limit, order: .newest)
        switch cursor {
        case .newest: break
        case .before(let id): page.before = id
        case .after(let id):
            // The posts next to the cursor, not the newest of all.
            page.order = .oldest
            page.after = id
        }
        let result = try await store.readAll(timeline.template, from: Self.space, page: page, consistency: consistency)
        let found = result.tuples.compactMap(Post.init)
        if case .after = cursor {
            // There is something older: at least the post that the cursor names.
            return TimelinePage(
                posts: found.reversed(), hasOlder: true, hasNewer: result.more, position: result.position)
        }
        return TimelinePage(
            posts: found, hasOlder: result.more, hasNewer: cursor != .newest, position: result.position)
    }

    /// Who and what was active in the newest `count` posts, most recent first.
    public func activity(inNewest count: Int, consistency: Consistency = .local) async throws(Failure) -> Activity {
        let page = try await page(of: .everyone, limit: count, consistency: consistency)
        return Activity(of: page.posts)
    }
}

/// Which posts.
public enum Timeline: Hashable, Sendable {
    case everyone
    case topic(String)
    case user(String)

    /// Tuples in the space that are not three strings do not match.
    public var template: Template {
        switch self {
        case .everyone: Template([.type(.string), .type(.string), .type(.string)])
        case .topic(let topic): Template([.type(.string), .literal(.string(topic)), .type(.string)])
        case .user(let user): Template([.literal(.string(user)), .type(.string), .type(.string)])
        }
    }
}

public enum TimelineCursor: Hashable, Sendable {
    case newest
    /// Older than this post.
    case before(TupleID)
    /// Newer than this post, and next to it.
    case after(TupleID)
}

public struct TimelinePage: Equatable, Sendable {
    /// Newest first.
    public var posts: [Post]
    public var hasOlder: Bool
    public var hasNewer: Bool
    /// Events behind this position are not in the page yet.
    public var position: Position

    public init(posts: [Post], hasOlder: Bool, hasNewer: Bool, position: Position) {
        self.posts = posts
        self.hasOlder = hasOlder
        self.hasNewer = hasNewer
        self.position = position
    }
}

/// Topics and users of some posts, each with how many of them are theirs; whoever posted last comes first.
public struct Activity: Equatable, Sendable {
    public struct Entry: Equatable, Sendable {
        public var name: String
        public var posts: Int
    }

    public var topics: [Entry]
    public var users: [Entry]

    /// - posts: newest first.
    public init(of posts: [Post]) {
        topics = Self.entries(posts.map(\.topic))
        users = Self.entries(posts.map(\.user))
    }

    private static func entries(_ names: [String]) -> [Entry] {
        var entries: [Entry] = []
        // Keyed by bytes, because names are: two spellings of one character are two names.
        var places: [[UInt8]: Int] = [:]
        for name in names {
            let key = Array(name.utf8)
            if let place = places[key] {
                entries[place].posts += 1
            } else {
                places[key] = entries.count
                entries.append(Entry(name: name, posts: 1))
            }
        }
        return entries
    }
}
