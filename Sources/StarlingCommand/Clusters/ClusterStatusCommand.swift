import ArgumentParser
import StarlingClient

struct ClusterStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the servers, who leads, and who trails by how much.",
        discussion: """
            ★ leader, ● follower, ○ candidate or unknown, ✗ unreachable. As the server sees it that answers; a leader \
            knows most. \
            Exits 5 if no server answers, or the one that does knows of no leader.

              starling cluster status --json
            """)

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON, as GET /v1/cluster answers.")
    var json = false

    func run() async throws {
        let text = try await connection.withClient { client in try await client.status() }
        let report = try ClusterReport(json: Array(text.utf8))
        json ? Terminal.line(text) : show(report)
        guard report.leader != nil else {
            throw Complaint(
                .unavailable,
                "server \(report.server) knows of no leader: is a majority of the \(report.members.count) servers "
                    + "running?"
            )
        }
    }

    private func show(_ report: ClusterReport) {
        Terminal.line("cluster \(report.clusterId), seen by server \(report.server)")
        for line in report.lines { Terminal.line(line) }
        Terminal.line(
            "\(Figures.grouped(report.tuples)) tuples, \(Figures.grouped(report.waiters)) waiting takes, "
                + "\(Figures.grouped(report.sessions)) sessions"
        )
        for (name, latency) in [("commit", report.commitLatencyMs), ("durable", report.durableLatencyMs)] {
            guard !latency.isEmpty else { continue }
            let figures = latency.sorted { $0.key < $1.key }.map { "\($0.key) \(Figures.decimal($0.value, 2)) ms" }
            Terminal.line("\(name) latency: \(figures.joined(separator: ", "))")
        }
        for event in report.events.prefix(5) { Terminal.line("\(event.time)  \(event.text)") }
    }
}
