import StarlingClient
import Testing

@Suite("Typed events", .timeLimit(.minutes(1)))
struct EventTests {
    /// The numbers of so many events, and where the last of them stands.
    private func read<Fields>(
        _ count: Int, _ events: SpaceEvents<Fields>, _ number: (Fields) -> Int
    ) async throws -> (numbers: [Int], position: Position?) {
        var numbers: [Int] = []
        var position: Position?
        for try await event in events {
            numbers.append(number(event.fields))
            position = event.position
            if numbers.count == count { break }
        }
        return (numbers, position)
    }

    @Test("say what happened to the tuples that match, and who did it", arguments: Place.allCases)
    func kinds(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let start = try await space.write("other", 0).position
            let id = try await space.write("job", 1).id
            try await space.write("note", 1)
            let held = try await space.hold("job", .any(Int.self))
            await held?.release()
            try await space.replace(id, with: "job", 2)
            #expect(try await space.take("job", .any(Int.self))?.1 == 2)
            var seen: [String] = []
            for try await event in space.events(matching: "job", .any(Int.self), from: start) {
                #expect(event.id == id && event.caller.isEmpty)
                seen.append("\(event.kind.word) \(event.fields.1)")
                if seen.count == 5 { break }
            }
            #expect(seen == ["write 1", "take 1", "return 1", "replace 2", "take 2"])
        }
    }

    @Test("go on behind the position of the last one that was seen", arguments: Place.allCases)
    func resumption(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            var position = try await space.write("start").position
            for number in 0..<30 { try await space.write("job", number) }
            var numbers: [Int] = []
            for _ in 0..<3 {
                let part = try await read(10, space.events(matching: "job", .any(Int.self), from: position)) { $0.1 }
                numbers += part.numbers
                position = try #require(part.position)
            }
            #expect(numbers == Array(0..<30))
        }
    }

    @Test("follow from the point at which all was read", arguments: Place.allCases)
    func readAndFollow(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            try await space.write("job", 1)
            let page = try await space.readAll("job", .any(Int.self))
            try await space.write("job", 2)
            #expect(page.map(\.fields.1) == [1])
            let next = try await read(1, space.events(matching: "job", .any(Int.self), from: page.position)) { $0.1 }
            #expect(next.numbers == [2])
        }
    }

    @Test("begin where the loop begins, and end when the task is cancelled")
    func now() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let space = client.space("jobs")
        try await space.write("job", 1)
        let (seen, see) = AsyncStream<Int>.makeStream()
        let reader = Task {
            for try await event in space.events(matching: "job", .any(Int.self)) { see.yield(event.fields.1) }
            see.finish()
        }
        while cluster.counters.subscriptions == 0 { await Task.yield() }
        try await space.write("job", 2)
        for await number in seen {
            #expect(number == 2)
            reader.cancel()
        }
        try await reader.value
        await client.close()
    }

    @Test("go on by themselves when servers die, without gap or repeat")
    func failover() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let space = client.space("jobs")
        let start = try await space.write("start").position
        let reader = Task { try await read(40, space.events(matching: "job", 0...100, from: start)) { $0.1 }.numbers }
        for number in 0..<40 {
            if number % 10 == 0 { cluster.set(number / 10 % 2) { $0.isAlive = false } }
            if number % 10 == 5 { cluster.setAll { $0.isAlive = true } }
            try await space.write("job", number)
        }
        #expect(try await reader.value == Array(0..<40))
        await client.close()
    }

    @Test("end with the reason: a type that is not the template's, a position that is gone", arguments: Place.allCases)
    func failures(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let id = try await space.write("size", 2.5).id
            let start = Position(index: 1, ordinal: 0)
            var iterator = space.events(matching: "size", 1...5, from: start).makeAsyncIterator()
            let wrong = await #expect(throws: Failure.self) { _ = try await iterator.next() }
            #expect(wrong?.code == .invalidTuple && wrong?.message.contains("tuple \(id)") == true)
            let regex = await #expect(throws: Failure.self) {
                for try await _ in space.events(matching: .regex("("), from: start) {}
            }
            #expect(regex?.code == .invalidTemplate)
        }
    }
}
