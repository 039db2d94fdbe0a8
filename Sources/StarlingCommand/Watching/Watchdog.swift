import Cluster
import Foundation
import Synchronization

/// Runs one server as a process, as its `Supervisor` decides.
final class Watchdog: Sendable {
    let name: String
    private let executable: String
    private let environment: [String: String]
    let log: String
    /// Where a probe is sent that goes through the server's replica thread and back.
    private let http: String
    private let say: @Sendable (String) -> Void
    /// How exactly the supervisor's times, none of which is shorter than half a second, are kept.
    private static let tick = Duration.milliseconds(100)

    private let serving = Mutex(false)
    private let end = Mutex<ChildExit?>(nil)
    private let inputs: AsyncStream<Supervisor.Input>
    private let input: AsyncStream<Supervisor.Input>.Continuation

    init(
        _ server: UpFile.Server, executable: String, logs: String, http: String,
        say: @escaping @Sendable (String) -> Void
    ) {
        name = server.name
        self.executable = executable
        self.http = http
        self.say = say
        log = "\(logs)/\(server.name).log"
        // It gets what the file says, and nothing that this user has set for other servers.
        var environment = ProcessInfo.processInfo.environment.filter { variable in
            !variable.key.hasPrefix("STARLING_")
                && !["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].contains(variable.key)
        }
        environment["XDG_CONFIG_HOME"] = logs
        environment[Setting.name.environmentName] = server.name
        for (setting, text) in server.settings { environment[setting.environmentName] = text }
        self.environment = environment
        (inputs, input) = AsyncStream.makeStream()
    }

    var isServing: Bool { serving.withLock { $0 } }
    /// How it ended for good; nil while it does not.
    var finalExit: ChildExit? { end.withLock { $0 } }

    /// Ends the server in order, and then `run`.
    func stop() { input.yield(.stop) }

    /// Until the server is stopped, or ends for good.
    func run() async {
        let clock = ContinuousClock()
        let began = clock.now
        let ticking = Task { [input] in
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.tick)
                input.yield(.tick)
            }
        }
        defer { ticking.cancel() }
        var supervisor = Supervisor(name)
        var child: ChildProcess?
        input.yield(.begin)
        for await event in inputs {
            for action in supervisor.step(event, at: clock.now - began) {
                switch action {
                case .start: child = start()
                case .probe: probe()
                case .terminate: child?.send(SIGTERM)
                case .kill: child?.send(SIGKILL)
                case .say(let sentence): say(sentence)
                case .finished: input.finish()
                }
            }
            serving.withLock { $0 = supervisor.isServing }
            if case .exited(let exit) = event, supervisor.isOver { end.withLock { $0 = exit } }
        }
    }

    private func start() -> ChildProcess? {
        do throws(Complaint) {
            let child = try ChildProcess(
                executable, ["serve", "--ends-with-input"], environment: environment, log: log)
            say("server \(name) starts: pid \(child.pid), its log is \(log)")
            Task { [input] in input.yield(.exited(await child.exit())) }
            return child
        } catch {
            say(error.text)
            input.yield(.exited(.code(Outcome.failed.rawValue)))
            return nil
        }
    }

    private func probe() {
        Task { [input, http] in
            let answer = try? await LocalHTTP.ask(http, "/livez", within: .seconds(3))
            input.yield(answer?.status == 200 ? .answered : .silent)
        }
    }
}
