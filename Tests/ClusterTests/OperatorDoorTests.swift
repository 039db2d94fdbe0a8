import ByteCoding
import ClientProtocol
import Raft
import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

@testable import Cluster

@Suite("Requests of operators at the clients' door", .serialized)
struct OperatorDoorTests {
    private static func encoded(_ request: ClusterRequest) -> [UInt8] {
        var writer = ByteWriter()
        request.encode(into: &writer)
        return writer.take()
    }

    private func failure(_ body: () async throws -> Void) async -> Failure? {
        do {
            try await body()
            return nil
        } catch { return error as? Failure }
    }

    @Test(
        "With the operator's key any server takes a change; another key is refused, with the reason, and nothing happens"
    )
    func keys() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let target = cluster[(leader + 1) % 3].node
            let stranger = try cluster.client { $0.keys = try? CurveKeyPair.generate() }
            let refused = await failure { _ = try await stranger.cluster(.transfer(to: target)) }
            #expect(refused?.code == .notAllowed && refused?.message.contains("only an operator") == true)
            await stranger.close()
            #expect(try await cluster.leader() == leader)
            for i in 0..<3 {
                let client = try StarlingClient(
                    servers: [cluster.endpoint(i)], settings: .init(keys: cluster.plan.operatorKey.keys))
                let name = cluster[i].node
                let outcome = try await client.cluster(.transfer(to: name))
                guard case .transferred(name, _) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                await client.close()
            }
        }
    }

    @Test("Refusals of consensus come back with code and sentence")
    func refusals() async throws {
        try await withCluster(1) { cluster in
            let client = try cluster.client { $0.keys = cluster.plan.operatorKey.keys }
            let outcome = try await client.cluster(.change([.remove(cluster[0].node)]))
            guard case .refused(let code, let sentence) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(code == "no-voter-left" && sentence.contains("needs at least 1"))
            await client.close()
        }
    }

    @Test("A server whose plan names no operator takes changes from nobody, and says so")
    func noOperators() async throws {
        try await withCluster(1, configure: { $0.plan.operators = [] }) { cluster in
            let client = try cluster.client { $0.keys = cluster.plan.operatorKey.keys }
            let refused = await failure { _ = try await client.cluster(.transfer(to: nil)) }
            #expect(refused?.code == .notAllowed && refused?.message.contains("told of no operator") == true)
            await client.close()
        }
    }

    @Test("Rubbish instead of a request is refused in words, and the connection goes on")
    func malformed() async throws {
        try await withCluster(1) { cluster in
            let (address, server) = (
                cluster.plan.client.servers[0].clientAddress, cluster.plan.client.servers[0].publicKey
            )
            let keys = cluster.plan.operatorKey.keys
            try await onThread {
                let client = try RawClient(to: address, key: server, keys: keys)
                #expect(try client.greet())
                let whole = Self.encoded(.transfer(to: nil))
                for payload in [[], [9], [1, 200], Array(whole.dropLast()), whole + [0]] as [[UInt8]] {
                    #expect(try client.failure(to: try client.request(7, payload)) == .malformed)
                    #expect(try client.failure(to: try client.request(8, payload)) == .malformed)
                }
                #expect(try client.failure(to: try client.request(99, whole)) == .unsupported)
                #expect(try client.openSession(1) == .done)
            }
        }
    }

    @Test("Nobody speaks for a key that is not its own, and who waits is shown and soon forgotten")
    func joining() async throws {
        try await withCluster(1) { cluster in
            let own = try CurveKeyPair.generate()
            let client = try cluster.client { $0.keys = own }
            let another = [UInt8](repeating: 7, count: 32)
            try await client.announce(joiner(5, "d", key: another))
            let shown = try await eventually("it is shown") { cluster[0].status.joining.first }
            #expect(shown.publicKey == own.publicKey.bytes && shown.role == .learner && shown.promoteWhenCaughtUp)
            for (member, part) in [
                (joiner(6, "s0"), "a member is called s0 already"), (joiner(6, "D\u{1b}[31m"), "the name"),
                (joiner(6, "e", peer: "nowhere"), "is not host:port"), (joiner(0, "e"), "0 is nobody's id"),
            ] {
                let refused = await failure { try await client.announce(member) }
                #expect(refused?.message.contains(part) == true, "\(String(describing: refused))")
            }
            await client.close()
            try await eventually("it is forgotten") { cluster[0].status.joining.isEmpty }
        }
    }
}

@Suite("Who waits to be added")
struct JoinDeskTests {
    @Test("They are bounded, and make room as they fall silent")
    func bounds() throws {
        var desk = JoinDesk()
        for number in 1...JoinDesk.limit {
            try desk.heard(joiner(UInt64(number), "n\(number)"), among: [], at: MonotonicTime(nanoseconds: 0))
        }
        let failure = #expect(throws: Failure.self) {
            try desk.heard(joiner(99, "n99"), among: [], at: MonotonicTime(nanoseconds: 1))
        }
        #expect(failure?.code == .busy && failure?.message.contains("16 servers") == true)
        // One that is there already takes no more room.
        try desk.heard(joiner(3, "n3"), among: [], at: MonotonicTime(nanoseconds: 5_000_000_000))
        let later = MonotonicTime(nanoseconds: 10_500_000_000)
        try desk.heard(joiner(99, "n99"), among: [], at: later)
        #expect(desk.members.map(\.name) == ["n3", "n99"])
    }

    @Test("Another key under the same id takes nobody's place") func impostors() throws {
        var desk = JoinDesk()
        for key in [1, 2, 1] as [UInt8] {
            try desk.heard(joiner(3, "d", key: [UInt8](repeating: key, count: 32)), among: [], at: .zero)
        }
        #expect(desk.members.map { $0.publicKey.first } == [1, 2])
    }

    @Test("A member waits no more; another key under its id is refused")
    func members() throws {
        var desk = JoinDesk()
        let member = joiner(3, "d", key: [UInt8](repeating: 1, count: 32))
        try desk.heard(member, among: [], at: .zero)
        try desk.heard(member, among: [member], at: .zero)
        #expect(desk.members.isEmpty)
        let failure = #expect(throws: Failure.self) {
            try desk.heard(joiner(3, "d", key: [UInt8](repeating: 2, count: 32)), among: [member], at: .zero)
        }
        #expect(failure?.message.contains("with another key") == true)
    }
}

private func joiner(_ id: UInt64, _ name: String, peer: String = "127.0.0.1:1", key: [UInt8] = []) -> Member {
    Member(
        id: NodeID(id), name: name, peerAddress: peer, clientAddress: "127.0.0.1:2", httpAddress: "127.0.0.1:3",
        publicKey: key)
}

extension ClientSettings {
    fileprivate init(keys: CurveKeyPair) {
        self.init()
        self.keys = keys
    }
}
