import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

@Suite("A client's sessions", .timeLimit(.minutes(1)))
struct SessionTests {
    private let ping = Tuple([.string("ping"), .int(1)])
    private let pings = Template([.literal(.string("ping")), .any])

    private func client(_ cluster: TestCluster) throws -> StarlingClient {
        try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
    }

    @Test("a cancelled take gets nothing, and the tuple that comes later stays")
    func cancellation() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        for _ in 0..<20 {
            let task = Task { try await client.take(pings, from: "s", timeout: .forever) }
            while cluster.machine.waiterCount == 0 { await Task.yield() }
            task.cancel()
            #expect(try await task.value == nil)
        }
        _ = try await client.write(ping, to: "s")
        #expect(try await client.read(pings, from: "s").tuple != nil)
        await client.close()
    }

    @Test("a take that is cancelled while its tuple comes loses nothing")
    func cancellationRace() async throws {
        let cluster = try TestCluster(servers: 1)
        defer { cluster.stop() }
        let client = try client(cluster)
        for round in 0..<30 {
            let task = Task { try await client.take(pings, from: "s", timeout: .forever) }
            while cluster.machine.waiterCount == 0 { await Task.yield() }
            async let written = client.write(ping, to: "s")
            if round % 2 == 0 { await Task.yield() }
            task.cancel()
            _ = try await written
            if let held = try await task.value { await held.release() }
            let held = try #require(try await client.take(pings, from: "s", timeout: .milliseconds(5_000)))
            await held.acknowledge()
        }
        await client.close()
        #expect(cluster.machine.tupleCount == 0)
    }

    @Test("a task that is cancelled before it asks gets nothing either")
    func cancelledBefore() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            let taken = try await client.take(pings, from: "s", timeout: .forever)
            let read = try await client.read(pings, from: "s", timeout: .forever).tuple
            return taken == nil && read == nil
        }
        task.cancel()
        #expect(try await task.value)
        await client.close()
    }

    @Test("a held tuple is invisible, returns when released, and is gone for good when acknowledged, within a moment")
    func holding() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        _ = try await client.write(ping, to: "s")
        let first = try #require(try await client.take(pings, from: "s"))
        #expect(try await client.read(pings, from: "s").tuple == nil)
        await first.release()
        #expect(try await client.read(pings, from: "s").tuple == first.stored)
        let second = try #require(try await client.take(pings, from: "s"))
        let start = ContinuousClock.now
        await second.acknowledge()
        while cluster.machine.heldCount > 0, ContinuousClock.now - start < .seconds(5) { await Task.yield() }
        #expect(cluster.machine.heldCount == 0 && cluster.machine.tupleCount == 0)
        await client.close()
    }

    @Test("what a session holds returns when it ends, and when its client closes")
    func ending() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        let other = try self.client(cluster)
        _ = try await client.write(ping, to: "s")
        let session = try await other.openSession(timeout: 5_000)
        #expect(try await session.take(pings, from: "s") != nil)
        #expect(try await client.read(pings, from: "s").tuple == nil)
        try await session.end()
        try await session.end()
        #expect(try await client.read(pings, from: "s").tuple != nil)
        let failure = await #expect(throws: Failure.self) { _ = try await session.write(ping, to: "s") }
        #expect(failure?.code == .sessionExpired)
        #expect(try await other.take(pings, from: "s") != nil)
        await other.close()
        #expect(try await client.read(pings, from: "s").tuple != nil)
        await client.close()
        #expect(cluster.machine.sessionCount == 0)
    }

    @Test("sessions are kept alive")
    func keepAlive() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        let session = try await client.openSession(timeout: 1_000)
        while cluster.counters.keepAlives < 2 { try await Task.sleep(for: .milliseconds(50)) }
        try await session.end()
        await client.close()
    }

    @Test("an expired session of the client's own is replaced; one that was opened says that it has expired")
    func expiry() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        _ = try await client.write(ping, to: "s")
        let own = try #require(cluster.machine.sessions.first?.id)
        let session = try await client.openSession()
        cluster.expire(own)
        cluster.expire(session.id)
        while cluster.machine.sessionCount > 0 { await Task.yield() }
        _ = try await client.write(ping, to: "s")
        #expect(cluster.machine.tupleCount == 2)
        let failure = await #expect(throws: Failure.self) { _ = try await session.write(ping, to: "s") }
        #expect(failure?.code == .sessionExpired)
        await client.close()
    }

    @Test("what a session leaves is written when it expires, and not when it ends")
    func failureTuples() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        let deaths = client.space("deaths")
        let session = try await client.openSession(leaving: [FailureTuple(to: deaths, "dead", 1)])
        let ending = try await client.openSession(leaving: [FailureTuple(to: deaths, "dead", 2)])
        let changing = try await client.openSession(leaving: [FailureTuple(to: deaths, "dead", 3)])
        try await changing.leave([FailureTuple(to: deaths, "changed", 4, lease: .seconds(60))])
        let nothing = try await client.openSession(leaving: [FailureTuple(to: deaths, "dead", 5)])
        try await nothing.leave([])
        try await ending.end()
        for id in [session.id, changing.id, nothing.id] { cluster.expire(id) }
        var left: [Int] = []
        for _ in 0..<2 {
            left.append(try #require(try await deaths.take(.any(String.self), .any(Int.self), timeout: .seconds(20))).1)
        }
        #expect(left.sorted() == [1, 4])
        #expect(try await deaths.count(.any, .any) == 0)
        await client.close()
    }

    @Test("a session that may not leave what it shall is not opened")
    func tooManyFailureTuples() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        let one = FailureTuple(to: client.space("deaths"), "dead")
        for (count, code) in [(Limits.failureTuplesPerSession + 1, Failure.Code.malformed), (1, .tupleTooLarge)] {
            var tuples = Array(repeating: one, count: count)
            if count == 1 { tuples[0].tuple.fields.append(.bytes([UInt8](repeating: 0, count: 1 << 17))) }
            let left = tuples
            let failure = await #expect(throws: Failure.self) { _ = try await client.openSession(leaving: left) }
            #expect(failure?.code == code)
        }
        #expect(cluster.machine.sessionCount == 0)
        await client.close()
    }

    @Test("more commands than the window has room for wait their turn")
    func window() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        cluster.set(0) { $0.delay = 50 }
        let count = Limits.sessionWindow + 500
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask { _ = try await client.write(Tuple([.int(Int64(number))]), to: "s") }
            }
            try await group.waitForAll()
        }
        #expect(cluster.machine.tupleCount == count)
        await client.close()
    }

    @Test("what many tasks ask at once travels in few frames")
    func coalescing() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        _ = try await client.write(ping, to: "s")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2_000 {
                group.addTask { _ = try await client.write(Tuple([.int(Int64(number))]), to: "s") }
            }
            try await group.waitForAll()
        }
        let counters = cluster.counters
        #expect(counters.requests >= 2_001)
        #expect(counters.requestFrames < counters.requests)
        await client.close()
    }

    @Test("limits are told in words")
    func limits() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let settings = ExactlyOnceTests.settings { $0.maximumOutstanding = 2 }
        let client = try StarlingClient(servers: cluster.endpoints, settings: settings)
        let huge = Tuple([.bytes([UInt8](repeating: 0, count: Limits.commandBytes))])
        var failure = await #expect(throws: Failure.self) { _ = try await client.write(huge, to: "s") }
        #expect(failure?.code == .tupleTooLarge)
        let takers = (0..<2).map { _ in Task { try await client.read(pings, from: "s", timeout: .forever).tuple } }
        while cluster.counters.requests < 2 { await Task.yield() }
        failure = await #expect(throws: Failure.self) { _ = try await client.count(pings, in: "s") }
        #expect(failure?.code == .busy)
        for taker in takers {
            taker.cancel()
            #expect(try await taker.value == nil)
        }
        await client.close()
    }

    @Test("the status is the server's text; a closed client says so")
    func statusAndClose() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try client(cluster)
        #expect(try await client.status() == #"{"test":true}"#)
        await client.close()
        await client.close()
        let failure = await #expect(throws: Failure.self) { _ = try await client.status() }
        #expect(failure?.code == .noLeader)
    }

    @Test("with the server's key the connection is encrypted, and with a wrong one there is none")
    func curve() async throws {
        let keys = try CurveKeyPair.generate()
        let cluster = try TestCluster(servers: 2, keys: keys)
        defer { cluster.stop() }
        let client = try client(cluster)
        _ = try await client.write(ping, to: "s")
        cluster.set(0) { $0.isAlive = false }
        _ = try await client.write(ping, to: "s")
        await client.close()
        let wrong = ServerEndpoint(cluster.endpoints[1].address, publicKey: try CurveKeyPair.generate().publicKey)
        let settings = ExactlyOnceTests.settings { $0.operationTimeout = 500 }
        let stranger = try StarlingClient(servers: [wrong], settings: settings)
        let failure = await #expect(throws: Failure.self) { _ = try await stranger.write(ping, to: "s") }
        #expect(failure?.code == .noLeader)
        await stranger.close()
    }
}
