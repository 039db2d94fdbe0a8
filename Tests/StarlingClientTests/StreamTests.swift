import StarlingClient
import Testing
import TupleSpace

@Suite("A client's streams of events", .timeLimit(.minutes(1)))
struct StreamTests {
    private func number(_ event: Event) -> Int64? {
        guard case .int(let number)? = event.tuple.tuple.fields.first else { return nil }
        return number
    }

    private func write(_ range: Range<Int64>, _ client: StarlingClient) async throws {
        for number in range { _ = try await client.write(Tuple([.int(number)]), to: "s") }
    }

    /// Reads until so many events have come.
    private func read(_ count: Int, _ stream: EventStream) async throws -> [Int64] {
        var numbers: [Int64] = []
        for try await batch in stream {
            numbers += batch.events.compactMap(number)
            if numbers.count >= count { break }
        }
        return numbers
    }

    @Test("begin now, and go on without gap or repeat when servers die")
    func failover() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        try await write(0..<5, client)
        let stream = try await client.events(matching: nil, in: "s")
        let reader = Task { try await read(40, stream) }
        for round in Int64(0)..<4 {
            try await write(100 + round * 10..<105 + round * 10, client)
            cluster.set(Int(round) % 2) { $0.isAlive = false }
            try await write(105 + round * 10..<110 + round * 10, client)
            cluster.set(Int(round) % 2) { $0.isAlive = true }
        }
        #expect(try await reader.value == Array(100..<140))
        await client.close()
    }

    @Test("a reader that never reads costs bounded memory, and gets everything when it does")
    func slowReader() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let settings = ExactlyOnceTests.settings { $0.bufferedEvents = 20 }
        let client = try StarlingClient(servers: cluster.endpoints, settings: settings)
        let stream = try await client.events(matching: Template([.any]), in: "s")
        try await write(0..<500, client)
        let start = ContinuousClock.now
        while cluster.counters.subscriptions > 0, ContinuousClock.now - start < .seconds(5) { await Task.yield() }
        #expect(cluster.counters.subscriptions == 0, "the subscription does not pause")
        #expect(try await read(500, stream) == Array(0..<500))
        await client.close()
    }

    @Test("from an earlier position, they begin behind it")
    func fromPosition() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        try await write(0..<3, client)
        let middle = try await client.write(Tuple([.int(3)]), to: "s").position
        try await write(4..<7, client)
        #expect(try await read(3, try await client.events(matching: nil, in: "s", after: middle)) == [4, 5, 6])
        await client.close()
    }

    @Test("end at the server when the reader stops, by cancellation or by leaving the loop")
    func unsubscribe() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        do {
            let stream = try await client.events(matching: nil, in: "s")
            try await write(0..<1, client)
            #expect(try await read(1, stream) == [0])
        }
        let stream = try await client.events(matching: nil, in: "s")
        let reader = Task { try await read(1, stream) }
        while cluster.counters.subscriptions == 0 { await Task.yield() }
        reader.cancel()
        #expect(try await reader.value == [])
        _ = consume stream
        await client.close()
    }

    @Test("end with the client")
    func closing() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let stream = try await client.events(matching: nil, in: "s")
        let reader = Task { try await read(1, stream) }
        await client.close()
        await #expect(throws: Failure.self) { try await reader.value }
    }
}
