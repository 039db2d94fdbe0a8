import Recipes
import StarlingClient
import TupleSpace

/// One short play a recipe. `run` names what it uses, so that two do not meet.
enum Plays {
    private struct Dies: Error {}

    static func workQueue(_ store: any TupleStore, _ run: String) async throws {
        let queue = WorkQueue(in: store, named: run)
        for number in 1...6 { try await queue.add("photo-\(number)") }
        await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 1...3 {
                group.addTask {
                    while try await queue.workOnce(
                        waiting: .seconds(1),
                        { job in
                            if worker == 3, job.hasSuffix("3") {
                                print("worker 3 gives up \(job), which goes back to its place")
                                throw Dies()
                            }
                            print("worker \(worker) resizes \(job)")
                            try await Task.sleep(for: .milliseconds(100))
                            return "\(job) is small now"
                        })
                    {}
                }
            }
            while let result = await group.nextResult() { _ = result }
        }
        let counts = try await queue.counts()
        print("waiting: \(counts.waiting), done: \(counts.done)")
    }

    static func lock(_ store: any TupleStore, _ run: String) async throws {
        let lock = FencedLock(run, in: store)
        let file = FencedResource()
        let sleeper = try await lock.lock(as: "sleeper", seconds: 0.5)
        print("the sleeper has the lock for half a second, with fence \(sleeper.fence), and falls asleep")
        let other = try await lock.lock(as: "other", seconds: 10)
        print("the lease has ended, and the other has the lock, with fence \(other.fence)")
        print("the other writes: \(await file.append("from the other", fence: other.fence))")
        print("the sleeper wakes up and writes: \(await file.append("from yesterday", fence: sleeper.fence))")
        try await other.unlock()
    }

    static func leaderElection(_ store: any TupleStore, _ run: String) async throws {
        let election = LeaderElection(run, in: store, seconds: 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for candidate in ["ada", "bob", "cyd"] {
                group.addTask {
                    try await election.campaign(as: candidate) { term in
                        print("\(candidate) leads in term \(term)")
                        try await Task.sleep(for: .milliseconds(500))
                        print("\(candidate) steps down")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    static func barrier(_ store: any TupleStore, _ run: String) async throws {
        let barrier = Barrier(run, in: store)
        try await barrier.open(for: 3)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for party in 1...3 {
                group.addTask {
                    try await Task.sleep(for: .milliseconds(300 * party))
                    print("\(party) comes")
                    _ = try await barrier.arrive(waiting: .forever)
                    print("\(party) passes")
                }
            }
            try await group.waitForAll()
        }
    }

    static func publishSubscribe(_ store: any TupleStore, _ run: String) async throws {
        let feed = NewsFeed(run, in: store)
        var position = try await feed.now()
        for number in 1...5 { try await feed.publish("news \(number)", on: "weather") }
        try await feed.news(on: "weather", after: position) { text, seen in
            print("at \(seen): \(text)")
            position = seen
            return text != "news 3"
        }
        print("the subscriber goes away at \(position), and comes back")
        try await feed.news(on: "weather", after: position) { text, seen in
            print("at \(seen): \(text)")
            return text != "news 5"
        }
    }

    static func diningPhilosophers(_ store: any TupleStore, _ run: String) async throws {
        let names = ["Plato", "Kant", "Hypatia", "Arendt", "Confucius"]
        let table = DiningTable(in: store, named: run, seats: names.count)
        try await table.lay()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (seat, name) in names.enumerated() {
                group.addTask {
                    for meal in 1...3 {
                        try await table.eat(at: seat) {
                            print("\(name) eats meal \(meal)")
                            try await Task.sleep(for: .milliseconds(50))
                        }
                    }
                    print("\(name) is full")
                }
            }
            try await group.waitForAll()
        }
        print("forks on the table: \(try await table.forks())")
    }

    static func rateLimiter(_ store: any TupleStore, _ run: String) async throws {
        let limiter = RateLimiter(run, in: store, milliseconds: 1_000)
        try await limiter.allow(3)
        let began = ContinuousClock.now
        for number in 1...9 {
            guard try await limiter.enter(waiting: .forever) else { return }
            print("call \(number) after \(ContinuousClock.now - began)")
        }
    }

    static func arithmeticServer(_ store: any TupleStore, _ run: String) async throws {
        let arithmetic = Arithmetic(in: store, named: run)
        let servers = (1...2).map { number in
            Task {
                while try await arithmetic.serve(waiting: .seconds(1)) { print("server \(number) answered one") }
            }
        }
        for (a, sign, b) in [(7, "+", 3), (7, "-", 3), (7, "*", 3), (7, "/", 3), (7, "/", 0), (7, "%", 3)] {
            let answer = try await arithmetic.ask(a, sign, b, waiting: .seconds(10))
            print("\(a) \(sign) \(b): \(answer.map { "\($0)" } ?? "no answer")")
        }
        for server in servers { try await server.value }
    }
}
