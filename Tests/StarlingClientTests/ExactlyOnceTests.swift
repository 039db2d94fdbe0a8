import Raft
import StarlingClient
import Testing
import TupleSpace

@Suite("A client whose messages get lost", .timeLimit(.minutes(1)))
struct ExactlyOnceTests {
    static func job(_ number: Int) -> Tuple { Tuple([.string("job"), .int(Int64(number))]) }
    static let anyJob = Template([.literal(.string("job")), .any])

    static func settings(_ change: (inout ClientSettings) -> Void = { _ in }) -> ClientSettings {
        var settings = ClientSettings()
        settings.startsAnywhere = false
        settings.silence = 200
        settings.operationTimeout = 20_000
        change(&settings)
        return settings
    }

    @Test("asks for a change of the cluster once, and says that nobody knows when the server is lost meanwhile")
    func clusterRequests() async throws {
        let cluster = try TestCluster(servers: 3)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        let outcome = Task {
            do throws(Failure) {
                return "\(try await client.cluster(.transfer(to: nil)))"
            } catch {
                return error.code.rawValue == Failure.Code.outcomeUnknown.rawValue ? error.message : "\(error)"
            }
        }
        // Far longer than a server that is silent for the rest is waited for.
        try await Task.sleep(for: .seconds(1))
        #expect(cluster.counters.clusterRequests == 1)
        cluster.set(0) { $0.isAlive = false }
        #expect(await outcome.value == "the server was lost before it told the outcome; it may have been done")
        // The client goes on with another server.
        _ = try await client.write(Self.job(1), to: "jobs")
        #expect(cluster.counters.clusterRequests == 1)
        await client.close()
    }

    @Test("writes everything once, though requests and replies are lost and doubled")
    func writes() async throws {
        let cluster = try TestCluster(servers: 3)
        defer { cluster.stop() }
        cluster.setAll {
            $0.lostRequests = 10
            $0.lostReplies = 10
            $0.doubledReplies = 10
        }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        let results = try await withThrowingTaskGroup(of: WriteResult.self) { group in
            for number in 0..<200 { group.addTask { try await client.write(Self.job(number), to: "jobs") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(results.map(\.id)).count == 200)
        cluster.setAll { $0 = Faults() }
        #expect(try await client.count(Self.anyJob, in: "jobs").count == 200)
        for number in 0..<200 {
            let exact = Template(Self.job(number).fields.map { .literal($0) })
            #expect(try await client.count(exact, in: "jobs", consistency: .local).count == 1)
        }
        #expect(cluster.counters.commandsApplied > 200, "nothing was sent twice, so the test proves nothing")
        await client.close()
    }

    @Test("takes every tuple once")
    func takes() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        for number in 0..<60 { _ = try await client.write(Self.job(number), to: "jobs") }
        cluster.setAll {
            $0.lostRequests = 10
            $0.lostReplies = 10
            $0.doubledReplies = 10
        }
        let taken = try await withThrowingTaskGroup(of: [Value].self) { group in
            for _ in 0..<60 {
                group.addTask {
                    let held = try #require(try await client.take(Self.anyJob, from: "jobs"))
                    await held.acknowledge()
                    return held.stored.tuple.fields
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(taken).count == 60)
        cluster.setAll { $0 = Faults() }
        #expect(try await client.take(Self.anyJob, from: "jobs") == nil)
        await client.close()
        #expect(cluster.machine.tupleCount == 0)
    }

    @Test("goes on at another server when its own dies, and finds those it was not told of")
    func failover() async throws {
        let cluster = try TestCluster(servers: 3)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: [cluster.endpoints[0]], settings: Self.settings())
        _ = try await client.write(Self.job(0), to: "jobs")
        let waiting = Task {
            try await client.take(Template([.literal(.string("late"))]), from: "jobs", timeout: .forever)
        }
        for round in 1...6 {
            cluster.set((round - 1) % 3) { $0.isAlive = false }
            _ = try await client.write(Self.job(round), to: "jobs")
            cluster.set((round - 1) % 3) { $0.isAlive = true }
        }
        _ = try await client.write(Tuple([.string("late")]), to: "jobs")
        #expect(try await waiting.value != nil)
        #expect(try await client.count(Self.anyJob, in: "jobs").count == 7)
        await client.close()
    }

    @Test("leaves a server that is silent")
    func silence() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        _ = try await client.write(Self.job(0), to: "jobs")
        cluster.set(0) { $0.isSilent = true }
        let start = ContinuousClock.now
        _ = try await client.write(Self.job(1), to: "jobs")
        #expect(ContinuousClock.now - start < .seconds(3))
        #expect(try await client.count(Self.anyJob, in: "jobs").count == 2)
        await client.close()
    }

    @Test("goes elsewhere when a server finds no leader", arguments: [Failure.Code.noLeader, .outcomeUnknown])
    func noLeader(_ code: Failure.Code) async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        cluster.set(0) { $0.refusal = code }
        _ = try await client.write(Self.job(1), to: "jobs")
        #expect(try await client.count(Self.anyJob, in: "jobs").count == 1)
        await client.close()
    }

    @Test("bears a slow server, and loses nothing by it")
    func slow() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        cluster.set(0) { $0.delay = 150 }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<50 { group.addTask { _ = try await client.write(Self.job(number), to: "jobs") } }
            try await group.waitForAll()
        }
        #expect(cluster.machine.tupleCount == 50)
        await client.close()
    }

    @Test("says no-leader when nothing can have been done, and outcome-unknown when something may have")
    func errors() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let settings = Self.settings { $0.operationTimeout = 400 }
        let client = try StarlingClient(servers: cluster.endpoints, settings: settings)
        cluster.set(0) { $0.refusal = .noLeader }
        var failure = await #expect(throws: Failure.self) { _ = try await client.write(Self.job(0), to: "jobs") }
        #expect(failure?.code == .noLeader)
        cluster.set(0) { $0.refusal = nil }
        _ = try await client.write(Self.job(1), to: "jobs")
        cluster.set(0) { $0.lostReplies = 100 }
        failure = await #expect(throws: Failure.self) { _ = try await client.write(Self.job(2), to: "jobs") }
        #expect(failure?.code == .outcomeUnknown)
        cluster.set(0) { $0.isAlive = false }
        failure = await #expect(throws: Failure.self) { _ = try await client.count(Self.anyJob, in: "jobs") }
        #expect(failure?.code == .noLeader)
        await client.close()
    }

    @Test("tells at once that every server refuses it for good")
    func refused() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        cluster.setAll { $0.refusedHello = .notAllowed }
        let client = try StarlingClient(servers: cluster.endpoints, settings: Self.settings())
        let start = ContinuousClock.now
        let failure = await #expect(throws: Failure.self) { _ = try await client.write(Self.job(0), to: "jobs") }
        #expect(failure?.code == .notAllowed)
        #expect(ContinuousClock.now - start < .seconds(5))
        await client.close()
    }
}
