import Recipes
import StarlingClient
import Synchronization
import Testing
import TupleSpace

/// What each recipe of Examples/recipes promises: in memory, and on three servers whose leader is stopped without a word in the midst of it.
@Suite("The recipes", .serialized)
struct RecipesTests {
    enum Place: String, CaseIterable {
        case memory, cluster
    }

    /// - body: gets a store, and what stops the leader and starts it again.
    private func play(
        at place: Place, _ body: (any TupleStore, @escaping @Sendable () async throws -> Void) async throws -> Void
    ) async throws {
        guard place == .cluster else { return try await body(InMemoryTupleStore(), {}) }
        try await withCluster(3) { cluster in
            let client = try cluster.client { $0.operationTimeout = 30_000 }
            try await body(client) {
                let leader = try await cluster.leader()
                try await cluster.stop(leader, handsOver: false)
                try await cluster.start(leader)
            }
            await client.close()
        }
    }

    private struct Dies: Error {}

    /// What several tasks of a test change.
    private final class Shared<Value: Sendable>: Sendable {
        private let value: Mutex<Value>

        init(_ value: Value) { self.value = Mutex(value) }

        func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
    }

    @Test("The work queue has one result for each job, though workers and a leader die", arguments: Place.allCases)
    func workQueue(place: Place) async throws {
        try await play(at: place) { store, fault in
            let queue = WorkQueue(in: store, named: "q")
            var ids: [String] = []
            for number in 0..<40 { ids.append(try await queue.add("job \(number)")) }
            let deaths = Shared(0)
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var rounds = 0
                        while true {
                            rounds += 1
                            do {
                                // One in five hangs for longer than its reservation, one in five gives up.
                                let hangs = worker == 0 && rounds % 5 == 0
                                let goesOn = try await queue.workOnce(
                                    waiting: .seconds(2), reserving: hangs ? 100 : 30_000
                                ) { job in
                                    if hangs { try await Task.sleep(for: .milliseconds(300)) }
                                    if worker == 1, rounds % 5 == 0 {
                                        deaths.withLock { $0 += 1 }
                                        throw Dies()
                                    }
                                    return "done: \(job)"
                                }
                                if !goesOn, try await queue.counts().waiting == 0 { return }
                            } catch is Dies {
                                continue
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await trouble
            for (number, id) in ids.enumerated() {
                #expect(try await queue.result(of: id, waiting: .none) == "done: job \(number)")
            }
            let counts = try await queue.counts()
            #expect(counts.waiting == 0 && counts.done == 40, "\(counts)")
        }
    }

    @Test(
        "Fences ascend, nobody has the lock beside another, and the one of yesterday is refused",
        arguments: Place.allCases)
    func lock(place: Place) async throws {
        try await play(at: place) { store, fault in
            let lock = FencedLock("l", in: store)
            let resource = FencedResource()
            let sleeper = try await lock.lock(as: "sleeper", seconds: 0.3)
            #expect(try await lock.tryLock(as: "hasty", seconds: 1) == nil)
            let inside = Shared(0)
            let fences = Shared<[TupleID]>([])
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for holder in 0..<5 {
                    group.addTask {
                        for _ in 0..<4 {
                            let hold = try await lock.lock(as: "holder \(holder)", seconds: 60)
                            let others = inside.withLock { inside in
                                defer { inside += 1 }
                                return inside
                            }
                            #expect(others == 0)
                            fences.withLock { $0.append(hold.fence) }
                            #expect(await resource.append("\(holder)", fence: hold.fence))
                            inside.withLock { $0 -= 1 }
                            try await hold.unlock()
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await trouble
            let seen = fences.withLock { $0 }
            #expect(seen.count == 20 && zip(seen, seen.dropFirst()).allSatisfy { $0 < $1 })
            #expect(await !resource.append("from yesterday", fence: sleeper.fence))
            #expect(try await !sleeper.renew(seconds: 1))
        }
    }

    @Test("One leads at a time, and the next when that one is dead", arguments: Place.allCases)
    func leaderElection(place: Place) async throws {
        try await play(at: place) { store, fault in
            let election = LeaderElection("e", in: store, seconds: 2)
            let terms = Shared<[(term: TupleID, candidate: String)]>([])
            let first = Task {
                try await election.campaign(as: "a") { term in
                    terms.withLock { $0.append((term, "a")) }
                    try await Task.sleep(for: .seconds(3_600))
                }
            }
            try await eventually("a leads") { terms.withLock { $0.count } == 1 ? true : nil }
            let second = Task {
                try await election.campaign(as: "b") { term in terms.withLock { $0.append((term, "b")) } }
            }
            try await fault()
            // Longer than the lease: a renews it.
            try await Task.sleep(for: .seconds(3))
            #expect(terms.withLock { $0.count } == 1)
            first.cancel()
            try await second.value
            _ = await first.result
            let seen = terms.withLock { $0 }
            #expect(seen.map(\.candidate) == ["a", "b"] && seen[0].term < seen[1].term)
        }
    }

    @Test("All come before anybody passes", arguments: Place.allCases)
    func barrier(place: Place) async throws {
        try await play(at: place) { store, fault in
            let barrier = Barrier("b", in: store)
            try await barrier.open(for: 6)
            try await barrier.open(for: 6)
            let come = Shared(0)
            let early = Shared(0)
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for party in 0..<6 {
                    group.addTask {
                        try await Task.sleep(for: .milliseconds(20 * party))
                        come.withLock { $0 += 1 }
                        #expect(try await barrier.arrive(waiting: .seconds(60)))
                        if come.withLock({ $0 }) < 6 { early.withLock { $0 += 1 } }
                    }
                }
                try await group.waitForAll()
            }
            try await trouble
            #expect(early.withLock { $0 } == 0)
            #expect(try await barrier.arrive(waiting: .none), "one too many closes it again")
            #expect(try await !Barrier("another", in: store).arrive(waiting: .none), "nobody opened it")
        }
    }

    @Test("A subscriber that goes and comes back misses nothing, and gets nothing twice", arguments: Place.allCases)
    func publishSubscribe(place: Place) async throws {
        try await play(at: place) { store, fault in
            let feed = NewsFeed("n", in: store)
            let start = try await feed.now()
            async let trouble: Void = fault()
            async let publishing: Void = {
                for number in 0..<100 {
                    try await feed.publish("\(number)", on: "t")
                    try await feed.publish("x", on: "other")
                }
            }()
            var (position, seen) = (start, [String]())
            while seen.count < 100 {
                var left = 7
                try await feed.news(on: "t", after: position) { text, at in
                    seen.append(text)
                    position = at
                    left -= 1
                    return left > 0 && seen.count < 100
                }
            }
            try await publishing
            try await trouble
            #expect(seen == (0..<100).map(String.init))
        }
    }

    @Test(
        "All philosophers eat, neighbours never at once, and all forks lie there in the end", arguments: Place.allCases)
    func diningPhilosophers(place: Place) async throws {
        try await play(at: place) { store, fault in
            let seats = 5
            let table = DiningTable(in: store, named: "d", seats: seats)
            try await table.lay()
            try await table.lay()
            let eating = Shared(Set<Int>())
            let meals = Shared([Int](repeating: 0, count: seats))
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for seat in 0..<seats {
                    group.addTask {
                        for _ in 0..<10 {
                            try await table.eat(at: seat) {
                                let isAlone = eating.withLock { eating in
                                    eating.insert(seat)
                                    return !eating.contains((seat + 1) % seats)
                                        && !eating.contains((seat + seats - 1) % seats)
                                }
                                #expect(isAlone)
                                meals.withLock { $0[seat] += 1 }
                                _ = eating.withLock { $0.remove(seat) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await trouble
            #expect(meals.withLock { $0 } == [Int](repeating: 10, count: seats))
            await #expect(throws: Dies.self) { try await table.eat(at: 0) { throw Dies() } }
            #expect(try await table.forks() == seats, "a meal that failed keeps forks")
            try await table.eat(at: 0) { try await table.lay() }
            #expect(try await table.forks() == seats)
        }
    }

    @Test("No stretch of the window's length sees more than allowed", arguments: Place.allCases)
    func rateLimiter(place: Place) async throws {
        try await play(at: place) { store, fault in
            let limiter = RateLimiter("r", in: store, milliseconds: 500)
            try await limiter.allow(4)
            try await limiter.allow(4)
            let entries = Shared<[ContinuousClock.Instant]>([])
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        for _ in 0..<4 {
                            let mayGo = try await limiter.enter(waiting: .seconds(60))
                            #expect(mayGo)
                            entries.withLock { $0.append(.now) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await limiter.enter(waiting: .none) == false)
            try await limiter.allow(4)
            #expect(try await limiter.enter(waiting: .none) == false, "allowing again has issued permits again")
            try await trouble
            let times = entries.withLock { $0 }.sorted()
            #expect(times.count == 12)
            // Twelve by fours need two whole windows between the first and the last, less what the answers' ways differ by.
            let span = try #require(times.last) - (try #require(times.first))
            #expect(span >= .milliseconds(900), "twelve within \(span)")
        }
    }

    @Test("Every question gets its one answer, though a server and a leader die", arguments: Place.allCases)
    func arithmetic(place: Place) async throws {
        try await play(at: place) { store, fault in
            let arithmetic = Arithmetic(in: store, named: "a")
            let servers = (0..<3).map { _ in Task { while try await arithmetic.serve(waiting: .forever) {} } }
            async let trouble: Void = fault()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<4 {
                    group.addTask {
                        for b in 0..<10 {
                            let sum = try await arithmetic.ask(client, "+", b, waiting: .seconds(60))
                            #expect(sum == .int(Int64(client + b)))
                        }
                    }
                }
                servers[0].cancel()
                try await group.waitForAll()
            }
            try await trouble
            #expect(try await arithmetic.ask(7, "/", 2, waiting: .seconds(30)) == .double(3.5))
            #expect(try await arithmetic.ask(7, "/", 0, waiting: .seconds(30)) == .string("division by zero"))
            #expect(try await arithmetic.ask(7, "?", 0, waiting: .seconds(30)) == .string("there is no operator ?"))
            for server in servers { server.cancel() }
            for server in servers { _ = await server.result }
        }
    }
}
