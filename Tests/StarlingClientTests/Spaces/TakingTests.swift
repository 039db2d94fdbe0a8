import StarlingClient
import Testing

@Suite("Taking typed tuples", .timeLimit(.minutes(1)))
struct TakingTests {
    private struct Broken: Error {}

    /// Works on one thing after the other, as an actor does: the closures run in it.
    private actor Worker {
        private(set) var sum = 0

        func work(in space: Space) async throws -> Bool {
            let done: Void? = try await space.take("add", .any(Int.self)) { _, number in
                sum += number
            }
            return done != nil
        }
    }

    @Test(
        "what is worked on is gone when the work is done, and back in its place when it fails",
        arguments: Place.allCases)
    func closures(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            for number in 1...3 { try await space.write("add", number) }
            await #expect(throws: Broken.self) {
                try await space.take("add", .any(Int.self)) { _, number in
                    #expect(number == 1)
                    #expect(try await space.count("add", 1) == 0, "it is not held")
                    throw Broken()
                }
            }
            #expect(try await space.read("add", .any(Int.self))?.1 == 1)
            let doubled = try await space.take("add", .any(Int.self)) { $1 * 2 }
            #expect(doubled == 2)
            let worker = Worker()
            while try await worker.work(in: space) {}
            #expect(await worker.sum == 5)
            #expect(try await space.take("add", .any(Int.self)) { _, number in number } == nil)
        }
    }

    @Test("what is worked on returns when the task is cancelled amid it", arguments: Place.allCases)
    func cancelledWork(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            try await space.write("add", 1)
            let (started, start) = AsyncStream<Void>.makeStream()
            let task = Task {
                try await space.take("add", .any(Int.self)) { _, _ in
                    start.finish()
                    try await Task.sleep(for: .seconds(3_600))
                }
            }
            for await _ in started {}
            #expect(try await space.read("add", .any) == nil)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await space.read("add", .any(Int.self))?.1 == 1)
        }
    }

    @Test("a cancelled take gets nothing, and the tuple that comes later stays", arguments: Place.allCases)
    func cancellation(_ place: Place) async throws {
        try await place.withSpace { space, waiting in
            let plain = Task { try await space.take("add", .any(Int.self), timeout: .forever) }
            let closure = Task {
                try await space.take("add", .any(Int.self), timeout: .forever) { _, number in number }
            }
            while await waiting() < 2 { await Task.yield() }
            plain.cancel()
            closure.cancel()
            #expect(try await plain.value?.1 == nil)
            #expect(try await closure.value == nil)
            try await space.write("add", 1)
            #expect(try await space.count("add", .any) == 1)
        }
    }

    @Test("a take that waits gets the tuple that comes, and a time-out ends it", arguments: Place.allCases)
    func waiting(_ place: Place) async throws {
        try await place.withSpace { space, waiting in
            let taker = Task { try await space.take("add", .any(Int.self), timeout: .forever) }
            while await waiting() < 1 { await Task.yield() }
            try await space.write("add", 9)
            #expect(try await taker.value?.1 == 9)
            #expect(try await space.take("add", .any(Int.self), timeout: .seconds(0.01)) == nil)
            #expect(try await space.count("add", .any) == 0)
        }
    }

    @Test("a held tuple is nobody else's until it is released, and gone once acknowledged", arguments: Place.allCases)
    func holding(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let id = try await space.write("add", 1).id
            let first = try #require(try await space.hold("add", .any(Int.self)))
            #expect(first.id == id && first.fields.1 == 1)
            #expect(try await space.hold("add", .any(Int.self)) == nil)
            #expect(try await space.remove(id) == false)
            await first.release()
            let second = try #require(try await space.hold("add", .any(Int.self)))
            #expect(second.id == id)
            await second.acknowledge()
            #expect(try await space.count("add", .any) == 0)
        }
    }

    @Test("a session that ends gives back what it held, and not what it took")
    func sessionEnd() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let jobs = client.space("jobs")
        for number in 1...2 { try await jobs.write("add", number) }
        let session = try await client.openSession()
        #expect(try await session.space("jobs").take("add", .any(Int.self))?.1 == 1)
        #expect(try await session.space("jobs").hold("add", .any(Int.self))?.fields.1 == 2)
        try await session.end()
        #expect(try await jobs.readAll("add", .any(Int.self)).map(\.fields.1) == [2])
        await client.close()
    }
}
