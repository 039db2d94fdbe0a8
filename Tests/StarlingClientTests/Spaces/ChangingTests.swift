import StarlingClient
import Testing

@Suite("Changing typed tuples", .timeLimit(.minutes(1)))
struct ChangingTests {
    @Test("of many who write if there is none, one does", arguments: Place.allCases)
    func ifAbsent(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let winners = try await withThrowingTaskGroup(of: WriteResult?.self) { group in
                for number in 0..<10 {
                    group.addTask { try await space.write("leader", number, ifAbsent: "leader", .any) }
                }
                return try await group.reduce(into: [WriteResult]()) { if let won = $1 { $0.append(won) } }
            }
            #expect(winners.count == 1)
            let leader = try #require(try await space.readAll("leader", .any(Int.self)).first)
            #expect(leader.id == winners.first?.id)
            try await space.remove(leader.id)
            #expect(try await space.write("leader", 11, ifAbsent: "leader", .any) != nil)
        }
    }

    @Test("updates by many at once all count", arguments: Place.allCases)
    func update(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let id = try await space.write("visits", 0).id
            try await withThrowingTaskGroup { group in
                for _ in 0..<10 {
                    group.addTask { _ = try await space.update("visits", .any(Int.self)) { ($0, $1 + 1) } }
                }
                try await group.waitForAll()
            }
            let counter = try #require(try await space.readAll("visits", .any(Int.self)).first)
            #expect(counter.id == id && counter.fields.1 == 10)
            #expect(try await space.update("visits", .any(Int.self)) { ($0, $1 * 2) }?.1 == 20)
            #expect(try await space.update("sales", .any(Int.self)) { ($0, $1 + 1) } == nil)
        }
    }

    @Test("of many who move a tuple, one does", arguments: Place.allCases)
    func move(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let done = space.store.space("done")
            try await space.write("job", 3)
            let moved = try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<10 { group.addTask { try await space.move("job", 1...5, to: done)?.1 } }
                return try await group.reduce(into: [Int]()) { if let number = $1 { $0.append(number) } }
            }
            #expect(moved == [3])
            #expect(try await done.readAll("job", .any(Int.self)).map(\.fields.1) == [3])
            #expect(try await space.count("job", .any) == 0)
        }
    }

    @Test("leases, and changes by id", arguments: Place.allCases)
    func byID(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let leased = try await space.write("here", 1, lease: .seconds(3_600))
            #expect(try await space.renew(leased.id, lease: .milliseconds(0)))
            let expiry = space.events(matching: "here", .any(Int.self), from: leased.position)
            for try await event in expiry {
                #expect(event.kind == .expire && event.id == leased.id)
                break
            }
            #expect(try await space.renew(leased.id, lease: .forever) == false)

            let kept = try await space.write("here", 2).id
            #expect(try await space.replace(kept, with: "there", 3.5))
            #expect(try await space.read("there", .any(Double.self))?.1 == 3.5)
            #expect(try await space.remove(kept))
            #expect(try await space.remove(kept) == false)
            #expect(try await space.replace(kept, with: 1) == false)
        }
    }

    @Test(
        "what is written or taken again under a key was done once; another thing is refused", arguments: Place.allCases)
    func keys(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let first = try await space.write("order", 17, key: "order-17")
            #expect(try await space.write("order", 17, key: "order-17").id == first.id)
            #expect(try await space.count("order", .any) == 1)
            for lease in [Timeout.forever, .seconds(60)] {
                let other = await #expect(throws: Failure.self) {
                    try await space.write("order", 18, lease: lease, key: "order-17")
                }
                #expect(other?.code == .idempotencyMismatch)
            }
            #expect(try await space.takeAll("order", .any(Int.self), key: "all").map(\.fields.1) == [17])
            #expect(try await space.takeAll("order", .any(Int.self), key: "all").map(\.fields.1) == [17])
        }
    }
}
