import ArgumentParser
import Glibc
import Raft
import StarlingClient

struct ClusterAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a server that waits to join.",
        discussion: """
            On the new machine, with the cluster's client file:

              starling serve --data d --name d --join 10.0.0.1:7460 --client-file client.json \\
                --peer 10.0.0.4:7440 --client 10.0.0.4:7460 --http 10.0.0.4:7480 --open

            It says its id and its key, and waits. Here, or anywhere else:

              starling cluster add d --operator-file operator.json

            It becomes a learner, which receives everything and counts for nothing, and by itself a voter when it has \
            caught up. In either order; repeating it does no harm. Whoever has the key that is shown will be trusted: compare \
            it with what the new server said. At a terminal it asks; in a script give the key with --key, or --yes if \
            nobody else reaches the clients' ports.
            """)

    @Argument(help: ArgumentHelp("The new server's name, or its id if several ask under one name.", valueName: "name"))
    var name: String
    @Option(help: ArgumentHelp("The key that the new server said; no other one is added.", valueName: "key"))
    var key: String?
    @Flag(help: "Do not ask whether the key is right.")
    var yes = false
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
        try await connection.withClient(as: dryRun ? .user : .operator) { client in
            let deadline = ContinuousClock.now + .milliseconds(Int64(max(0, min(wait, 86_400)) * 1_000))
            guard let joiner = try await joiner(client, until: deadline) else {
                return try await finish(client, name, until: deadline)
            }
            let report = try await client.report()
            let record = try joiner.record(promotes: !learner)
            for line in explanation(joiner, report) { Terminal.line(line) }
            if dryRun { return }
            try confirm(joiner)
            let change = ClusterChange(client: client)
            _ = try await change.perform(.change([.add(record)])) { $0.find(joiner.node.description) != nil }
            Terminal.line("\(joiner.name) is a member")
            try await finish(client, joiner.node.description, until: deadline)
        }
    }

    private func confirm(_ joiner: ClusterReport.Joiner) throws(Complaint) {
        if yes || key != nil || joiner.publicKey.isEmpty { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Complaint(
                .wrongUsage,
                "nothing was changed: give --key, the key that server \(joiner.name) said, or --yes if this one is right"
            )
        }
        Terminal.text("Is that the key that server \(joiner.name) said? Type yes to add it: ")
        guard readLine() == "yes" else { throw Complaint(.failed, "nothing was changed") }
    }

    /// Who asks to be added under the name; nil: it is a member already.
    private func joiner(
        _ client: StarlingClient, until deadline: ContinuousClock.Instant
    ) async throws -> ClusterReport.Joiner? {
        var isTold = false
        while true {
            let report = try await client.report()
            if let member = report.find(name) {
                guard key == nil || member.publicKey == key || member.nextPublicKey == key else {
                    throw Complaint(
                        .failed, "the member \(member.name) has another key, \(member.publicKey): nothing was changed")
                }
                return nil
            }
            let joiners = report.joiners(name).filter { key == nil || $0.publicKey == key }
            if joiners.count > 1 {
                throw Complaint(
                    .wrongUsage,
                    "\(joiners.count) servers ask to join as \(name). Name the right one by its id, or with --key by the key that it said: "
                        + joiners.map { "\($0.node) at \($0.peer) with key \($0.publicKey)" }.joined(separator: ", "))
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
            try await Task.sleep(for: ClusterReport.renewedEvery)
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
        if member.voter { return Promotion.tell(member.name, report) }
        guard member.promotedWhenCaughtUp else {
            return Terminal.line(
                "\(member.name) is a learner, and stays one until `starling cluster promote \(member.name)`")
        }
        if dryRun { return Terminal.line("\(member.name) is a learner, and a voter as soon as it has caught up") }
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
            if let report, let member, member.voter { return Self.tell(name, report) }
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
            try await Task.sleep(for: ClusterReport.renewedEvery)
        }
    }

    static func tell(_ name: String, _ report: ClusterReport) {
        Terminal.line("\(name) is a voter. Now: \(QuorumForesight.sentence(report.voters.map(\.name).sorted()))")
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
