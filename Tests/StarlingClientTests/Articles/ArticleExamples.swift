import StarlingClient
import Testing

/// The examples of the articles and of README.md, as they stand there: between `// example` and `// end`. `ArticleTests` compares.
@Suite("The articles' examples", .timeLimit(.minutes(1)))
struct ArticleExamples {
    // MARK: First steps

    /// Built, and not run: there may be no cluster.
    func connecting() async throws {
        // example
        let client = try StarlingClient(servers: ["localhost:7460"])
        let jobs = client.space("jobs")
        try await jobs.write("resize", "cat.png", 640)
        // end
        await client.close()
    }

    /// Built, and not run.
    func encrypted(bytes: [UInt8]) throws {
        // example
        let file = try ClientFile(json: bytes)
        let client = try StarlingClient(servers: file.endpoints)
        // end
        _ = client
    }

    @Test func finding() async throws {
        let client = InMemoryTupleStore()
        let jobs = client.space("jobs")
        try await jobs.write("resize", "cat.png", 640)
        var printed: [String] = []
        func print(_ text: String) { printed.append(text) }
        // example
        if let (_, file, width) = try await jobs.read("resize", .any(String.self), .any(Int.self)) {
            print("\(file) shall be \(width) wide")
        }
        // end
        #expect(printed == ["cat.png shall be 640 wide"])
        // example
        let small = try await jobs.count("resize", .prefix("cat"), 1...800)
        let next = try await jobs.take("resize", .any, .any(Int.self), timeout: .seconds(10))
        // end
        #expect(small == 1 && next?.2 == 640)
        for number in 1...3 { try await jobs.write("resize", "dog.png", number) }
        // example
        for job in try await jobs.readAll("resize", .any(String.self), .any(Int.self), limit: 2, order: .newest) {
            print("\(job.id): \(job.fields.1)")
        }
        // end
        #expect(printed.count == 3 && printed[1].hasSuffix(": dog.png"))
    }

    // example
    enum Kind: String, FieldValue { case resize, crop }
    // end

    @Test func enumerations() async throws {
        let jobs = InMemoryTupleStore().space("jobs")
        // example
        try await jobs.write(Kind.crop, "dog.png", 320)
        let job: (Kind, String, Int)? = try await jobs.take(.any(Kind.self), .any(String.self), .any(Int.self))
        // end
        #expect(job?.0 == .crop)
    }

    @Test func changing() async throws {
        let client = InMemoryTupleStore()
        let counters = client.space("counters")
        let locks = client.space("locks")
        let jobs = client.space("jobs")
        let me = "ada"
        try await counters.write("visits", 41)
        try await jobs.write("resize", "cat.png", 640)
        // example
        try await counters.update("visits", .any(Int.self)) { name, count in (name, count + 1) }

        let running = client.space("running")
        try await jobs.move("resize", .any, .any, to: running)

        let won = try await locks.write("leader", me, lease: .seconds(10), ifAbsent: "leader", .any)
        // end
        #expect(try await counters.read("visits", .any(Int.self))?.1 == 42)
        #expect(try await running.count(.any, .any, .any) == 1)
        // example
        if let won {
            try await locks.renew(won.id, lease: .seconds(10))
        }
        // end
        #expect(won != nil)
    }

    @Test
    // example
    func jobsAreKept() async throws {
        let jobs = InMemoryTupleStore().space("jobs")
        try await jobs.write("resize", "cat.png", 640)
        #expect(try await jobs.count("resize", .any, .any) == 1)
    }
    // end

    // MARK: Work that must not be lost

    private func resize(_ file: String, _ width: Int) async throws {}

    /// Built, and not run: it works for ever.
    func worker(_ jobs: Space) async throws {
        // example
        while !Task.isCancelled {
            try await jobs.take("resize", .any(String.self), .any(Int.self), timeout: .forever) { _, file, width in
                try await resize(file, width)
            }
        }
        // end
    }

    @Test func holding() async throws {
        let jobs = InMemoryTupleStore().space("jobs")
        try await jobs.write("resize", "cat.png", 640)
        // example
        if let job = try await jobs.hold("resize", .any(String.self), .any(Int.self)) {
            if job.fields.2 <= 800 {
                try await resize(job.fields.1, job.fields.2)
                await job.acknowledge()
            } else {
                await job.release()
            }
        }
        // end
        #expect(try await jobs.count(.any, .any, .any) == 0)
    }

    /// Built, and not run: it needs a cluster. `ClusterTests` has such a death.
    func dying(_ client: StarlingClient, name: String) async throws {
        // example
        let session = try await client.openSession(
            timeout: 5_000, leaving: [FailureTuple(to: client.space("deaths"), "worker", name)])
        let job = try await session.space("jobs").hold("resize", .any(String.self), .any(Int.self))
        if let job {
            try await session.leave([FailureTuple(to: client.space("deaths"), "worker", name, job.fields.1)])
        }
        // end
        // example
        let death = try await client.space("deaths").take("worker", .any(String.self), timeout: .forever)
        // end
        _ = death
    }

    @Test func goingOn() async throws {
        let client = InMemoryTupleStore()
        let session = SessionID(7)
        _ = try await client.perform(
            .openSession(timeoutMilliseconds: 30_000), under: CommandHeader(session: session, sequence: 0))
        var replies: [Reply] = []
        for _ in 0..<2 {
            // example
            let number = CommandHeader(session: session, sequence: 1)
            let reply = try await client.perform(
                .write(space: "orders", tuple: Tuple([.string("order"), .int(17)])), under: number
            ).reply
            // end
            replies.append(reply)
        }
        #expect(replies[0] == replies[1])
        #expect(try await client.space("orders").count("order", .any) == 1)
    }

    @Test func once() async throws {
        let client = InMemoryTupleStore()
        let orders = client.space("orders")
        let running = client.space("running")
        try await running.write("resize", "cat.png")
        for _ in 0..<2 {
            // example
            try await orders.write("order", 17, key: "order-17")
            // end
        }
        #expect(try await orders.count("order", .any) == 1)
        for _ in 0..<2 {
            // example
            let finish = Statement(
                .take(from: running, "resize", "cat.png"),
                .write(to: client.space("done"), "resize", "cat.png"))
            let wasRunning = try await client.run(finish).done != nil
            // end
            _ = wasRunning
        }
        #expect(try await client.space("done").count("resize", "cat.png") == 1)
    }

    // MARK: Subscriptions and positions

    @Test func subscriptions() async throws {
        let jobs = InMemoryTupleStore().space("jobs")
        try await jobs.write("resize", "cat.png", 640)
        let reader = Task { try await follow(jobs) }
        while !(await seen.contains("dog.png")) {
            try await jobs.write("resize", "dog.png", 320)
            await Task.yield()
        }
        reader.cancel()
        try await reader.value
        #expect(await seen.names.first == "cat.png")
    }

    private actor Seen {
        var names: [String] = []
        func append(_ name: String) { names.append(name) }
        func contains(_ name: String) -> Bool { names.contains(name) }
    }
    private let seen = Seen()
    private func show(_ file: String) async { await seen.append(file) }
    private func save(_ position: Position) async {}

    private func follow(_ jobs: Space) async throws {
        // example
        let waiting = try await jobs.readAll("resize", .any(String.self), .any(Int.self))
        for job in waiting { await show(job.fields.1) }

        let events = jobs.events(matching: "resize", .any(String.self), .any(Int.self), from: waiting.position)
        for try await event in events where event.kind == .write {
            await show(event.fields.1)
            await save(event.position)
        }
        // end
    }

    /// Built, and not run.
    func resuming(_ jobs: Space, _ saved: String) async throws {
        // example
        do {
            for try await event in jobs.events(matching: "resize", .any(String.self), .any, from: Position(saved)) {
                await save(event.position)
            }
        } catch let failure as Failure where failure.code == .positionGone {
            // Begin anew: read all, and follow from there.
        }
        // end
    }

    // MARK: README

    /// Built, and not run.
    func readme() async throws {
        // example
        let client = try StarlingClient(servers: ["localhost:7460"])
        let jobs = client.space("jobs")
        try await jobs.write("resize", "cat.png", 640)

        try await jobs.take("resize", .any(String.self), 1...800, timeout: .forever) { _, file, width in
            try await resize(file, width)  // gone when this returns, back in its place when it throws
        }
        for try await event in jobs.events(matching: "resize", .any(String.self), .any) {
            print(event.position, event.kind, event.fields.1)
        }
        // end
    }
}
