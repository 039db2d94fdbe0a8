import Microblog
import Testing
import TupleSpace

@Suite("A blog over a tuplespace")
struct BlogTests {
    private let store = InMemoryTupleStore()
    private var blog: Blog { Blog(store: store) }

    private func post(_ user: String, _ topic: String, _ message: String) async throws -> TupleID {
        try await blog.post(user: user, topic: topic, message: message).id
    }

    @Test("shows posts newest first: all, of a topic, of a user")
    func timelines() async throws {
        _ = try await post("alice", "tea", "1")
        _ = try await post("bob", "tea", "2")
        _ = try await post("alice", "rain", "3")
        #expect(try await blog.page(of: .everyone, limit: 10).posts.map(\.message) == ["3", "2", "1"])
        #expect(try await blog.page(of: .topic("tea"), limit: 10).posts.map(\.message) == ["2", "1"])
        #expect(try await blog.page(of: .user("alice"), limit: 10).posts.map(\.message) == ["3", "1"])
        #expect(try await blog.page(of: .topic("none"), limit: 10).posts.isEmpty)
    }

    @Test("pages back and forth without gap or repeat")
    func paging() async throws {
        for number in 1...7 { _ = try await post("alice", "n", String(number)) }
        let newest = try await blog.page(of: .everyone, limit: 3)
        #expect(newest.posts.map(\.message) == ["7", "6", "5"] && newest.hasOlder && !newest.hasNewer)
        let middle = try await blog.page(of: .everyone, from: .before(newest.posts[2].id), limit: 3)
        #expect(middle.posts.map(\.message) == ["4", "3", "2"] && middle.hasOlder && middle.hasNewer)
        let oldest = try await blog.page(of: .everyone, from: .before(middle.posts[2].id), limit: 3)
        #expect(oldest.posts.map(\.message) == ["1"] && !oldest.hasOlder && oldest.hasNewer)
        let back = try await blog.page(of: .everyone, from: .after(middle.posts[2].id), limit: 2)
        #expect(back.posts.map(\.message) == ["4", "3"] && back.hasOlder && back.hasNewer)
        let first = try await blog.page(of: .everyone, from: .after(middle.posts[0].id), limit: 3)
        #expect(first.posts.map(\.message) == ["7", "6", "5"] && !first.hasNewer)
    }

    @Test("passes over tuples that are no posts")
    func otherTuples() async throws {
        _ = try await post("alice", "tea", "1")
        for fields: [Value] in [
            [.int(1), .string("tea"), .string("x")], [.string("alice"), .string("tea")], [.null, .null, .null],
        ] {
            _ = try await store.write(Tuple(fields), to: Blog.space, key: nil)
        }
        #expect(try await blog.page(of: .everyone, limit: 10).posts.count == 1)
        #expect(try await blog.page(of: .topic("tea"), limit: 10).posts.count == 1)
        #expect(try await blog.activity(inNewest: 10).topics.map(\.name) == ["tea"])
    }

    @Test("posts what any program can read as a tuple, and shows what any program wrote")
    func rawTuples() async throws {
        let id = try await post("alice", "tea", "1")
        let found = try await store.read(
            Template([.literal(.string("alice")), .any, .any]), from: "blog", timeout: .none, consistency: .linearizable
        )
        #expect(found.tuple == StoredTuple(id: id, tuple: Tuple([.string("alice"), .string("tea"), .string("1")])))
        _ = try await store.write(Tuple([.string("no user name!"), .string(""), .string("raw")]), to: "blog", key: nil)
        #expect(try await blog.page(of: .everyone, limit: 1).posts.map(\.message) == ["raw"])
    }

    @Test("lists topics and users by who was last, with counts")
    func activity() async throws {
        _ = try await post("alice", "tea", "1")
        _ = try await post("bob", "rain", "2")
        _ = try await post("alice", "tea", "3")
        let activity = try await blog.activity(inNewest: 100)
        #expect(activity.topics.map(\.name) == ["tea", "rain"] && activity.topics.map(\.posts) == [2, 1])
        #expect(activity.users.map(\.name) == ["alice", "bob"])
        #expect(try await blog.activity(inNewest: 1).users.map(\.posts) == [1])
    }

    @Test("refuses a post that breaks a rule and writes nothing")
    func rules() async throws {
        await #expect(throws: PostProblem.self) { try await post("alice", "tea", "") }
        #expect(try await blog.page(of: .everyone, limit: 1).posts.isEmpty)
    }
}
