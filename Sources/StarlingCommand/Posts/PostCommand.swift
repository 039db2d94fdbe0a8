import ArgumentParser
import Foundation
import Gateways
import Microblog
import StarlingClient
import TupleSpace

struct PostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "post", abstract: "Post a message.",
        discussion: """
            Shows at every server. Without --topic the first #word of the message is the topic, else `general`. \
            The message `-` is read from standard input; with --split a long one becomes several numbered posts.

              starling post --user alice --topic distsys "Consensus is agreement with witnesses"
              fortune | starling post --topic wisdom --split -
            """)

    @OptionGroup var connection: ConnectionOptions
    @Option(
        help: ArgumentHelp("Who posts: letters, digits and _. Else your login name. (STARLING_USER)", valueName: "name")
    )
    var user: String?
    @Option(help: ArgumentHelp("The topic: no spaces, no slashes.", valueName: "name"))
    var topic: String?
    @Flag(help: "Split a message that is too long into numbered posts.")
    var split = false
    @Flag(help: "Print JSON.")
    var json = false
    @Argument(help: "The message, at most \(PostRules.messageLength.upperBound) characters.")
    var message: String

    func run() async throws {
        let settings = try connection.settings([.user: user])
        let author = try Self.author(settings)
        let text = message == "-" ? try Self.standardInput() : message
        let topic = topic ?? Self.firstHashtag(in: text) ?? "general"
        let messages = split ? MessageSplitter().split(text) : [text]
        for message in messages { try PostRules.check(user: author, topic: topic, message: message) }
        let client = try ClusterAddress(settings).client()
        let blog = Blog(store: client)
        for message in messages {
            let result = try await blog.post(user: author, topic: topic, message: message)
            show(result, author, topic)
        }
        await client.close()
    }

    private func show(_ result: WriteResult, _ author: String, _ topic: String) {
        guard json else { return Terminal.line("posted under \(topic) as \(author): id \(result.id)") }
        Terminal.line(
            JSON.object([
                .init("id", .string(result.id.description)), .init("position", .string(result.position.description)),
                .init("user", .string(author)), .init("topic", .string(topic)),
            ]).text)
    }

    private static func author(_ settings: Settings) throws(Complaint) -> String {
        if let user = settings[.user] { return user }
        let login = NSUserName()
        guard PostRules.problem(user: login) == nil else {
            throw Complaint(
                .wrongUsage,
                "your login name \"\(login)\" cannot be a user name here: give one with --user or STARLING_USER")
        }
        return login
    }

    private static func standardInput() throws(Complaint) -> String {
        let data = FileHandle.standardInput.readDataToEndOfFile()
        guard let text = String(data: data, encoding: .utf8) else {
            throw Complaint(.wrongUsage, "standard input is not UTF-8")
        }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    private static func firstHashtag(in text: String) -> String? {
        for word in text.split(whereSeparator: \.isWhitespace) where word.hasPrefix("#") {
            let name = String(word.dropFirst().prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" })
            if PostRules.problem(topic: name) == nil { return name }
        }
        return nil
    }
}
