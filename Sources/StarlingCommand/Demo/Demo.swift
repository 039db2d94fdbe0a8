import Cluster
import Foundation
import Raft
import StarlingClient

/// The attended demo: starts, loads, explains, and watches until it is told to end.
struct Demo {
    let cluster: DemoCluster
    let isNew: Bool
    /// Nil: load none.
    let fortunes: String?
    let restarts: Bool

    func run(until signals: StopSignals) async throws {
        try Self.checkPorts(cluster)
        let result: Result<Void, any Error> = await withTaskGroup(of: Result<Void, any Error>.self) { group in
            group.addTask {
                do {
                    try await play()
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                for await _ in signals.requests { break }
                Terminal.line()
                return .success(())
            }
            let first = await group.next() ?? .success(())
            group.cancelAll()
            return first
        }
        Terminal.line("stopping the servers")
        let problems = await cluster.stopAll()
        for problem in problems { Terminal.line("  \(problem)") }
        try result.get()
        guard problems.isEmpty else {
            throw Complaint(.failed, "not every server ended in order; the logs are in \(cluster.directory.path)")
        }
        Terminal.line("all is kept in \(cluster.directory.path); `starling demo` goes on from there")
    }

    static func checkPorts(_ cluster: DemoCluster) throws(Complaint) {
        for server in cluster.plan.servers {
            for text in [server.clientAddress, server.httpAddress] {
                let address = try ListenAddress(text, "the plan's address of server \(server.name)")
                guard address.isFree else {
                    throw Complaint(
                        .failed,
                        """
                        port \(address.port) is in use: does another demo run? If it is another program's, choose \
                        other ports and \
                        another directory: starling demo --port-base 17440 --data \(cluster.directory.path)-2
                        """)
                }
            }
        }
    }

    private func play() async throws {
        let clock = ContinuousClock()
        let began = clock.now
        Terminal.line(
            "\(isNew ? "a new cluster" : "the cluster") of \(cluster.names.count) servers in \(cluster.directory.path)")
        for name in cluster.names { try cluster.start(name) }
        let leader = try await cluster.wait(for: "a leader is elected") { await cluster.leader() }
        Terminal.line("server \(leader) leads after \(Figures.text(clock.now - began))")
        try await cluster.waitUntilReady()
        let context = SavedContext(
            servers: cluster.plan.servers.map(\.clientAddress), clientFile: cluster.directory.clientFile,
            operatorFile: cluster.directory.operatorFile, savedBy: "starling demo")
        try context.save()
        if let fortunes { try await load(fortunes) }
        await explain()
        await watch()
    }

    private func load(_ directory: String) async throws {
        let client = try ClusterAddress(cluster).client()
        let loader = try FortuneLoader(directory: directory, store: client)
        let bar = ProgressBar("posting fortunes", total: loader.total)
        let summary = try await loader.load { bar.show($0) }
        bar.end()
        await client.close()
        for line in summary.lines { Terminal.line(line) }
    }

    private func explain() async {
        Terminal.line()
        for server in cluster.plan.servers {
            Terminal.line("    http://\(server.httpAddress)/")
        }
        Terminal.line()
        await printServers()
        let victim = cluster.plan.servers.first?.name ?? "a"
        let program = CommandLine.arguments.first ?? "starling"
        Terminal.line(
            """

            What to try:
              open two of the pages, post at one, and see it at the other; look at /cluster
              \(program) post --topic hello "Good morning"
              \(program) timeline --limit 3
              \(program) cluster status
              kill any server, the leader too: kill -9 PID, or type here: kill \(victim)
              go on posting and reading; then start it again and see it catch up: start \(victim)
            Lines to type here: status, kill NAME, stop NAME, start NAME, quit. Ctrl-C ends everything.

            """)
    }

    /// A line a server: role, process, how far it is.
    private func printServers() async {
        var table = Table(
            ("", .left), ("SERVER", .left), ("ROLE", .left), ("PID", .right), ("APPLIED", .right), ("PAGE", .left))
        for server in cluster.plan.servers {
            let own = await cluster.report(from: server.name)?.own
            let pid = cluster.pid(server.name)
            table.add(
                own.map(ClusterReport.mark) ?? "✗", server.name,
                own?.role ?? (pid == nil ? "not running" : "not answering"),
                pid.map { String($0) } ?? "-", own?.appliedIndex.map { Figures.grouped(Int(clamping: $0)) } ?? "-",
                "http://\(server.httpAddress)/")
        }
        for line in table.lines { Terminal.line(line) }
    }

    // MARK: Watching

    /// Until a line says quit, or the task is cancelled.
    private func watch() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await departure in cluster.departures { await tell(departure) }
            }
            group.addTask {
                guard DemoConsole.hasPerson else {
                    // Nobody types: until the task is cancelled.
                    for await _ in AsyncStream<Void>.makeStream().stream {}
                    return
                }
                for await line in DemoConsole.lines() {
                    guard await obey(line) else { return }
                }
            }
            // Departures end only with the task; so this is the end of the lines.
            await group.next()
            group.cancelAll()
        }
    }

    private func tell(_ departure: DemoCluster.Departure) async {
        let name = departure.name
        Terminal.line("server \(name) (pid \(departure.pid)) \(departure.exit.text)")
        if case .code = departure.exit { Terminal.line("it said:\n\(cluster.directory.logTail(name))") }
        if restarts {
            try? await Task.sleep(for: .seconds(1))
            if !Task.isCancelled { start(name) }
        } else {
            Terminal.line("start it again here with: start \(name)\nor in another terminal: \(cluster.command(name))")
        }
    }

    private func start(_ name: String) {
        do throws(Complaint) {
            try cluster.start(name)
            Terminal.line("server \(name) starts: pid \(cluster.pid(name).map { String($0) } ?? "-")")
        } catch {
            Terminal.line(error.text)
        }
    }

    /// - Returns: whether to go on.
    private func obey(_ line: String) async -> Bool {
        let words = line.split(separator: " ").map(String.init)
        switch (words.first, words.dropFirst().first) {
        case (nil, _): break
        case ("quit", _), ("exit", _): return false
        case ("status", _): await printServers()
        case ("start", let name?) where cluster.names.contains(name):
            if cluster.pid(name) == nil {
                start(name)
                await tellWhenReady(name)
            } else {
                Terminal.line("server \(name) runs already")
            }
        case ("kill", let name?) where cluster.names.contains(name):
            let exit = await cluster.kill(name)
            Terminal.line("server \(name) \(exit?.text ?? "does not run"). Go on posting; then: start \(name)")
        case ("stop", let name?) where cluster.names.contains(name):
            let exit = await cluster.stop(name)
            Terminal.line("server \(name) \(exit?.text ?? "does not run"). Go on posting; then: start \(name)")
        default:
            Terminal.line(
                "lines are: status, kill NAME, stop NAME, start NAME, quit; names are "
                    + "\(cluster.names.joined(separator: ", "))"
            )
        }
        return true
    }

    private func tellWhenReady(_ name: String) async {
        let clock = ContinuousClock()
        let began = clock.now
        while cluster.pid(name) != nil, clock.now - began < .seconds(30) {
            if await cluster.isReady(name) {
                return Terminal.line("server \(name) has caught up after \(Figures.text(clock.now - began))")
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }
}

extension ClusterAddress {
    /// A demo's own cluster.
    init(_ cluster: DemoCluster, startingAt name: String? = nil) throws(Complaint) {
        timeout = 10_000
        self.cluster = cluster.plan.cluster.rawValue
        let servers = cluster.plan.servers
        let first = servers.firstIndex { $0.name == name } ?? 0
        endpoints = []
        for server in servers[first...] + servers[..<first] {
            guard let endpoint = ServerEndpoint(server.clientAddress, publicKey: server.publicKey) else {
                throw Complaint(.failed, "the plan's client address \(server.clientAddress) is not HOST:PORT")
            }
            endpoints.append(endpoint)
        }
    }
}
