import Cluster
import Foundation
import Gateways
import Glibc
import Logging
import Raft
import ZeroMQ

/// A server as a process: opens it, serves HTTP, and ends it when asked, when it cannot go on, or when whoever started
/// it is gone.
struct ServerProcess {
    let plan: ServePlan
    let endsWithInput: Bool
    private var log: ServerLog { plan.log }

    init(_ plan: ServePlan, endsWithInput: Bool) {
        self.plan = plan
        self.endsWithInput = endsWithInput
    }

    func run() async throws {
        let configuration = plan.configuration
        let own = configuration.plan
        let log = self.log
        log.say(
            "server \(own.name) of cluster \(own.cluster): \(Version.line), pid \(getpid()), data in "
                + "\(configuration.dataDirectory)"
        )
        if endsWithInput { try Self.watchInput() }
        try checkHTTPPort()
        let (removals, removal) = AsyncStream<String>.makeStream()
        // Waits for the other servers at the very first start. Until it is open a signal simply ends the process.
        let server = try await blocking { () throws(StartFailure) in
            try Server(
                configuration, statusJSON: { JSONText.text(of: ClusterAdapter.status($0)) },
                log: { log.say($0, $1) },
                onRemoved: { index in
                    let place = index.map { " at log index \($0)" } ?? ""
                    removal.yield("server \(own.name) was removed from the cluster\(place)")
                },
                onFailure: { reason in
                    log.logger.critical("server \(own.name) cannot go on: \(reason)")
                    // Its threads are not to be trusted with an orderly stop; what counts is on the disk.
                    _exit(Outcome.failed.rawValue)
                })
        }
        let isMember = await isMember(server)
        if plan.mustBeMember, !isMember {
            await blocking { server.stop() }
            throw Complaint(
                .unavailable,
                "server \(own.name) is no member yet, and knows nobody who could add it: start it again with --join when the cluster answers"
            )
        }
        let signals = StopSignals()
        let snapshots = SnapshotSignal { server.takeSnapshot() }
        defer { snapshots.cancel() }
        let announcement = isMember ? nil : announce(server)
        let end = await serveUntilAsked(server, signals, removals)
        announcement?.cancel()
        await blocking { server.stop() }
        switch end {
        case .asked: break
        case .failed(let problem): throw problem
        case .removed(let sentence):
            throw Complaint(
                .removed,
                "\(sentence); it has stopped for good, and its data directory \(configuration.dataDirectory) may be "
                    + "deleted")
        }
        log.say("server \(own.name) has stopped; its data is in \(configuration.dataDirectory)")
    }

    /// By what it has on its disk.
    private func isMember(_ server: Server) async -> Bool {
        // Behind the replica thread's first pass its status is published.
        _ = await server.probe()
        return server.status.peers.contains { $0.member.id == server.node }
    }

    /// A server that joins says so until it is a member.
    private func announce(_ server: Server) -> Task<Void, Never>? {
        guard let joining = plan.joining else { return nil }
        let (keys, member) = (plan.configuration.plan.keys, plan.configuration.plan.own.member(id: server.node))
        log.say(
            "server \(server.name), id \(server.node), with the key \(keys.publicKey), waits to be added: starling cluster add \(server.name)"
        )
        return Task { await joining.how.announce(server, member, keys: keys, to: joining.report) }
    }

    private func checkHTTPPort() throws(Complaint) {
        guard plan.http.isFree else {
            throw Complaint(
                .failed,
                "cannot listen for HTTP at \(plan.http): the port is in use. Stop what uses it, or give another with "
                    + "--http."
            )
        }
    }

    private enum End: Sendable {
        /// By a signal, or the HTTP door has come to its own end.
        case asked
        case failed(any Error)
        /// The sentence says since when.
        case removed(String)
    }

    /// Of a service manager that asks for signs of life: they go through the replica thread.
    private func tell(_ manager: ServiceManager?, of server: Server) async {
        guard let manager else { return }
        manager.tell("READY=1", "STATUS=server \(server.name) serves")
        await manager.keepTelling { await server.probe() != nil }
    }

    private func serveUntilAsked(
        _ server: Server, _ signals: StopSignals, _ removals: AsyncStream<String>
    ) async -> End {
        let gateway: GatewayServer
        do {
            gateway = try GatewayServer(
                store: server.store, cluster: ClusterAdapter(server: server),
                configuration: GatewayConfiguration(host: plan.http.host, port: Int(plan.http.port)), logger: log.logger
            )
        } catch {
            return .failed(error)
        }
        let host = plan.http.host
        let manager = ServiceManager(ProcessInfo.processInfo.environment)
        let (openings, opening) = AsyncStream<Void>.makeStream()
        defer { manager?.tell("STOPPING=1") }
        return await withTaskGroup(of: End.self) { group in
            group.addTask {
                do {
                    try await gateway.run { port in
                        log.say("clients at \(server.clientAddress), peers at \(server.peerAddress)")
                        log.say("page at http://\(host):\(port)/")
                        opening.finish()
                    }
                    return .asked
                } catch {
                    return .failed(error)
                }
            }
            group.addTask {
                for await _ in openings {}
                guard !Task.isCancelled else { return .asked }
                await tell(manager, of: server)
                // Until all the rest is over.
                for await _ in AsyncStream<Void>.makeStream().stream {}
                return .asked
            }
            group.addTask {
                for await sentence in removals { return .removed(sentence) }
                return .asked
            }
            group.addTask {
                for await _ in signals.requests {
                    log.say("stopping (a second signal ends at once)")
                    break
                }
                return .asked
            }
            let first = await group.next() ?? .asked
            group.cancelAll()
            return first
        }
    }

    /// Standard input is a pipe that nobody writes to: its end means that the process at the other side is gone,
    /// however it went. Then this server ends as if it had been asked to, and at the latest after some seconds.
    private static func watchInput() throws(ZeroMQError) {
        try startThread(named: "parent-watch") {
            var byte: UInt8 = 0
            while true {
                let count = read(STDIN_FILENO, &byte, 1)
                if count == 0 || (count < 0 && errno != EINTR) { break }
            }
            kill(getpid(), SIGTERM)
            sleep(8)
            _exit(Outcome.failed.rawValue)
        }
    }
}
