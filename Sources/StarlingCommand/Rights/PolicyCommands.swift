import ArgumentParser
import Foundation
import Gateways
import StarlingClient
import TupleSpace

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Who may write, read, take and administer in a space.",
        discussion: """
            A space without a policy follows the --default one, and without that everybody may do everything there. A policy \
            is a JSON object with a rule for "write", "read", "take" and "administer": "everybody", "nobody", "signed-in", or \
            an array of clauses that all have to hold; a clause is an array of conditions, of which one has to: "signed-in", \
            {"user":"alice"}, {"role":"moderator"}, {"caller-in":0} (the tuple's first field is the caller's name), or \
            {"exists":{"space":"rights","tuple":["post",{"field":1},{"caller":true}]}} (there is such a tuple). Rules that are \
            left out are "everybody", and "nobody" for administer. Admins may administer every space.
            """,
        subcommands: [PolicyShowCommand.self, PolicySetCommand.self, PolicyRemoveCommand.self])
}

struct PolicyPlace: ParsableArguments {
    @Argument(help: "The space.")
    var space: String?
    @Flag(name: .customLong("default"), help: "The policy of all spaces that have none of their own.")
    var isDefault = false

    func validate() throws {
        guard (space == nil) == isDefault else { throw ValidationError("name a space, or say --default") }
    }

    init() {}
    init(space: String?) {
        self.space = space
        isDefault = space == nil
    }

    var words: String { space.map { "the space \($0)" } ?? "all spaces without a policy of their own" }
}

struct PolicyShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a policy, as JSON.",
        discussion: """
              starling admin policy show blog
              starling admin policy show --default

            Exits 3 if there is none.
            """)

    @OptionGroup var place: PolicyPlace
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let policy = try await connection.withClient(as: .admin) { try await $0.policy(of: place.space).policy }
        guard let policy else { throw Complaint(.notFound, "there is no policy of \(place.words)") }
        Terminal.line(JSONText.json(policy).text)
    }
}

struct PolicySetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Give a space a policy, in the place of the one that it has.",
        discussion: """
              starling admin policy set blog '{"write":[["signed-in"],[{"caller-in":0}]],"take":"nobody"}'
              starling admin policy set --default --from policy.json
            """)

    @Argument(
        help: ArgumentHelp("The space, unless it is --default, and the policy, a JSON object.", valueName: "space|json")
    )
    var words: [String] = []
    @Flag(name: .customLong("default"), help: "The policy of all spaces that have none of their own.")
    var isDefault = false
    @Option(help: ArgumentHelp("The file in which it stands; - is standard input.", valueName: "file"))
    var from: String?
    @OptionGroup var connection: ConnectionOptions

    private var wanted: Int { (isDefault ? 0 : 1) + (from == nil ? 1 : 0) }

    func validate() throws {
        guard words.count == wanted else {
            throw ValidationError("name a space, or say --default, and then the policy: a JSON object, or --from FILE")
        }
    }

    func run() async throws {
        let policy = try read()
        let place = PolicyPlace(space: isDefault ? nil : words[0])
        try await connection.withClient(as: .admin) { client in
            _ = try await client.setPolicy(policy, of: place.space)
        }
        Terminal.line("this is the policy of \(place.words) now")
    }

    private func read() throws -> Policy {
        var text = words.last ?? ""
        if let from {
            let handle = from == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: from)
            guard let data = try handle?.readToEnd() else {
                throw Complaint(.wrongUsage, "the file \(from) cannot be read, or is empty")
            }
            text = String(decoding: data, as: UTF8.self)
        }
        do throws(JSONText.Invalid) {
            return try JSONText.policy(text)
        } catch {
            throw Complaint(.wrongUsage, error.description)
        }
    }
}

struct PolicyRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a policy away: the default one counts then.",
        discussion: "  starling admin policy remove blog")

    @OptionGroup var place: PolicyPlace
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient(as: .admin) { client in _ = try await client.setPolicy(nil, of: place.space) }
        Terminal.line("there is no policy of \(place.words) now")
    }
}
