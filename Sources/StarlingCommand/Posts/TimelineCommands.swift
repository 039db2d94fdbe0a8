import ArgumentParser
import Foundation
import Gateways
import Microblog
import StarlingClient
import TupleSpace

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "Show posts, the newest first.",
        discussion: """
              starling timeline
              starling timeline --user alice --limit 5
              starling timeline --before 117203398656     the page behind that post
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var freshness: ConsistencyOptions
    @OptionGroup var extent: TimelineOptions
    @Option(help: ArgumentHelp("Only this user's posts.", valueName: "name"))
    var user: String?

    func run() async throws {
        try await extent.show(user.map(Timeline.user) ?? .everyone, connection, try freshness.level())
    }
}

struct TopicCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Show the posts of a topic, the newest first.",
        discussion: "  starling topic distsys --limit 5")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var freshness: ConsistencyOptions
    @OptionGroup var extent: TimelineOptions
    @Argument(help: "The topic.")
    var topic: String

    func run() async throws {
        try await extent.show(.topic(topic), connection, try freshness.level())
    }
}

struct TimelineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many posts, 1 to \(Limits.pageTuples).", valueName: "count"))
    var limit = 20
    @Option(help: ArgumentHelp("Only posts older than this one.", valueName: "id"))
    var before: String?
    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...Limits.pageTuples).contains(limit) else {
            throw ValidationError("--limit is 1 to \(Limits.pageTuples), and not \(limit)")
        }
    }

    func show(_ timeline: Timeline, _ connection: ConnectionOptions, _ consistency: Consistency) async throws {
        let cursor = try TupleArguments.id(before, "before").map(TimelineCursor.before) ?? .newest
        let page = try await connection.withClient { client in
            try await Blog(store: client).page(of: timeline, from: cursor, limit: limit, consistency: consistency)
        }
        json ? printJSON(page) : printText(page)
    }

    private func printText(_ page: TimelinePage) {
        if page.posts.isEmpty { return Terminal.line("no posts") }
        for post in page.posts {
            Terminal.line("\(Self.time(post.id))  \(post.user) in \(post.topic)  (\(post.id))")
            // What others wrote must not command this terminal.
            for line in post.message.split(separator: "\n", omittingEmptySubsequences: false) {
                Terminal.line("    " + Self.harmless(line))
            }
            Terminal.line()
        }
        if page.hasOlder, let last = page.posts.last { Terminal.line("older: --before \(last.id)") }
    }

    private func printJSON(_ page: TimelinePage) {
        let posts = page.posts.map { post in
            JSON.object([
                .init("id", .string(post.id.description)), .init("time", .string(Self.time(post.id))),
                .init("user", .string(post.user)), .init("topic", .string(post.topic)),
                .init("message", .string(post.message)),
            ])
        }
        Terminal.line(JSON.object([.init("posts", .array(posts)), .init("more", .bool(page.hasOlder))]).text)
    }

    private static func time(_ id: TupleID) -> String {
        Date(timeIntervalSince1970: Double(id.milliseconds) / 1_000).formatted(.iso8601)
    }

    private static func harmless(_ line: Substring) -> String {
        String(
            String.UnicodeScalarView(
                line.unicodeScalars.map { scalar in
                    scalar.properties.generalCategory == .control && scalar != "\t" ? "\u{fffd}" : scalar
                }))
    }
}
