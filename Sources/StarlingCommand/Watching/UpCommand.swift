import ArgumentParser
import Cluster
import Foundation
import Gateways

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Start the servers of this machine, and watch over them.",
        discussion: """
            starling up -c cluster.yaml

            Starts what the file lists, starts again whatever exits (after half a second, then twice as long each time, at \
            most 30 s), and stops and starts again a server that runs but does not answer for 10 s: it is asked every two \
            seconds by a question that goes through the thread which does all its work. Says what it does. Ctrl-C or \
            SIGTERM ends all servers in order; if this program dies they end by themselves. A cluster.yaml:

              logs: /var/log/starling
              defaults:
                open: yes
              servers:
                - name: a
                  data: /var/lib/starling/a
                  plan: /etc/starling/a.plan.json

            Under a server's name stands whatever `starling serve` takes. Paths are relative to the file. \
            `starling config validate cluster.yaml` checks it.
            """)

    @Option(name: [.customShort("c"), .customLong("config")], help: ArgumentHelp("The file.", valueName: "file"))
    var file: String

    func run() async throws {
        let file = try UpFile(path: DemoCommand.absolute(self.file))
        let watchdogs = try Self.watchdogs(file)
        let signals = StopSignals()
        let manager = ServiceManager(ProcessInfo.processInfo.environment)
        say("starts \(watchdogs.map(\.name).joined(separator: ", ")), as \(file.path) says")
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in signals.requests { break }
                guard !Task.isCancelled else { return }
                manager?.tell("STOPPING=1")
                say("stopping all servers (a second signal ends at once)")
                for watchdog in watchdogs { watchdog.stop() }
            }
            group.addTask { await tell(manager, of: watchdogs) }
            await withTaskGroup(of: Void.self) { servers in
                for watchdog in watchdogs { servers.addTask { await watchdog.run() } }
            }
            group.cancelAll()
        }
        say("all servers have ended")
        for watchdog in watchdogs where watchdog.finalExit == .code(Outcome.wrongUsage.rawValue) {
            throw Complaint(
                .wrongUsage, "server \(watchdog.name) cannot be started with its settings: \(watchdog.log) says why")
        }
        if watchdogs.allSatisfy({ $0.finalExit == .code(Outcome.removed.rawValue) }) {
            throw Complaint(.removed, "all servers of this machine were removed from their cluster")
        }
    }

    /// Ready when all serve; well as long as this program itself goes on, for the servers it looks after itself.
    private func tell(_ manager: ServiceManager?, of watchdogs: [Watchdog]) async {
        guard let manager else { return }
        while !Task.isCancelled, !watchdogs.allSatisfy({ $0.isServing || $0.finalExit != nil }) {
            // Whoever waits for it waits for seconds anyway.
            try? await Task.sleep(for: .milliseconds(100))
        }
        guard !Task.isCancelled else { return }
        manager.tell("READY=1", "STATUS=\(watchdogs.count) servers serve")
        await manager.keepTelling { true }
    }

    private static func watchdogs(_ file: UpFile) throws -> [Watchdog] {
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        do {
            try FileManager.default.createDirectory(atPath: file.logs, withIntermediateDirectories: true)
        } catch {
            throw Complaint(
                .failed, "the directory for logs, \(file.logs), cannot be made: \(error.localizedDescription)")
        }
        var watchdogs: [Watchdog] = []
        for server in file.servers {
            watchdogs.append(
                Watchdog(
                    server, executable: executable, logs: file.logs, http: try server.probeAddress(),
                    say: say))
        }
        return watchdogs
    }
}

/// When and what, a line each.
@Sendable private func say(_ sentence: String) {
    Terminal.line("\(Timestamp.now)  \(sentence)")
}

extension UpFile.Server {
    /// The server's HTTP address as seen from this machine.
    func probeAddress() throws(Complaint) -> String {
        let address: String
        if let own = settings[.http] {
            address = own
        } else {
            let plan = settings[.plan] ?? PlanSource.pathOfJoined(settings[.data] ?? "")
            guard FileManager.default.fileExists(atPath: plan) else {
                throw Complaint(
                    .wrongUsage,
                    "server \(name): its HTTP address is not known: say http, or a plan that is there (\(plan) is not)")
            }
            address = try PlanSource.read(plan, name: name).own.httpAddress
        }
        let listening = try ListenAddress(address, "server \(name), http", isOpen: true)
        return listening.host == "0.0.0.0" ? "127.0.0.1:\(listening.port)" : listening.description
    }
}
