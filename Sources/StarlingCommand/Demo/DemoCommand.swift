import ArgumentParser
import Foundation

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Run a whole cluster on this machine, with its web page; Ctrl-C ends it.",
        discussion: """
            Starts the servers as processes, fills the microblog with Debian's fortunes, and says what to try: post \
            at one server \
            and read at another, kill any of them, start it again. Everything is kept in the data directory \
            (~/.local/share/starling/demo unless --data says otherwise), so running it again finds all as it was. \
            Saves how to \
            reach it, so that `starling post`, `starling timeline` and the others need no flags meanwhile.

            While it runs it takes these lines: status, kill NAME, stop NAME, start NAME, quit.

              starling demo --check            plays the whole story unattended, and exits 0 if it holds
              starling demo --check --kills 20   kills the leader 20 times
            """)

    @Option(
        help: ArgumentHelp(
            "How many servers, 1 to 7; else 3, or as many as the data directory has.", valueName: "count"))
    var servers: Int?
    @Option(help: ArgumentHelp("Where everything is kept.", valueName: "directory"))
    var data: String?
    @Option(
        help: ArgumentHelp(
            "The first server's port for its peers; clients are 20 above it, HTTP 40. Else 7440.", valueName: "port"))
    var portBase: Int?
    @Option(help: "How the servers speak with each other: zeromq, or http with certificates.")
    var transport = TransportName.zeromq
    @Option(help: ArgumentHelp("Where the fortunes are.", valueName: "directory"))
    var fortunes = FortuneLoader.standardDirectory
    @Flag(name: .customLong("no-load"), help: "Load no posts.")
    var noLoad = false
    @Flag(help: "Start a server again by itself a second after it died.")
    var restart = false
    @Flag(help: "Play the whole story unattended: load, post, kill the leader under load, compare, restart, compare.")
    var check = false
    @Option(help: ArgumentHelp("With --check: how often the leader is killed.", valueName: "count"))
    var kills = 1

    func validate() throws {
        if let servers, !(1...7).contains(servers) { throw ValidationError("--servers is 1 to 7, and not \(servers)") }
        if let portBase, !(1_024...65_000).contains(portBase) {
            throw ValidationError("--port-base is 1024 to 65000, and not \(portBase)")
        }
        guard (1...1_000).contains(kills) else { throw ValidationError("--kills is 1 to 1000, and not \(kills)") }
        if check, restart { throw ValidationError("--check starts servers again by itself: leave out --restart") }
        if check, let servers, servers < 3 {
            throw ValidationError("--check kills servers, so it needs at least 3 of them")
        }
    }

    func run() async throws {
        let signals = StopSignals()
        if check {
            let story = DemoCheck(
                servers: servers, data: data, portBase: portBase, fortunes: noLoad ? nil : fortunes, kills: kills,
                transport: transport)
            try await story.run(until: signals)
        } else {
            let directory = DemoDirectory(path: Self.absolute(data ?? DemoDirectory.standard()))
            let (plan, isNew) = try directory.plan(servers: servers, portBase: portBase)
            let cluster = try DemoCluster(directory, plan, transport)
            try await Demo(cluster: cluster, isNew: isNew, fortunes: noLoad ? nil : fortunes, restarts: restart)
                .run(until: signals)
        }
    }

    static func absolute(_ path: String) -> String {
        URL(fileURLWithPath: UserDirectories.expanded(path)).standardizedFileURL.path
    }
}
