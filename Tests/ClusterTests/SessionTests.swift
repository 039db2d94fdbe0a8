import StarlingClient
import Testing
import TupleSpace

@testable import Cluster

/// Through the doors of servers, as the HTTP gateways use them; see also `GatewaysTests/SessionTests`.
@Suite("Sessions at many doors", .serialized, .timeLimit(.minutes(2)))
struct SessionTests {
    private static let take = Operation.take(space: "jobs", template: anyJob, timeout: .forever, holds: true)
    private static let deaths = Template([.literal(.string("dead")), .any])

    /// Asks until the cluster takes it: under its number that is done once, whatever became of it before.
    private func perform(_ operation: Operation, _ header: CommandHeader, at server: Server) async throws -> Reply {
        try await eventually("\(server.name) takes it") {
            do throws(Failure) {
                return try await server.store.perform(operation, under: header).reply
            } catch {
                guard [.noLeader, .busy, .outcomeUnknown].contains(error.code) else { throw error }
                return nil
            }
        }
    }

    @Test(
        "What was asked at a server that stops is asked again at another, and done once",
        arguments: [(ofLeader: false, handsOver: true), (false, false), (true, true), (true, false)])
    func another(ofLeader: Bool, handsOver: Bool) async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let first = ofLeader ? leader : (leader + 1) % 3
            let second = (leader + 2) % 3
            let other = cluster[second]
            let session = SessionID(.random(in: 1 ... .max))
            let header: @Sendable (UInt64) -> CommandHeader = { CommandHeader(session: session, sequence: $0) }
            let open = Operation.openSession(timeoutMilliseconds: 60_000)
            #expect(try await perform(open, header(0), at: cluster[first]) == .done)
            let write = Operation.write(space: "other", tuple: job(1))
            let written = try await perform(write, header(1), at: cluster[first])
            let store = cluster[first].store
            let waiting = Task { try await store.perform(Self.take, under: header(2)).reply }
            try await eventually("the take waits") { cluster[second].status.waiters == 1 }

            try await cluster.stop(first, handsOver: handsOver)
            let lost = await waiting.result
            #expect(throws: Failure.self) { try lost.get() }
            let again = Task { try await perform(Self.take, header(2), at: other) }
            #expect(try await perform(write, header(1), at: cluster[second]) == written)
            for number in 1...2 {
                #expect(
                    try await perform(
                        .write(space: "jobs", tuple: job(number)), header(UInt64(number) + 2), at: cluster[second])
                        != .noMatch)
            }
            guard case .found(let stored, _) = try await again.value else {
                Issue.record("the take found nothing")
                return
            }
            #expect(stored.tuple == job(1))
            let counts = { (space: String) in
                try await cluster[second].store.count(anyJob, in: space, consistency: .linearizable).count
            }
            #expect(try await counts("other") == 1, "it was written once")
            #expect(try await counts("jobs") == 1, "one was taken")
            try await eventually("one is held") { cluster[second].status.held == 1 }

            let acknowledge = CommandHeader.passing(in: session, acknowledgedBelow: 3)
            #expect(try await perform(.acknowledge, acknowledge, at: cluster[second]) == .done)
            try await eventually("it is gone for good") { cluster[second].status.held == 0 }
            #expect(try await perform(.endSession, .passing(in: session), at: cluster[second]) == .done)
            #expect(try await counts("jobs") == 1)
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("One that nobody hears of any more ends: its takes return, and what it left is written, with them")
    func silence() async throws {
        try await withCluster(3) { cluster in
            let follower = try await cluster.follower()
            let store = cluster[follower].store
            let session = SessionID(.random(in: 1 ... .max))
            _ = try await store.write(job(1), to: "jobs", key: nil)
            let left = FailureTuple(Tuple([.string("dead"), .int(7)]), to: "deaths")
            for (sequence, operation) in [
                Operation.openSession(timeoutMilliseconds: 1_500), .leave([left]), Self.take,
            ].enumerated() {
                let header = CommandHeader(session: session, sequence: UInt64(sequence))
                _ = try await store.perform(operation, under: header)
            }
            // For longer than its time-out, at a server that forwards it.
            for _ in 0..<10 {
                try await Task.sleep(for: .milliseconds(250))
                _ = try await store.perform(.acknowledge, under: .passing(in: session))
            }
            let other = cluster[try await cluster.leader()].store
            let death = try await other.take(Self.deaths, from: "deaths", timeout: .milliseconds(20_000), key: nil)
            await death?.acknowledge()
            #expect(death?.stored.tuple == left.tuple)
            // In the same entry.
            #expect(try await other.count(anyJob, in: "jobs", consistency: .local).count == 1)
            let failure = await #expect(throws: Failure.self) {
                try await store.perform(.acknowledge, under: .passing(in: session))
            }
            #expect(failure?.code == .sessionExpired)
        }
    }

    @Test("A client's death is learnt by a take, and so is that of nobody who said goodbye")
    func deathOfClient() async throws {
        try await withCluster(3) { cluster in
            let watcher = try cluster.client()
            let polite = try cluster.client()
            let session = try await polite.openSession(
                timeout: 1_000, leaving: [FailureTuple(to: polite.space("deaths"), "dead", 1)])
            _ = session
            _ = try await watcher.write(job(1), to: "jobs")
            // It says nothing more: no keep-alive, no goodbye.
            let server = cluster.plan.client.servers[try await cluster.follower()]
            try await onThread {
                let client = try RawClient(to: server.clientAddress, key: server.publicKey)
                guard try client.greet() else { throw TestCluster.Timeout(description: "no welcome") }
                _ = try client.openSession(7, timeout: 1_000)
                let left = FailureTuple(Tuple([.string("dead"), .int(2)]), to: "deaths")
                let leave = try client.command(7, 2, .leave([left]))
                let take = try client.command(7, 3, Self.take)
                guard try client.reply(to: leave) == .done, case .found? = try client.reply(to: take) else {
                    throw TestCluster.Timeout(description: "no take")
                }
            }
            await polite.close()
            let death = try await watcher.space("deaths").take("dead", .any(Int.self), timeout: .seconds(20))
            #expect(death?.1 == 2)
            #expect(try await watcher.count(anyJob, in: "jobs").count == 1)
            #expect(try await watcher.space("deaths").count("dead", .any) == 0)
            await watcher.close()
        }
    }

    @Test("A program that comes back goes on in its session, and learns what it had done")
    func comesBack() async throws {
        try await withCluster(3) { cluster in
            let session = SessionID(.random(in: 1 ... .max))
            let header: @Sendable (UInt64) -> CommandHeader = { CommandHeader(session: session, sequence: $0) }
            let write = Operation.write(space: "jobs", tuple: job(1))
            let before = try cluster.client()
            _ = try await before.perform(.openSession(timeoutMilliseconds: 30_000), under: header(0))
            let written = try await before.perform(write, under: header(1)).reply
            await before.close()
            let after = try cluster.client()
            #expect(try await after.perform(write, under: header(1)).reply == written)
            #expect(try await after.count(anyJob, in: "jobs").count == 1)
            guard case .found = try await after.perform(Self.take, under: header(2)).reply else {
                Issue.record("the take found nothing")
                return
            }
            _ = try await after.perform(.endSession, under: .passing(in: session))
            #expect(try await after.count(anyJob, in: "jobs").count == 1)
            await after.close()
        }
    }
}
