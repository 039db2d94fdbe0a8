import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

@Suite("The load driver", .serialized, .timeLimit(.minutes(1)))
struct LoadDriverTests {
    @Test("does what it was told and says how fast", arguments: LoadPlan.Operation.allCases)
    func operations(_ operation: LoadPlan.Operation) async throws {
        let cluster = try TestCluster(servers: 3)
        defer { cluster.stop() }
        let plan = LoadPlan(operation, sessions: 16, connections: 4, extent: .requests(800), servers: cluster.endpoints)
        let report = try await onThread { try LoadDriver(plan).run() }
        #expect(report.operation == operation.rawValue && report.sessions == 16)
        #expect(report.requests == 800 && report.errors == 0)
        #expect(report.rate > 0 && report.p50 > 0 && report.p99 >= report.p50 && report.seconds > 0)
        let tuples = cluster.machine.tupleCount
        #expect(tuples == (operation == .take || operation == .queue ? 0 : operation == .read ? 16 : 800))
        #expect(cluster.machine.sessionCount == 0)
    }

    @Test("goes by time")
    func seconds() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let plan = LoadPlan(.write, sessions: 4, extent: .seconds(0.2), servers: cluster.endpoints)
        let report = try await onThread { try LoadDriver(plan).run() }
        #expect(report.seconds >= 0.15 && report.seconds < 5)
        #expect(report.requests == cluster.machine.tupleCount)
    }

    @Test("counts what failed, and does it again")
    func failover() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        let endpoints = cluster.endpoints
        async let run = onThread {
            let plan = LoadPlan(.write, sessions: 8, connections: 2, extent: .seconds(1.5), servers: endpoints)
            return try LoadDriver(plan).run()
        }
        while cluster.machine.tupleCount < 100 { try await Task.sleep(for: .milliseconds(1)) }
        cluster.set(0) { $0.isAlive = false }
        let report = try await run
        #expect(report.errors > 0)
        #expect(cluster.machine.tupleCount == report.requests)
    }

    @Test("its report is one JSON object with the members that scripts read")
    func json() {
        let report = LoadReport(
            operation: "write", sessions: 64, requests: 1_000, errors: 2, rate: 12_345.67, p50: 1.23456, p99: 9.5,
            seconds: 0.081)
        #expect(
            report.json
                == #"{"operation":"write","sessions":64,"requests":1000,"errors":2,"rate":12345.7,"p50_ms":1.235,"p99_ms":9.5,"seconds":0.081}"#
        )
    }

    @Test(
        "its histogram is right to a thousandth",
        arguments: [1, 2_047, 2_048, 5_000, 123_456, 10_000_000, 60_000_000_000])
    func histogram(_ value: UInt64) {
        var histogram = LatencyHistogram()
        histogram.record(value)
        let read = histogram.value(at: 0.5)
        #expect(read >= value && Double(read) <= Double(value) * 1.001)
    }

    @Test("its histogram finds percentiles")
    func percentiles() {
        var histogram = LatencyHistogram()
        for value in UInt64(1)...1_000 { histogram.record(value) }
        #expect(histogram.value(at: 0.5) == 500)
        #expect(histogram.value(at: 0.99) == 990)
        #expect(histogram.value(at: 1) == 1_000)
        #expect(LatencyHistogram().value(at: 0.5) == 0)
    }
}
