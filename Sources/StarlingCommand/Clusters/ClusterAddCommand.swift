import ArgumentParser
import Raft
import StarlingClient

struct ClusterAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a server that waits to join.",
        discussion: """
            On the new machine, with the cluster's client file:

              starling serve --data d --name d --join 10.0.0.1:7460 --client-file client.json \\
                --peer 10.0.0.4:7440 --client 10.0.0.4:7460 --http 10.0.0.4:7480

            It says its id and its key, and waits. Here, or anywhere else:

              starling cluster add d --operator-file operator.json

            It becomes a learner, which receives everything and counts for nothing, and by itself a voter when it has \
            caught up. In either order; repeating it does no harm. Compare the key with what the new server said: whoever \
            has that key will be trusted.
            """)

    @Argument(help: ArgumentHelp("The new server's name, or its id if several ask under one name.", valueName: "name"))
    var name: String
    @Flag(help: "Leave it a learner: promote it later.")
    var learner = false
    @Option(
        help: ArgumentHelp("How long to wait for the server, and for it to catch up, in seconds.", valueName: "seconds")
    )
    var wait: Double = 300
    @Flag(help: "Say what would happen, and do nothing.")
    var dryRun = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient(asOperator: !dryRun) { client in
            let deadline = ContinuousClock.now + .milliseconds(Int64(max(0, min(wait, 86_400)) * 1_000))
            guard let joiner = try await joiner(client, until: deadline) else {
                return try await finish(client, name, until: deadline)
            }
            let report = try await client.report()
            let record = try joiner.record(promotes: !learner)
            for line in explanation(joiner, report) { Terminal.line(line) }
            if dryRun { return }
            let change = ClusterChange(client: client)
            _ = try await change.perform(.change([.add(record)])) { $0.find(joiner.node.description) != nil }
            Terminal.line("\(joiner.name) is a member")
            try await finish(client, joiner.node.description, until: deadline)
        }
    }

    /// Who asks to be added under the name; nil: it is a member already.
    private func joiner(
        _ client: StarlingClient, until deadline: ContinuousClock.Instant
    ) async throws -> ClusterReport.Joiner? {
        var isTold = false
        while true {
            let report = try await client.report()
            if report.find(name) != nil { return nil }
            let joiners = report.joiners(name)
            if joiners.count > 1 {
                throw Complaint(
                    .wrongUsage,
                    "\(joiners.count) servers ask to join as \(name). Name the right one by its id: "
                        + joiners.map { "\($0.node) at \($0.peer)" }.joined(separator: ", "))
            }
            if let joiner = joiners.first { return joiner }
            guard ContinuousClock.now < deadline else {
                throw Complaint(
                    .notFound,
                    "no server asks to join as \(name). Start it with `starling serve --join` and this cluster's client file."
                )
            }
            if !isTold {
                isTold = true
                Terminal.progress("waiting for server \(name) to ask: start it with `starling serve --join …`\n")
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func explanation(_ joiner: ClusterReport.Joiner, _ report: ClusterReport) -> [String] {
        var lines = [
            "\(joiner.name): id \(joiner.node), peers at \(joiner.peer), clients at \(joiner.client), HTTP at \(joiner.http)",
            "its key: \(joiner.publicKey.isEmpty ? "none, the cluster is not encrypted" : joiner.publicKey)",
        ]
        if learner {
            lines.append(
                "It becomes a learner: it receives everything and counts for nothing. The voters stay as they are.")
        } else {
            lines.append("It becomes a learner, and a voter as soon as it has caught up.")
            lines += QuorumForesight(report, adding: [joiner.name]).lines
        }
        return lines
    }

    private func finish(
        _ client: StarlingClient, _ name: String, until deadline: ContinuousClock.Instant
    ) async throws {
        let report = try await client.report()
        let member = try report.member(name)
        guard !member.voter, !learner, !dryRun else {
            return Terminal.line("\(member.name) is a \(member.voter ? "voter" : "learner")")
        }
        guard member.promotedWhenCaughtUp else {
            return Terminal.line(
                "\(member.name) is a learner, and stays one until `starling cluster promote \(member.name)`")
        }
        try await Promotion(client: client, name: member.name).wait(until: deadline)
    }
}

/// A learner on its way to become a voter.
struct Promotion {
    let client: StarlingClient
    let name: String

    /// Says how far it is every two seconds, until it is a voter.
    func wait(until deadline: ContinuousClock.Instant) async throws {
        let clock = ContinuousClock()
        var toldAt = clock.now
        while true {
            let report = try? await client.report()
            let member = report?.find(name)
            if let report, let member, member.voter {
                return Terminal.line(
                    "\(name) is a voter. Now: \(QuorumForesight.sentence(report.voters.map(\.name).sorted()))")
            }
            if let report, member == nil {
                throw Complaint(
                    .failed,
                    "\(name) is no member any more; those there are: \(report.members.map(\.name).joined(separator: ", "))"
                )
            }
            guard clock.now < deadline else { throw tooLate(member) }
            if clock.now - toldAt > .seconds(2) {
                toldAt = clock.now
                Terminal.progress("\(progress(member))\n")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func progress(_ member: ClusterReport.Member?) -> String {
        guard let member else { return "no server answers" }
        guard member.reachable else {
            return "\(name) has not been heard yet: does it listen for peers at \(member.peer)?"
        }
        return
            "\(name) catches up: it trails by \(member.trailsBy.map { Figures.grouped(Int(clamping: $0)) } ?? "?") entries"
    }

    private func tooLate(_ member: ClusterReport.Member?) -> Complaint {
        Complaint(
            .failed,
            "\(name) is a learner, and not yet a voter: \(progress(member)). It becomes one by itself when it has caught up."
                + " To take it back: `starling cluster remove \(name)`")
    }
}
