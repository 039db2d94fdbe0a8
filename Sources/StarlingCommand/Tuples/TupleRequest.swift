import ArgumentParser
import StarlingClient

/// One thing to ask of a tuplespace. Each is a command of the command line (`starling tuple write SPACE …`) and one of the
/// shell (`write …`, see `Shell`).
protocol TupleRequest: ParsableArguments, Sendable {
    static var name: String { get }
    static var abstract: String { get }
    static var examples: [TupleExample] { get }
    /// What help says behind the examples.
    static var remarks: String { get }
    /// It names its spaces itself.
    static var namesSpaces: Bool { get }
    /// It goes on until somebody stops it.
    static var isEndless: Bool { get }

    /// Checks what was typed.
    /// - Returns: what does it. When its task is cancelled it stops waiting, and nothing that it took is lost.
    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction
}

typealias TupleAction = @Sendable (StarlingClient) async throws -> Void

extension TupleRequest {
    static var namesSpaces: Bool { false }
    static var isEndless: Bool { false }
    static var remarks: String { "" }

    /// What help says: the examples as one would type them, then the remarks.
    static func discussion(_ typed: (TupleExample) -> String) -> String {
        let lines = examples.map { "  \(typed($0))\($0.note.isEmpty ? "" : "   \($0.note)")" }.joined(separator: "\n")
        return remarks.isEmpty ? lines : lines + "\n\n" + remarks
    }
}

struct TupleExample {
    var space: String
    /// As in the shell.
    var words: String
    var note = ""

    init(_ space: String, _ words: String, _ note: String = "") {
        self.space = space
        self.words = words
        self.note = note
    }

    /// With the quotes that JSON needs in sh.
    var quoted: String {
        ShellLine(words).words.map { word in
            word.hasPrefix("[") || word.hasPrefix("{") ? "'\(word)'" : word
        }.joined(separator: " ")
    }
}

/// A request as a command of the command line.
struct OnCommandLine<Request: TupleRequest>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Request.name, abstract: Request.abstract,
            discussion: Request.discussion { "starling tuple \(Request.name) \($0.space) \($0.quoted)" })
    }

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space.")
    var space: String
    @OptionGroup var request: Request
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let action = try request.prepare(in: space, TupleOutput(json: json))
        let signals = Request.isEndless ? StopSignals() : nil
        try await connection.withClient { client in
            guard let signals else { return try await action(client) }
            try await signals.stopping { try await action(client) }
        }
    }
}
