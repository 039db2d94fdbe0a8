import ByteCoding
import ClientProtocol
import Raft
@testable import Replica
import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

@testable import Cluster

@Suite("Bad input at the clients' door", .serialized)
struct ClientDoorTests {
    /// A server alone, a thread for what blocks, and proof afterwards that the server still serves others.
    private func withServer(_ body: @escaping @Sendable (String, CurvePublicKey) throws -> Void) async throws {
        try await withCluster(1) { cluster in
            let server = cluster.plan.client.servers[0]
            try await onThread { try body(server.clientAddress, server.publicKey) }
            let client = try cluster.client()
            _ = try await client.write(job(1), to: "after")
            #expect(try await client.count(anyJob, in: "after").count == 1)
            await client.close()
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("Frames that are no frames are refused in words, and the connection goes on")
    func malformed() async throws {
        try await withServer { address, key in
            let client = try RawClient(to: address, key: key)
            for frame: [UInt8] in [
                [], [99], [0], [1], [1, 1], [3, 1], [129], [130, 1, 2], [255], [UInt8](repeating: 255, count: 5_000),
            ] {
                try client.send(frame)
                let code = try client.refusal()
                #expect(
                    code == .malformed || code == .notAllowed || code == .unsupported,
                    "\(frame.prefix(4)): \(String(describing: code))")
            }
            try client.send([1], [2], [3])
            #expect(try client.refusal() == .malformed)
            try client.send([2])
            #expect(try client.refusal() == .notAllowed, "requests before a hello")
            #expect(try client.greet())
            // A request that claims more than there is.
            try client.send([2, 1, 1, 200, 1])
            #expect(try client.refusal() == .malformed)
            #expect(try client.openSession(1) == .done)
        }
    }

    @Test("A hello of another version or cluster is refused, and gives no rights")
    func hellos() async throws {
        try await withServer { address, key in
            let client = try RawClient(to: address, key: key)
            try client.send([1, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            #expect(try client.refusal() == .unsupported)
            try client.hello(cluster: 12345)
            #expect(try client.refusal() == .notAllowed)
            try client.hello(token: String(repeating: "x", count: FrameLimits.tokenBytes + 1))
            #expect(try client.refusal() == .malformed)
            try client.query(.count(space: "s", template: anyJob))
            #expect(try client.refusal() == .notAllowed)
        }
    }

    @Test("Requests of unknown kinds, and with rubbish in them, are answered one by one")
    func requests() async throws {
        try await withServer { address, key in
            let client = try RawClient(to: address, key: key)
            #expect(try client.greet())
            let unknown = try client.request(200, [1, 2, 3])
            let cut = try client.request(ClientRequestKind.command.rawValue, [1, 2])
            let nobody = try client.command(0, 1, .expireSessions([SessionID(1)]))
            let query = try client.request(ClientRequestKind.query.rawValue, [2, 0, 0, 250, 1, 2])
            let subscribe = try client.request(ClientRequestKind.subscribe.rawValue, [0xFF])
            let big = try client.command(
                5, 1, .write(space: "s", tuple: Tuple([.bytes([UInt8](repeating: 1, count: 2 << 20))])))
            #expect(try client.failure(to: unknown) == .unsupported)
            #expect(try client.failure(to: cut) == .malformed)
            #expect(try client.failure(to: nobody) == .malformed)
            #expect(try client.failure(to: query) == .malformed)
            #expect(try client.failure(to: subscribe) == .malformed)
            #expect(try client.failure(to: big) == .tupleTooLarge)
            let noSession = try client.command(999, 1, .write(space: "s", tuple: job(1)))
            #expect(try client.failure(to: noSession) == .sessionExpired)
        }
    }

    @Test("What needs nobody else is answered at once, though nothing else happens in the cluster")
    func atOnce() async throws {
        try await withServer { address, key in
            let client = try RawClient(to: address, key: key)
            #expect(try client.greet())
            for _ in 0..<5 {
                let status = try client.request(ClientRequestKind.status.rawValue, [])
                #expect(try client.response(to: status, withinMilliseconds: 2_000)?.kind == .status)
                let alive = try client.request(ClientRequestKind.keepAlive.rawValue, [UInt8](repeating: 1, count: 8))
                #expect(try client.reply(to: alive, withinMilliseconds: 2_000) == .done)
                let read = try client.query(.read(space: "s", template: anyJob), .local, timeout: .forever)
                var writer = ByteWriter()
                CancelRequest(id: read).encode(into: &writer)
                try client.request(ClientRequestKind.cancel.rawValue, writer.take())
                #expect(try client.reply(to: read, withinMilliseconds: 2_000) == .noMatch)
            }
        }
    }

    @Test("A request that is asked again under its id takes the earlier one's place, and nothing is left behind")
    func again() async throws {
        try await withCluster(1) { cluster in
            let server = cluster.plan.client.servers[0]
            try await onThread {
                let client = try RawClient(to: server.clientAddress, key: server.publicKey)
                guard try client.greet() else { throw TestCluster.Timeout(description: "no welcome") }
                _ = try client.openSession(1)
                let operation = Operation.take(space: "s", template: anyJob, timeout: .forever, holds: true)
                for _ in 0..<50 { try client.command(1, 2, operation, id: 1_000) }
                var writer = ByteWriter()
                SubscribeRequest(space: "s", template: nil, position: nil).encode(into: &writer)
                for _ in 0..<50 { try client.request(ClientRequestKind.subscribe.rawValue, writer.bytes, id: 1_001) }
                // A new hello begins anew.
                try client.hello()
                let write = try client.command(1, 3, .write(space: "s", tuple: job(1)))
                #expect(try client.reply(to: write) != nil)
            }
            let replica = try await cluster.look { ($0.pendingCommandCount, $0.subscriptions.count) }
            #expect(replica == (0, 0))
        }
    }

    @Test("A frame beyond the limit cuts its sender off, and nobody else")
    func oversized() async throws {
        try await withServer { address, key in
            let client = try RawClient(to: address, key: key)
            #expect(try client.greet())
            try client.send([UInt8](repeating: 2, count: FrameLimits.frameBytes + 1))
            #expect(try client.receive(withinMilliseconds: 500) == nil)
            let other = try RawClient(to: address, key: key)
            #expect(try other.greet())
        }
    }

    @Test("Without CURVE, or expecting another server's key, nobody gets in")
    func keys() async throws {
        try await withServer { address, key in
            let plain = try RawClient(to: address, key: nil)
            try plain.hello()
            let wrong = try RawClient(to: address, key: try CurveKeyPair.generate().publicKey)
            try wrong.hello()
            #expect(try plain.receive(withinMilliseconds: 700) == nil)
            #expect(try wrong.receive(withinMilliseconds: 700) == nil)
            let right = try RawClient(to: address, key: key)
            #expect(try right.greet())
        }
    }
}

extension TestCluster {
    /// Looks into a server's replica, on its thread.
    func look<Value: Sendable>(_ i: Int = 0, _ body: @escaping @Sendable (borrowing Replica) -> Value) async throws
        -> Value
    {
        let inbox = self[i].inbox
        return await withCheckedContinuation { continuation in
            inbox.post(.run { continuation.resume(returning: body($0)) })
        }
    }
}
