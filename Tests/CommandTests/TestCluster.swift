import Foundation
import Testing

/// Servers of the built program on this machine. `end` must be called.
final class TestCluster {
    let directory: TemporaryDirectory
    let names: [String]
    let base: Int
    private var processes: [String: Process] = [:]

    init(servers count: Int) async throws {
        directory = try TemporaryDirectory()
        names = Array(["a", "b", "c", "d", "e"].prefix(count))
        base = Ports.base(for: count)
        let list = names.enumerated().map { "\($0.element)=127.0.0.1:\(base + $0.offset)" }.joined(separator: ",")
        let result = try await Program.run(["cluster", "plan", "--servers", list, "--out", "plan"], in: directory)
        try #require(result.code == 0, "\(result.errors)")
    }

    func clientAddress(_ name: String) -> String { "127.0.0.1:\(base + 20 + (names.firstIndex(of: name) ?? 0))" }
    func httpAddress(_ name: String) -> String { "127.0.0.1:\(base + 40 + (names.firstIndex(of: name) ?? 0))" }

    func httpPort(_ name: String) throws -> Int { base + 40 + (try #require(names.firstIndex(of: name))) }

    func serveArguments(_ name: String) -> [String] {
        ["serve", "--data", "data-\(name)", "--name", name, "--plan", "plan/\(name).plan.json"]
    }

    func log(_ name: String) -> String {
        (try? String(contentsOfFile: "\(directory.path)/\(name).log", encoding: .utf8)) ?? ""
    }

    func start(_ name: String, _ more: [String] = []) throws {
        try launch(name, serveArguments(name) + more)
    }

    /// A server that no plan knows asks the cluster to be added.
    /// - Returns: the first of its three ports.
    @discardableResult
    func startJoining(_ name: String, base: Int? = nil, _ more: [String] = []) throws -> Int {
        let base = base ?? Ports.base()
        try launch(
            name,
            [
                "serve", "--data", "data-\(name)", "--name", name, "--join", clientAddress("a"), "--client-file",
                "plan/client.json", "--peer", "127.0.0.1:\(base)", "--client", "127.0.0.1:\(base + 20)", "--http",
                "127.0.0.1:\(base + 40)",
            ] + more)
        return base
    }

    /// Waits until a server has said something.
    func waitUntil(_ name: String, says text: String, within seconds: Double = 20) async throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while !log(name).contains(text) {
            guard Date() < deadline else {
                throw NotReady(description: "server \(name) never said \"\(text)\"; it said:\n\(log(name))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Waits for a server to end by itself.
    /// - Returns: how.
    func waitForEnd(_ name: String) async throws -> Int32? {
        guard let process = processes[name] else { return nil }
        try await Program.waitForEnd(process, within: 20, ["serve", name])
        process.waitUntilExit()
        return process.terminationStatus
    }

    func launch(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = try Program.executable()
        process.arguments = arguments
        process.environment = Program.environment(environment, home: directory.path)
        process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
        let path = "\(directory.path)/\(name).log"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let handle = try open(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        processes[name] = process
    }

    /// All servers, until each is ready.
    func startAll(_ more: [String] = []) async throws {
        for name in names { try start(name, more) }
        for name in names { try await waitUntilReady(name) }
    }

    func waitUntilReady(_ name: String, within seconds: Double = 30) async throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            if Ports.ask("/readyz", port: base + 40 + (names.firstIndex(of: name) ?? 0)).hasPrefix("HTTP/1.1 200") {
                return
            }
            guard Date() < deadline, processes[name]?.isRunning == true else {
                throw NotReady(description: "server \(name) is not ready; it said:\n\(log(name))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    struct NotReady: Error, CustomStringConvertible {
        var description: String
    }

    func send(_ signal: Int32, to name: String) {
        guard let process = processes[name] else { return }
        Glibc.kill(process.processIdentifier, signal)
    }

    func kill(_ name: String) {
        guard let process = processes[name] else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// - Returns: how it ended.
    func stop(_ name: String) async throws -> Int32? {
        guard let process = processes[name] else { return nil }
        process.terminate()
        try await Program.waitForEnd(process, within: 20, ["serve", name])
        return process.terminationStatus
    }

    func end() {
        for process in processes.values where process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        for process in processes.values { process.waitUntilExit() }
    }

    /// What a command needs to speak with this cluster.
    func environment(at servers: [String]? = nil) -> [String: String] {
        [
            "STARLING_SERVERS": (servers ?? names).map(clientAddress).joined(separator: ","),
            "STARLING_CLIENT_FILE": "\(directory.path)/plan/client.json",
            "STARLING_OPERATOR_FILE": "\(directory.path)/plan/operator.json",
        ]
    }

    /// Runs a command that speaks with this cluster.
    func run(
        _ arguments: [String], at servers: [String]? = nil, environment more: [String: String] = [:],
        input: String = ""
    ) async throws -> Program.Result {
        try await Program.run(
            arguments, in: directory, environment: environment(at: servers).merging(more) { _, own in own },
            input: input)
    }
}

/// Gives the body a cluster that runs, and ends it.
func withCluster(
    servers: Int, _ more: [String] = [], _ body: (TestCluster) async throws -> Void
) async throws {
    let cluster = try await TestCluster(servers: servers)
    defer { cluster.end() }
    try await cluster.startAll(more)
    try await body(cluster)
}
