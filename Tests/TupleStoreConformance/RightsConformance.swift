import TupleSpace

/// What every tuplespace does that many use with rights of their own: one suite for each door that knows by a token who somebody is.
public struct RightsConformance: Sendable {
    public typealias Violation = TupleStoreConformance.Violation

    public struct Check: Sendable, CustomStringConvertible {
        public var name: String
        fileprivate var body: @Sendable (Run) async throws -> Void

        public var description: String { name }
    }

    private let suite: TupleStoreConformance
    private let prefix: String
    private let admin: any TupleStore
    private let digest: @Sendable (String) -> TokenDigest
    private let showing: @Sendable (String?) async throws -> any TupleStore

    /// - admin: an operator's view.
    /// - digest: of a token.
    /// - showing: the view of whoever shows a token, or none. It may be asked for again.
    public init(
        spacePrefix: String = "rights", admin: any TupleStore, digest: @escaping @Sendable (String) -> TokenDigest,
        showing: @escaping @Sendable (String?) async throws -> any TupleStore
    ) {
        suite = TupleStoreConformance { admin }
        prefix = spacePrefix
        self.admin = admin
        self.digest = digest
        self.showing = showing
    }

    /// One after the other on one store: the last sets the policy of all spaces for a moment.
    public static let checks: [Check] = [
        Check(name: "a token that the cluster does not know gives nothing") { run in
            let stranger = try await run.showing("nobody knows this")
            try await run.expectFailure(.unknownToken) { try await run.write(["x"], as: stranger) }
            try await run.expectFailure(.unknownToken) { _ = try await run.read(as: stranger) }
            try await run.expectFailure(.unknownToken) { _ = try await run.take(as: stranger) }
            try await run.expectFailure(.unknownToken) { _ = try await stranger.spaces() }
            try await run.expectFailure(.unknownToken) {
                for try await _ in try await stranger.events(matching: nil, in: run.space, after: nil) {
                    return
                }
            }
        },
        Check(name: "only admins say who may do what") { run in
            let alice = try await run.user("alice")
            let root = try await run.user("root", roles: [TokenRecord.adminRole])
            let nobody = try await run.showing(nil)
            for store in [alice, nobody] {
                try await run.expectFailure(.notAllowed) { _ = try await store.setPolicy(Policy(), of: run.space) }
                try await run.expectFailure(.notAllowed) { _ = try await store.setPolicy(Policy(), of: nil) }
                try await run.expectFailure(.notAllowed) { _ = try await store.policy(of: run.space) }
                try await run.expectFailure(.notAllowed) { _ = try await store.tokens() }
                try await run.expectFailure(.notAllowed) {
                    _ = try await store.setToken(TokenRecord(digest: run.digest("own"), user: "root"))
                }
                try await run.expectFailure(.notAllowed) { _ = try await store.removeToken(run.digest("alice")) }
            }
            let policy = Policy(write: .signedIn, administer: Rule([[.user(run.name("alice"))]]))
            _ = try await root.setPolicy(policy, of: run.space)
            try run.require(try await root.policy(of: run.space).policy == policy, "the policy is another")
            let listed = try await root.tokens().tokens.filter { $0.user == run.name("alice") }
            try run.require(listed.map(\.digest) == [run.digest("alice")], "the tokens of alice are \(listed)")
            // Now she may, in this space.
            _ = try await alice.setPolicy(nil, of: run.space)
            try run.require(try await root.policy(of: run.space).policy == nil, "the policy is still there")
        },
        Check(name: "who may write depends on the tuple and on who writes it") { run in
            let (alice, bob) = (try await run.user("alice"), try await run.user("bob"))
            let nobody = try await run.showing(nil)
            try await run.set(Policy(write: Rule([[.fieldIsCaller(0)]])))
            try await run.write([run.name("alice")], as: alice)
            try await run.expectFailure(.notAllowed) { try await run.write([run.name("alice")], as: bob) }
            try await run.expectFailure(.notAllowed) { try await run.write([run.name("alice")], as: nobody) }
            try await run.expectFailure(.notAllowed) { try await run.write(["x"], as: bob) }
            try await run.expectCount(1, as: nobody)
        },
        Check(name: "who may not read a tuple does not see it, by whatever they ask") { run in
            let (alice, bob) = (try await run.user("alice"), try await run.user("bob"))
            try await run.set(Policy(read: Rule([[.fieldIsCaller(0)]])))
            let events = try await bob.events(matching: nil, in: run.space, after: nil)
            async let read = bob.read(
                run.any, from: run.space, timeout: .milliseconds(30_000), consistency: .linearizable)
            async let taken = run.take(as: bob, timeout: .milliseconds(30_000))
            try await run.write([run.name("alice")], as: alice)
            try await run.expectCount(1, as: alice)
            try await run.expectCount(0, as: bob)
            try run.require(try await run.read(as: bob) == nil, "bob reads what is alice's")
            try run.require(try await run.take(as: bob) == nil, "bob takes what is alice's")
            let page = try await bob.readAll(run.any, from: run.space, page: Page(limit: 9))
            try run.require(page.tuples.isEmpty, "bob lists what is alice's")
            let all = try await bob.takeAll(run.any, from: run.space, page: Page(limit: 9))
            try run.require(all.tuples.isEmpty, "bob takes all, what is alice's too")
            // What is his comes to all that waited.
            try await run.write([run.name("bob")], as: bob)
            try run.require(try await read.tuple?.tuple == run.tuple(run.name("bob")), "bob's read saw another tuple")
            try run.require(try await taken == run.tuple(run.name("bob")), "bob's take got another tuple")
            let first = try await run.events(1, from: events).first?.tuple.tuple
            try run.require(first == run.tuple(run.name("bob")), "bob's first event is of another tuple")
            try await run.expectCount(1, as: alice)
        },
        Check(name: "who may see nothing is told so, in mid-stream too") { run in
            let (alice, bob) = (try await run.user("alice"), try await run.user("bob"))
            let events = try await bob.events(matching: nil, in: run.space, after: nil)
            async let waiting = bob.read(
                run.any, from: run.space, timeout: .milliseconds(30_000), consistency: .linearizable)
            try await run.set(Policy(read: Rule([[.user(run.name("alice"))]])))
            try await run.expectFailure(.notAllowed) { _ = try await run.read(as: bob) }
            try await run.expectFailure(.notAllowed) { _ = try await run.take(as: bob) }
            try await run.expectFailure(.notAllowed) { _ = try await bob.count(run.any, in: run.space) }
            try await run.write(["x"], as: alice)
            try await run.expectFailure(.notAllowed) { for try await batch in events { try run.requireEmpty(batch) } }
            do {
                let found = try await waiting.tuple
                throw Violation(description: "the read that waited found \(String(describing: found))")
            } catch let failure as Failure {
                try run.require(failure.code == .notAllowed, "the read that waited failed by \(failure)")
            }
        },
        Check(name: "a right may be a tuple, which somebody takes back") { run in
            let bob = try await run.user("bob")
            let rights = run.space + " rights"
            try await run.set(
                Policy(write: Rule([[.exists(space: rights, [.value(.string("post")), .field(1), .caller])]])))
            try await run.expectFailure(.notAllowed) { try await run.write(["x", "topic"], as: bob) }
            let right = Tuple([.string("post"), .string("topic"), .string(run.name("bob"))])
            let id = try await run.admin.write(right, to: rights, key: nil).id
            try await run.write(["x", "topic"], as: bob)
            try await run.expectFailure(.notAllowed) { try await run.write(["x", "other"], as: bob) }
            try run.require(try await run.admin.take(id, from: rights).tuple != nil, "the right is not there")
            try await run.expectFailure(.notAllowed) { try await run.write(["x", "topic"], as: bob) }
        },
        Check(name: "a token that is taken back is worth nothing, for those who wait too") { run in
            let carol = try await run.user("carol")
            let events = try await carol.events(matching: nil, in: run.space, after: nil)
            async let waiting = run.take(as: carol, timeout: .milliseconds(30_000))
            try await run.write(["ping"], as: run.admin)
            try run.require(try await waiting != nil, "carol got nothing")
            async let late = run.take(as: carol, timeout: .milliseconds(30_000))
            try run.require(try await run.admin.removeToken(run.digest("carol")).wasThere, "there is no such token")
            try run.require(try await !run.admin.removeToken(run.digest("carol")).wasThere, "it is still there")
            try await run.expectFailure(.unknownToken) { try await run.write(["x"], as: carol) }
            try await run.write(["pong"], as: run.admin)
            do {
                let got = try await late
                throw Violation(description: "a take by a dead token got \(String(describing: got))")
            } catch let failure as Failure {
                try run.require(failure.code == .unknownToken, "the take that waited failed by \(failure)")
            }
            try await run.expectCount(1, as: run.admin)
            try await run.expectFailure(.unknownToken) {
                for try await batch in events
                where batch.events.contains(where: { $0.tuple.tuple == run.tuple("pong") }) {
                    throw Violation(description: "a subscriber with a dead token saw what came after it")
                }
            }
        },
        Check(name: "requests under one key are as many as there are callers") { run in
            let (alice, bob) = (try await run.user("alice"), try await run.user("bob"))
            let key = IdempotencyKey(key: run.space, digest: [1])
            let first = try await alice.write(run.tuple("x"), to: run.space, key: key).id
            let again = try await alice.write(run.tuple("x"), to: run.space, key: key).id
            let other = try await bob.write(run.tuple("x"), to: run.space, key: key).id
            try run.require(first == again && first != other, "\(first), \(again) and \(other) were written")
        },
        Check(name: "a reservation is whose it is") { run in
            let (alice, bob) = (try await run.user("alice"), try await run.user("bob"))
            try await run.write(["job"], as: alice)
            guard let reserved = try await alice.reserve(run.any, from: run.space, for: 600_000).reserved else {
                throw Violation(description: "there was nothing to reserve")
            }
            try await run.expectFailure(.notAllowed) { _ = try await bob.complete(reserved.reservation) }
            try await run.expectFailure(.notAllowed) { _ = try await bob.release(reserved.reservation) }
            try run.require(try await alice.complete(reserved.reservation).isThere, "the reservation is over")
        },
        Check(name: "events name who did it") { run in
            let alice = try await run.user("alice")
            let events = try await alice.events(matching: nil, in: run.space, after: nil)
            try await run.write(["x"], as: alice)
            let caller = try await run.events(1, from: events).first?.caller
            try run.require(caller == run.name("alice"), "it was \(caller ?? "nobody")")
        },
        Check(name: "spaces without a policy follow the one of all, and then admins alone may list them") { run in
            let bob = try await run.user("bob")
            try await run.write(["x"], as: bob)
            let known = try await run.admin.spaces(after: String(run.space.dropLast())).spaces.first
            try run.require(
                known?.name == run.space && known?.tuples == 1, "the space is listed as \(String(describing: known))")
            _ = try await run.admin.setPolicy(Policy(write: .nobody), of: nil)
            do {
                try await run.expectFailure(.notAllowed) { try await run.write(["y"], as: bob) }
                try await run.expectFailure(.notAllowed) { _ = try await bob.spaces() }
                try run.require(try await run.admin.policy(of: nil).policy?.write == .nobody, "it is another policy")
                try await run.set(Policy())
                try await run.write(["y"], as: bob)
            } catch {
                _ = try await run.admin.setPolicy(nil, of: nil)
                throw error
            }
            _ = try await run.admin.setPolicy(nil, of: nil)
        },
    ]

    /// - Throws: a `Violation`, or what the store threw.
    public func run(_ check: Check) async throws {
        let space = String("\(prefix) \(check.name)".prefix(100))
        try await check.body(
            Run(suite: suite, space: space, admin: admin, tokenDigest: digest, showingToken: showing))
    }

    /// One check, in its own space and with its own users.
    fileprivate struct Run: Sendable {
        let suite: TupleStoreConformance
        let space: String
        let admin: any TupleStore
        let tokenDigest: @Sendable (String) -> TokenDigest
        let showingToken: @Sendable (String?) async throws -> any TupleStore
        let any = Template([.any])

        func tuple(_ fields: String...) -> Tuple { Tuple(fields.map { .string($0) }) }
        func name(_ user: String) -> String { "\(user) of \(space)" }
        private func token(_ name: String) -> String { "\(space)/\(name)" }
        func digest(_ name: String) -> TokenDigest { tokenDigest(token(name)) }

        func showing(_ name: String?) async throws -> any TupleStore { try await showingToken(name.map(token)) }

        /// Somebody whose token is known.
        func user(_ name: String, roles: [String] = []) async throws -> any TupleStore {
            _ = try await admin.setToken(TokenRecord(digest: digest(name), user: self.name(name), roles: roles))
            let store = try await showing(name)
            // Whatever server that speaks with knows the token now.
            _ = try await count(as: store)
            return store
        }

        func set(_ policy: Policy) async throws { _ = try await admin.setPolicy(policy, of: space) }

        func write(_ fields: [String], as store: any TupleStore) async throws {
            _ = try await store.write(Tuple(fields.map { .string($0) }), to: space, key: nil)
        }
        func read(as store: any TupleStore) async throws -> StoredTuple? {
            try await store.read(any, from: space, timeout: .none, consistency: .linearizable).tuple
        }
        func take(as store: any TupleStore, timeout: Timeout = .none) async throws -> Tuple? {
            try await suite.takeForGood(any, space, store, timeout: timeout)?.tuple
        }
        func count(as store: any TupleStore) async throws -> UInt64 {
            try await store.count(any, in: space, consistency: .linearizable).count
        }
        func expectCount(_ expected: UInt64, as store: any TupleStore) async throws {
            try suite.require(try await count(as: store), equals: expected, "the count")
        }
        func expectFailure(_ code: Failure.Code, _ body: () async throws -> Void) async throws {
            try await suite.expectFailure(code, body)
        }
        func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
            try suite.require(condition, sentence())
        }
        func requireEmpty(_ batch: EventBatch) throws {
            try suite.require(batch.events.isEmpty, "events came that nobody there may see")
        }
        func events(_ count: Int, from stream: EventStream) async throws -> [Event] {
            try await suite.events(count, from: stream)
        }
    }
}
