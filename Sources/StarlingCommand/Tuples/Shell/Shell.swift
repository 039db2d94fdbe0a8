import ArgumentParser
import StarlingClient
import Synchronization
import TupleSpace

/// Does one typed line after the other, all by one client and so in one session.
final class Shell {
    struct Options {
        var json = false
        /// Somebody types, and sees it.
        var isTerminal = false
    }

    let options: Options
    let seen = SeenTuples()
    var isOver = false
    private let client: StarlingClient
    private let interrupts: Interrupts

    /// How often it is asked, while something takes its time, whether the cluster is there.
    private static let lookEvery = Duration.seconds(2)

    init(_ client: StarlingClient, _ options: Options, interrupts: Interrupts) {
        self.client = client
        self.options = options
        self.interrupts = interrupts
    }

    var prompt: String { "\(seen.space ?? "starling")> " }

    func use(_ name: String) throws(Failure) {
        try SpaceName.validate(name)
        seen.use(name)
    }

    func spaceInUse() throws(Complaint) -> String {
        guard let space = seen.space else { throw Complaint(.wrongUsage, "no space is chosen yet: use SPACE") }
        return space
    }

    /// - Returns: how it ended, and what is to be said of that.
    func run(_ text: String) async -> Complaint {
        do {
            let line = ShellLine(text)
            guard let first = line.words.first, !first.hasPrefix("#") else { return Complaint(.done, "") }
            if let missing = line.missing { throw Complaint(.wrongUsage, "the line ends without \(missing)") }
            try Self.requireCommand(first, line)
            if let space = seen.space { for word in line.words.dropFirst() { seen.note(typed: word, in: space) } }
            var command = try ShellRoot.parseAsRoot(line.words)
            if let command = command as? any ShellCommand { try await command.run(in: self) } else { try command.run() }
            return Complaint(.done, "")
        } catch {
            var end = Outcome.explain(error, root: ShellRoot.self)
            // The argument parser takes it that commands stand behind the name of a program, and a blank.
            for place in ["USAGE: ", "Usage: ", "See '"] { end.text = end.text.replacing(place + " ", with: place) }
            return end
        }
    }

    private static func requireCommand(_ word: String, _ line: ShellLine) throws(Complaint) {
        if ShellRoot.names.contains(word) || word == "--help" || word == "-h" { return }
        guard word.hasPrefix("[") else {
            throw Complaint(
                .wrongUsage, "there is no command \(word). The commands are \(ShellRoot.names.joined(separator: ", "))")
        }
        throw Complaint(
            .wrongUsage,
            """
            a command comes first. To write this tuple:  write \(word)
            To find one like it:  read \(word)
            """)
    }

    // MARK: Doing what takes time

    private enum Happening: Sendable {
        case interrupt
        case cluster(isThere: Bool)
        case end(Result<Void, any Error>)
    }

    /// Does an action until it ends or is interrupted: once asks it to stop, twice leaves it to itself.
    /// - Parameter lines: of this action.
    func perform(_ action: @escaping TupleAction, _ lines: Lines) async throws {
        let (happenings, happened) = AsyncStream<Happening>.makeStream()
        let client = client
        let task = Task {
            do {
                try await action(client)
                happened.yield(.end(.success(())))
            } catch {
                happened.yield(.end(.failure(error)))
            }
        }
        let lookout = Task { await Shell.lookOut(client, happened) }
        interrupts.listen { happened.yield(.interrupt) }
        defer {
            interrupts.listen(nil)
            lookout.cancel()
        }
        var isThere = true
        for await happening in happenings {
            switch happening {
            case .end(.failure(let error)) where task.isCancelled && (error as? Complaint)?.outcome == .notFound:
                throw Complaint(.interrupted, "stopped")
            case .end(let result): return try result.get()
            case .interrupt where task.isCancelled:
                lines.close()
                throw Complaint(.interrupted, "left without an answer: it may or may not have been done")
            case .interrupt:
                task.cancel()
                // The terminal has shown ^C.
                if options.isTerminal { Terminal.line() }
            case .cluster(isThere): break
            case .cluster(let now):
                isThere = now
                Terminal.complain(
                    now ? "the cluster answers again" : "the cluster does not answer; still trying (Ctrl-C gives up)")
            }
        }
    }

    /// Looks whether a server answers and knows a leader, until it is cancelled.
    private static func lookOut(_ client: StarlingClient, _ happened: AsyncStream<Happening>.Continuation) async {
        while (try? await Task.sleep(for: lookEvery)) != nil {
            let impatience = Task {
                if (try? await Task.sleep(for: lookEvery)) != nil { happened.yield(.cluster(isThere: false)) }
            }
            let status = try? await client.status()
            impatience.cancel()
            let report = try? status.map { text in try ClusterReport(json: Array(text.utf8)) }
            happened.yield(.cluster(isThere: report?.leader != nil))
        }
    }

    /// Lines of an action, until it is left.
    final class Lines: Sendable {
        private let isOpen = Mutex(true)

        func close() { isOpen.withLock { $0 = false } }
        func add(_ text: String) { isOpen.withLock { if $0 { Terminal.line(text) } } }
    }
}
