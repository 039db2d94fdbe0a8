import Microblog
import StarlingClient
import Synchronization
import TupleSpace

/// Posts numbered messages without pause at all servers, and keeps which were acknowledged.
final class CheckWriters: Sendable {
    struct Figures: Sendable {
        var sent = 0
        var acknowledged = 0
        var unknown = 0
        /// From a post's beginning to its acknowledgement.
        var longest = Duration.zero
    }

    static let user = "check"
    private static let writersPerServer = 4
    /// Between two posts of one writer: the load should be there, and not be all that the machine does.
    private static let pause = Duration.milliseconds(4)

    private struct State {
        var figures = Figures()
        var acknowledged: [Int] = []
        var problem: String?
    }

    private let topic: String
    private let cluster: DemoCluster
    private let clients: Mutex<[String: StarlingClient]> = Mutex([:])
    private let state = Mutex(State())
    private let work = Mutex<Task<Void, Never>?>(nil)
    private let clock = ContinuousClock()

    init(topic: String, cluster: DemoCluster) {
        self.topic = topic
        self.cluster = cluster
    }

    var figures: Figures { state.withLock { $0.figures } }
    /// Ascending.
    var acknowledged: [Int] { state.withLock { $0.acknowledged.sorted() } }

    /// Starts writers that begin at each server.
    func begin() async throws {
        for name in cluster.names {
            let client = try ClusterAddress(cluster, startingAt: name).client(startingAnywhere: false)
            clients.withLock { $0[name] = client }
        }
        let all = clients.withLock { $0 }
        let task = Task {
            await withTaskGroup(of: Void.self) { group in
                for client in all.values {
                    for _ in 0..<Self.writersPerServer { group.addTask { await self.write(through: client) } }
                }
            }
        }
        work.withLock { $0 = task }
    }

    func end() async {
        let task = work.withLock { $0 }
        task?.cancel()
        await task?.value
        for client in clients.withLock({ $0 }).values { await client.close() }
    }

    private func write(through client: StarlingClient) async {
        while !Task.isCancelled {
            _ = await post(through: client)
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// - Returns: when it was acknowledged; nil if it was not.
    private func post(through client: StarlingClient) async -> ContinuousClock.Instant? {
        let number = state.withLock { state in
            state.figures.sent += 1
            return state.figures.sent
        }
        let began = clock.now
        // Shielded from cancellation, so that what was sent is awaited and its outcome known.
        let outcome = await Task {
            try? await Blog(store: client).post(user: Self.user, topic: topic, message: "post \(number)")
        }.value
        let now = clock.now
        state.withLock { state in
            if outcome == nil {
                state.figures.unknown += 1
            } else {
                state.figures.acknowledged += 1
                state.acknowledged.append(number)
                state.figures.longest = max(state.figures.longest, now - began)
            }
        }
        return outcome == nil ? nil : now
    }

    /// Posts anew at each of these servers.
    /// - Returns: when the first of these posts was acknowledged.
    func firstSuccess(at names: [String]) async throws -> ContinuousClock.Instant {
        let clients = clients.withLock { all in names.compactMap { all[$0] } }
        let first = await withTaskGroup(of: ContinuousClock.Instant?.self) { group in
            for client in clients { group.addTask { await self.post(through: client) } }
            var first: ContinuousClock.Instant?
            for await instant in group { first = [first, instant].compactMap { $0 }.min() }
            return first
        }
        guard let first else {
            throw Complaint(.failed, "no post succeeded after the leader was killed")
        }
        return first
    }
}

extension ClusterAddress {
    func client(startingAnywhere: Bool) throws(Complaint) -> StarlingClient {
        var settings = ClientSettings()
        settings.cluster = cluster
        settings.operationTimeout = timeout
        settings.startsAnywhere = startingAnywhere
        do {
            return try StarlingClient(servers: endpoints, settings: settings)
        } catch {
            throw Complaint(.failed, "no connection can be made: \(error)")
        }
    }
}
