import Gateways
import Logging
import Testing
import TupleSpace

/// A cluster of three in which nothing happens.
struct FakeCluster: ClusterView {
    var leader: String? = "b"
    var joining: [ClusterStatus.Member] = []
    var checks = [HealthCheck(name: "has-leader", isOK: true, detail: "b leads")]
    var isAlive = true

    func snapshot() async -> ClusterStatus {
        ClusterStatus(
            clusterID: "c1", server: "a", leader: leader,
            members: [
                .init(
                    id: 1, name: "a", httpAddress: "127.0.0.1:1", role: .follower, isReachable: true, term: 3,
                    commitIndex: 41),
                .init(
                    id: 2, name: "b", httpAddress: "127.0.0.1:2", role: .leader, isReachable: true, term: 3,
                    commitIndex: 42,
                    trailsBy: 0, roundTripMilliseconds: 0.25),
                .init(
                    id: 3, name: "c", httpAddress: "127.0.0.1:3", role: .follower, isReachable: false, trailsBy: 12_345),
            ],
            commitLatency: [.init(percent: 50, milliseconds: 0.5), .init(percent: 99.9, milliseconds: 2)],
            events: [.init(millisecondsSince1970: 1_700_000_000_000, text: "b became leader <in> term 3")], tuples: 7,
            joining: joining)
    }

    func readiness() async -> [HealthCheck] { checks }
    func liveness() async -> HealthCheck {
        .init(name: "replica-thread", isOK: isAlive, detail: isAlive ? "" : "silent")
    }
    func metrics() async -> [MetricFamily] { [.gauge("starling_tuples", "Tuples kept.", 7)] }
}

/// Runs a server on a free port while the closure runs, then stops it and waits until it has.
func withServer(
    store: any SharedTupleStore = InMemoryTupleStore(), cluster: FakeCluster = FakeCluster(),
    heartbeat: Duration = .seconds(15),
    _ body: (RawClient) async throws -> Void
) async throws {
    let (ports, source) = AsyncStream.makeStream(of: Int.self)
    let server = try GatewayServer(
        store: store, cluster: cluster, configuration: .init(port: 0, heartbeat: heartbeat),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let running = Task {
        defer { source.finish() }
        try await server.run { source.yield($0) }
    }
    var iterator = ports.makeAsyncIterator()
    let port = try #require(await iterator.next())
    let result: Result<Void, any Error>
    do { result = .success(try await body(RawClient(port: port))) } catch { result = .failure(error) }
    running.cancel()
    try await running.value
    try result.get()
}

/// Waits until something that happens in another task holds; fails the test after ten seconds.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("never came true: \(what)")
}

/// A store that does nothing but fail.
struct FailingStore: SharedTupleStore {
    var code: Failure.Code
    private var failure: Failure { Failure(code, "a sentence about it") }

    func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        throw failure
    }
    func perform(
        _ operation: TupleSpace.Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) { throw failure }
    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? { throw failure }
    func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) { throw failure }
    func ask(
        _ query: Query, consistency: Consistency
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        // What a server without a majority still can: tell what it has.
        guard case .readAll = query, consistency == .local else { throw failure }
        return (.tuples([], more: false), Position(index: 0, ordinal: 0))
    }
    func acting(as credential: Credential) -> any TupleStore { self }
    func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream { throw failure }
}
