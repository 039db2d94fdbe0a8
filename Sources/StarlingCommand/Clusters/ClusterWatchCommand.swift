import ArgumentParser
import Glibc
import StarlingClient

struct ClusterWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Watch the cluster live, until Ctrl-C.",
        discussion: """
            In a terminal the picture is drawn anew; elsewhere a line is printed when something changes. With --json: the \
            whole status, a line each time.
            """)

    @Option(help: ArgumentHelp("Seconds between two looks, from 0.1.", valueName: "seconds"))
    var interval: Double = 1
    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON, a line a look.")
    var json = false

    func validate() throws {
        guard (0.1...3_600).contains(interval) else {
            throw ValidationError("--interval is a number of seconds from 0.1 to 3600, and not \(interval)")
        }
    }

    func run() async throws {
        let redraws = isatty(STDOUT_FILENO) == 1 && !json
        try await connection.withClient { client in
            var watched = WatchedCluster()
            while true {
                var text: String?
                var trouble = ""
                do { text = try await client.status() } catch { trouble = "\(error)" }
                if json {
                    Terminal.line(text ?? "{\"error\":\"no server answers\"}")
                } else if redraws {
                    redraw(try text.map { try ClusterReport(json: Array($0.utf8)) }, trouble)
                } else {
                    let report = try text.map { try ClusterReport(json: Array($0.utf8)) }
                    for line in watched.news(report, trouble) { Terminal.line(line) }
                }
                try await Task.sleep(for: .milliseconds(Int64(interval * 1_000)))
            }
        }
    }

    private func redraw(_ report: ClusterReport?, _ trouble: String) {
        // Home, the picture, and nothing of the last one behind it: without a flash of an empty screen.
        let clear = "\u{1b}[K\n"
        var lines: [String] = []
        if let report {
            lines.append("cluster \(report.clusterId), seen by server \(report.server); Ctrl-C ends this")
            lines += report.lines
            for joiner in report.joining { lines.append("asks to join: \(joiner.name) at \(joiner.peer)") }
            lines.append("")
            lines.append(
                "\(Figures.grouped(report.tuples)) tuples, \(Figures.grouped(report.waiters)) waiting takes, "
                    + "\(Figures.grouped(report.sessions)) sessions")
            lines.append("")
            lines += report.events.prefix(10).map { "\($0.time)  \($0.text)" }
        } else {
            lines.append("no server answers: \(trouble)")
        }
        Terminal.text("\u{1b}[H" + lines.joined(separator: clear) + clear + "\u{1b}[J")
    }
}

/// What somebody who reads line by line has been told.
struct WatchedCluster {
    private var lastState = ""
    private var lastEvent: String?

    mutating func news(_ report: ClusterReport?, _ trouble: String) -> [String] {
        guard let report else { return tell("no server answers: \(trouble)") }
        let members = report.members.map { "\(ClusterReport.mark($0))\($0.name)" }.joined(separator: " ")
        let term = report.own?.term.map { ", term \($0)" } ?? ""
        var lines = tell("\(members)  leader \(report.leader ?? "unknown")\(term), seen by \(report.server)")
        // Events of one server only can be told apart by their place: those before the last one told are known.
        let fresh = report.events.prefix { "\(report.server) \($0.time) \($0.text)" != lastEvent }
        if lastEvent != nil { lines += fresh.reversed().map { "\($0.time)  \(report.server): \($0.text)" } }
        lastEvent = report.events.first.map { "\(report.server) \($0.time) \($0.text)" } ?? lastEvent
        return lines
    }

    private mutating func tell(_ state: String) -> [String] {
        guard state != lastState else { return [] }
        lastState = state
        return [state]
    }
}
