import Foundation
import Glibc
import Raft
import Replica
import StarlingClient
import Synchronization
import Testing
import TupleSpace
import WriteAheadLog
import ZeroMQ

@testable import Cluster

/// Real servers in this process: threads, files in a temporary directory, sockets on free ports, CURVE on.
final class TestCluster: Sendable {
    struct Timeout: Error, CustomStringConvertible {
        var description: String
    }

    let plan: ClusterPlan
    let directory: String
    private let configure: @Sendable (inout ServerConfiguration) -> Void
    private let servers: Mutex<[Server?]>
    private let told = Mutex<[String]>([])
    private let failed = Mutex<[String]>([])
    private let removals = Mutex<[String: LogIndex?]>([:])
    private let adjustments = Mutex<[Int: @Sendable (inout ServerConfiguration) -> Void]>([:])
    private let joiners = Mutex<[Server]>([])

    init(_ count: Int, configure: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }) throws {
        var ports = FreePorts()
        plan = try ClusterPlan(
            (0..<count).map { number in
                ServerPlacement(
                    name: "s\(number)", host: "127.0.0.1", peerPort: ports.next(), clientPort: ports.next(),
                    httpPort: ports.next())
            })
        directory = try temporaryDirectory()
        self.configure = configure
        servers = Mutex(Array(repeating: nil, count: count))
    }

    var count: Int { plan.servers.count }
    /// What the servers logged.
    var log: [String] { told.withLock { $0 } }
    /// Why servers said that they cannot go on.
    var failures: [String] { failed.withLock { $0 } }
    /// Servers that learnt that they were removed, by name, and since when.
    var removed: [String: LogIndex?] { removals.withLock { $0 } }
    var running: [Server] { servers.withLock { $0.compactMap { $0 } } }

    subscript(i: Int) -> Server {
        servers.withLock { servers in
            guard let server = servers[i] else { fatalError("server \(i) is not running") }
            return server
        }
    }

    func path(_ i: Int) -> String { directory + "/s\(i)" }

    func configuration(_ i: Int) -> ServerConfiguration {
        var configuration = ServerConfiguration(dataDirectory: path(i), plan: plan.servers[i])
        // Small, so that many servers can be made and removed.
        configuration.log.segmentBytes = 1 << 20
        configuration.log.freeBytesKept = 1 << 20
        configure(&configuration)
        adjustments.withLock { $0[i] }?(&configuration)
        return configuration
    }

    /// How a server is started from now on, beside what holds for all.
    func adjust(_ i: Int, _ change: (@Sendable (inout ServerConfiguration) -> Void)?) {
        adjustments.withLock { $0[i] = change }
    }

    /// Starts a server that no plan knows, and that waits to be added; with the member that it would be.
    func join(_ name: String, knowing members: [Member]) async throws -> (server: Server, member: Member) {
        var ports = FreePorts()
        let fresh = try ClusterPlan([
            ServerPlacement(
                name: name, host: "127.0.0.1", peerPort: ports.next(), clientPort: ports.next(), httpPort: ports.next())
        ]).servers[0]
        let plan = ServerPlan(
            cluster: client.cluster, name: name, keys: fresh.keys, servers: fresh.servers)
        var configuration = ServerConfiguration(dataDirectory: directory + "/" + name, plan: plan)
        configuration.log.segmentBytes = 1 << 20
        configuration.log.freeBytesKept = 1 << 20
        configuration.joins = true
        configuration.memberFile = members
        let server = try await open(configuration)
        joiners.withLock { $0.append(server) }
        let own = plan.own
        let member = Member(
            id: server.node, name: name, peerAddress: own.peerAddress, clientAddress: own.clientAddress,
            httpAddress: own.httpAddress, role: .learner, publicKey: own.publicKey.bytes, promoteWhenCaughtUp: true)
        return (server, member)
    }

    private var client: ClientPlan { plan.client }

    private func open(_ configuration: ServerConfiguration) async throws -> Server {
        let name = configuration.plan.name
        return try await onThread {
            try Server(
                configuration, statusJSON: { "{\"name\":\"\($0.name)\"}" },
                log: { _, line in self.told.withLock { $0.append("\(name): \(line)") } },
                onRemoved: { index in self.removals.withLock { $0[name] = .some(index) } },
                onFailure: { reason in self.failed.withLock { $0.append("\(name): \(reason)") } })
        }
    }

    // MARK: - Coming and going

    /// libzmq closes the sockets of a server that stopped a moment later: until then its ports are in use.
    func start(_ i: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            do {
                return try await startOnce(i)
            } catch let failure as StartFailure where failure.description.contains("in use. Stop what uses it") {
                guard ContinuousClock.now < deadline else { throw failure }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private func startOnce(_ i: Int) async throws {
        let server = try await open(configuration(i))
        servers.withLock { $0[i] = server }
    }

    func startAll() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 0..<count { group.addTask { try await self.start(i) } }
            try await group.waitForAll()
        }
        try await leader()
    }

    func stop(_ i: Int, handsOver: Bool = true) async throws {
        let server = servers.withLock { servers in
            defer { servers[i] = nil }
            return servers[i]
        }
        guard let server else { return }
        try await onThread { server.stop(handsOver: handsOver) }
    }

    func end() async {
        for i in 0..<count { try? await stop(i) }
        let joined = joiners.withLock { joiners in
            defer { joiners = [] }
            return joiners
        }
        for server in joined { try? await onThread { server.stop() } }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Waits until a server leads and all that run know of it.
    @discardableResult
    func leader() async throws -> Int {
        try await eventually("a leader is known to all who run") {
            let current = self.servers.withLock { $0 }
            guard let leader = current.firstIndex(where: { $0?.status.isLeader == true }) else { return nil }
            let id = current[leader]?.node
            return current.allSatisfy { $0 == nil || $0?.status.leader == id } ? leader : nil
        }
    }

    /// A server that runs and does not lead.
    func follower() async throws -> Int {
        let leader = try await leader()
        return (0..<count).first { i in i != leader && servers.withLock { $0[i] != nil } } ?? leader
    }

    func endpoint(_ i: Int) -> ServerEndpoint {
        let server = plan.client.servers[i]
        guard let endpoint = ServerEndpoint(server.clientAddress, publicKey: server.publicKey) else {
            fatalError("the plan's addresses can be read")
        }
        return endpoint
    }

    func client(_ change: (inout ClientSettings) -> Void = { _ in }) throws -> StarlingClient {
        var settings = ClientSettings()
        settings.cluster = plan.client.cluster.rawValue
        change(&settings)
        return try StarlingClient(servers: (0..<count).map(endpoint), settings: settings)
    }
}

/// Runs a test on a cluster, and leaves nothing behind.
func withCluster(
    _ count: Int, starts: Bool = true, configure: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestCluster) async throws -> Void
) async throws {
    let cluster = try TestCluster(count, configure: configure)
    do {
        if starts { try await cluster.startAll() }
        try await body(cluster)
    } catch {
        let log = cluster.log.suffix(30).joined(separator: "\n")
        await cluster.end()
        print("the cluster's log:\n\(log)")
        throw error
    }
    await cluster.end()
}

/// Asks again and again until there is an answer.
@discardableResult
func eventually<Value>(
    _ sentence: String, within: Duration = .seconds(20), _ condition: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + within
    while ContinuousClock.now < deadline {
        if let value = try await condition() { return value }
        try await Task.sleep(for: .milliseconds(5))
    }
    throw TestCluster.Timeout(description: "it never came about that \(sentence)")
}

func eventually(_ sentence: String, within: Duration = .seconds(20), _ condition: () async throws -> Bool) async throws
{
    _ = try await eventually(sentence, within: within) { try await condition() ? true : nil }
}

/// Writes at one server, as soon as it takes a write, and reads at another, linearizably.
func expectFlow(_ from: Server, _ to: Server, _ number: Int) async throws {
    try await eventually("a write at \(from.name) is taken") {
        do throws(Failure) {
            _ = try await from.store.write(job(number), to: "flow", key: nil)
            return true
        } catch {
            guard [.noLeader, .busy, .outcomeUnknown].contains(error.code) else { throw error }
            return false
        }
    }
    let count = try await to.store.count(exactly(number), in: "flow", consistency: .linearizable).count
    #expect(count >= 1)
}

/// Runs what blocks on a thread of its own: the few threads of Swift's tasks are for what does not.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do throws(ZeroMQError) {
            try startThread(named: "test") { continuation.resume(with: Result { try body() }) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

func temporaryDirectory() throws -> String {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("starling-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url.path
}

/// Ports that nobody listens at now, below those that the system gives to whoever connects. Two never give the same.
struct FreePorts {
    private static let given = Mutex<Set<UInt16>>([])

    mutating func next() -> UInt16 {
        while true {
            let port = UInt16.random(in: 12_000..<32_000)
            guard Self.isFree(port), Self.given.withLock({ $0.insert(port).inserted }) else { continue }
            return port
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

func job(_ number: Int) -> Tuple { Tuple([.string("job"), .int(Int64(number))]) }
let anyJob = Template([.literal(.string("job")), .any])
func exactly(_ number: Int) -> Template { Template(job(number).fields.map { .literal($0) }) }
