import StarlingClient
import Testing

@Suite("Typed spaces of a real cluster", .serialized, .timeLimit(.minutes(2)))
struct TypedSpaceTests {
    private struct Broken: Error {}

    @Test(
        "Work is done, failed work is done again, and a follower of events misses nothing, while each server stops once"
    )
    func workers() async throws {
        try await withCluster(3) { cluster in
            let client = try cluster.client { $0.operationTimeout = 20_000 }
            let jobs = client.space("jobs")
            let counters = client.space("counters")
            let start = try await counters.write("done", 0).position
            let follower = Task {
                var written: [Int] = []
                for try await event in jobs.events(matching: "job", .any(Int.self), from: start)
                where event.kind == .write {
                    written.append(event.fields.1)
                    if written.count == 30 { break }
                }
                return written
            }
            let worker = Task {
                var failed: Set<Int> = []
                var done: [Int] = []
                while done.count < 30 {
                    _ = try? await jobs.take("job", .any(Int.self), timeout: .seconds(5)) { _, number in
                        if failed.insert(number).inserted { throw Broken() }
                        done.append(number)
                    }
                }
                return done
            }
            for number in 0..<30 {
                if number % 10 == 0 { try await cluster.stop(number / 10, handsOver: number != 10) }
                try await jobs.write("job", number)
                try await counters.update("done", .any(Int.self)) { ($0, $1 + 1) }
                if number % 10 == 5 { try await cluster.start(number / 10) }
            }
            #expect(try await follower.value == Array(0..<30))
            #expect(await Set(worker.value) == Set(0..<30))
            #expect(try await counters.read("done", .any(Int.self))?.1 == 30)
            #expect(try await jobs.count("job", .any) == 0)
            await client.close()
        }
    }
}
