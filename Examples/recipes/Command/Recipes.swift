import ArgumentParser
import Foundation
import Recipes
import StarlingClient
import TupleSpace

/// Plays the recipes, in this process's memory or on a cluster.
@main
struct RecipesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipes", abstract: "What a tuplespace is good for, to watch.",
        discussion: """
            Each recipe is a file of Examples/recipes/Recipes and a page of docs/recipes:

              \(Recipe.allCases.map { "\($0.rawValue.padding(toLength: 22, withPad: " ", startingAt: 0))\($0.abstract)" }.joined(separator: "\n  "))

            Without a client file they play in this process's memory. On a cluster, as `starling cluster plan` or `starling demo` made it:

              recipes work-queue --client-file client.json

            Kill servers meanwhile, or play one in several terminals.
            """)

    @Argument(help: "The recipe.")
    var recipe: Recipe
    @Option(help: ArgumentHelp("The client file of a cluster.", valueName: "file"))
    var clientFile: String?

    func run() async throws {
        guard let clientFile else { return try await recipe.play(InMemoryTupleStore()) }
        guard let data = FileManager.default.contents(atPath: clientFile) else {
            throw ValidationError("the client file \(clientFile) cannot be read")
        }
        let file = try ClientFile(json: Array(data))
        var settings = ClientSettings()
        settings.cluster = file.cluster
        let client = try StarlingClient(servers: file.endpoints, settings: settings)
        do { try await recipe.play(client) } catch {
            await client.close()
            throw error
        }
        await client.close()
    }
}

enum Recipe: String, CaseIterable, ExpressibleByArgument {
    case workQueue = "work-queue"
    case lock
    case leaderElection = "leader-election"
    case barrier
    case publishSubscribe = "publish-subscribe"
    case diningPhilosophers = "dining-philosophers"
    case rateLimiter = "rate-limiter"
    case arithmeticServer = "arithmetic-server"

    var abstract: String {
        switch self {
        case .workQueue: "a queue that loses no job, whoever dies"
        case .lock: "a lock with a fencing token"
        case .leaderElection: "one leads, and another when that one is dead"
        case .barrier: "nobody passes before all have come"
        case .publishSubscribe: "every subscriber gets everything once, in order"
        case .diningPhilosophers: "two forks as one, and no deadlock"
        case .rateLimiter: "at most so many in any second, over all machines"
        case .arithmeticServer: "the dRuby book's server, which may die"
        }
    }

    func play(_ store: any TupleStore) async throws {
        let run = "recipe \(UInt32.random(in: 0 ... .max))"
        switch self {
        case .workQueue: try await Plays.workQueue(store, run)
        case .lock: try await Plays.lock(store, run)
        case .leaderElection: try await Plays.leaderElection(store, run)
        case .barrier: try await Plays.barrier(store, run)
        case .publishSubscribe: try await Plays.publishSubscribe(store, run)
        case .diningPhilosophers: try await Plays.diningPhilosophers(store, run)
        case .rateLimiter: try await Plays.rateLimiter(store, run)
        case .arithmeticServer: try await Plays.arithmeticServer(store, run)
        }
    }
}
