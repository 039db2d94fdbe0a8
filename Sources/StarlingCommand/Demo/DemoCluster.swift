import Cluster
import Foundation
import Synchronization

/// The servers of a demo, each a process of this very program.
final class DemoCluster: Sendable {
    struct Departure: Sendable {
        var name: String
        var pid: pid_t
        var exit: ChildExit
    }

    let directory: DemoDirectory
    let plan: ClientPlan
    private let transport: TransportName
    /// Ends of servers that nobody asked for.
    let departures: AsyncStream<Departure>
    private let departed: AsyncStream<Departure>.Continuation
    private let executable: String
    private let environment: [String: String]
    private let children = Mutex<[String: ChildProcess]>([:])
    private let expected = Mutex<Set<pid_t>>([])

    init(_ directory: DemoDirectory, _ plan: ClientPlan, _ transport: TransportName) throws(Complaint) {
        self.directory = directory
        self.plan = plan
        self.transport = transport
        if transport == .http { try directory.makeCertificates(plan) }
        (departures, departed) = AsyncStream.makeStream()
        do {
            executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        } catch {
            throw Complaint(.failed, "cannot find this program's own file: \(error.localizedDescription)")
        }
        // The servers get what the demo decided, and nothing that this user has set for other servers.
        var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("STARLING_") }
        environment["XDG_CONFIG_HOME"] = directory.path
        self.environment = environment
    }

    var names: [String] { plan.servers.map(\.name) }

    func server(_ name: String) -> ClientPlan.Server? { plan.servers.first { $0.name == name } }

    func pid(_ name: String) -> pid_t? {
        children.withLock { $0[name] }.flatMap { $0.isRunning ? $0.pid : nil }
    }

    var running: [String] { names.filter { pid($0) != nil } }

    // MARK: Starting and ending

    private func arguments(_ name: String) -> [String] {
        ["serve", "--data", directory.data(name), "--name", name, "--plan", directory.planFile(name)]
            + (transport == .http ? ["--transport", "http"] : [])
    }

    /// What a person would type to start the server again.
    func command(_ name: String) -> String {
        ([executable] + arguments(name)).map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(separator: " ")
    }

    func start(_ name: String) throws(Complaint) {
        let child = try ChildProcess(
            executable, arguments(name) + ["--ends-with-input"], environment: environment, log: directory.log(name))
        children.withLock { $0[name] = child }
        Task {
            let exit = await child.exit()
            guard !expected.withLock({ $0.contains(child.pid) }) else { return }
            departed.yield(Departure(name: name, pid: child.pid, exit: exit))
        }
    }

    /// - Returns: how it ended; nil if it is not running.
    @discardableResult
    func kill(_ name: String) async -> ChildExit? {
        guard let child = children.withLock({ $0[name] }), child.isRunning else { return nil }
        _ = expected.withLock { $0.insert(child.pid) }
        child.send(SIGKILL)
        return await child.exit()
    }

    /// - Returns: how it ended; nil if it is not running.
    @discardableResult
    func stop(_ name: String) async -> ChildExit? {
        guard let child = children.withLock({ $0[name] }), child.isRunning else { return nil }
        _ = expected.withLock { $0.insert(child.pid) }
        return await child.stop()
    }

    /// All at once.
    /// - Returns: the ends that were not in order.
    func stopAll() async -> [String] {
        await withTaskGroup(of: String?.self) { group in
            for name in names {
                group.addTask { [self] in
                    guard let exit = await stop(name), exit != .code(0) else { return nil }
                    return "server \(name) \(exit.text)"
                }
            }
            return await group.reduce(into: []) { if let text = $1 { $0.append(text) } }
        }
    }

    // MARK: Asking

    /// How the cluster looks from one server; nil if that does not answer.
    func report(from name: String) async -> ClusterReport? {
        guard let server = server(name),
            let response = try? await LocalHTTP.ask(server.httpAddress, "/v1/cluster", within: .seconds(2)),
            response.status == 200
        else { return nil }
        return try? ClusterReport(json: response.body)
    }

    func isReady(_ name: String) async -> Bool {
        guard let server = server(name) else { return false }
        return (try? await LocalHTTP.ask(server.httpAddress, "/readyz", within: .seconds(2)))?.status == 200
    }

    /// The leader that a server knows of and that says so itself.
    func leader() async -> String? {
        for name in running {
            if let report = await report(from: name), report.leader == name { return name }
        }
        return nil
    }

    /// Asks until the answer is not nil.
    /// - Throws: when the time is up, or a server ends that nobody told to.
    func wait<Answer>(
        for what: String, within time: Duration = .seconds(30), _ ask: () async throws -> Answer?
    ) async throws -> Answer {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while true {
            if let answer = try await ask() { return answer }
            try Task.checkCancellation()
            try checkChildren()
            guard clock.now < deadline else {
                throw Complaint(
                    .failed, "\(what): not so after \(Figures.text(time)). The logs are in \(directory.path).")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func checkChildren() throws(Complaint) {
        let expected = expected.withLock { $0 }
        for (name, child) in children.withLock({ $0 }).sorted(by: { $0.key < $1.key })
        where !child.isRunning && !expected.contains(child.pid) {
            throw Complaint(
                .failed, "server \(name) (pid \(child.pid)) has ended; it said:\n\(directory.logTail(name))")
        }
    }

    /// Waits until a leader is known at every running server, and each has caught up.
    func waitUntilReady(within time: Duration = .seconds(60)) async throws {
        for name in running {
            _ = try await wait(for: "server \(name) is ready", within: time) { await isReady(name) ? true : nil }
        }
    }
}
