import ArgumentParser
import StarlingClient
import TupleSpace

/// For `script/bench waiting`: many who wait for what nobody writes.
struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Have takes, reads and subscribers wait for what nobody writes, until this is ended.")

    /// A session takes no more than some thousands.
    private static let takesPerSession = 1_000

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Takes that wait.")
    var takes = 0
    @Option(help: "Reads that wait.")
    var reads = 0
    @Option(help: "Subscribers.")
    var subscribers = 0
    @Option(help: "Connections that they share, to one server after the other.")
    var connections = 3
    @Option(help: "The space in which they wait.")
    var space = "bench"

    func run() async throws {
        let clients = try cluster.connect(connections, inTurn: true)
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await waitForNothing(clients, &group)
            group.addTask {
                await endOfStandardInput()
                throw CancellationError()
            }
            do {
                while try await group.next() != nil {}
            } catch is CancellationError {
                group.cancelAll()
                while await group.nextResult() != nil {}
            }
        }
        for client in clients {
            // Behind what tells the server that nobody waits any more: it notices late that a connection has gone.
            _ = try await client.status()
            await client.close()
        }
    }

    private func waitForNothing(_ clients: [StarlingClient], _ group: inout ThrowingTaskGroup<Void, any Error>)
        async throws
    {
        for first in stride(from: 0, to: takes, by: Self.takesPerSession) {
            let session = try await clients[first / Self.takesPerSession % connections].openSession()
            for number in first..<min(takes, first + Self.takesPerSession) {
                group.addTask { [space] in
                    let found = try await session.take(Self.template(number), from: space, timeout: .forever)
                    try Self.requireNothing(found?.stored)
                }
            }
        }
        for number in 0..<reads {
            let client = clients[number % connections]
            group.addTask { [space] in
                let found = try await client.read(Self.template(number), from: space, timeout: .forever)
                try Self.requireNothing(found.tuple)
            }
        }
        for number in 0..<subscribers {
            let client = clients[number % connections]
            group.addTask { [space] in
                for try await batch in try await client.events(matching: Self.template(number), in: space) {
                    try Self.requireNothing(batch.events.first?.tuple)
                }
            }
        }
    }

    private static func template(_ number: Int) -> Template {
        Template([.literal(.string("nobody writes \(number)")), .any, .any])
    }

    private static func requireNothing(_ found: StoredTuple?) throws {
        guard let found else { return }
        throw Failure(.invalidTemplate, "\(found.tuple) was found, which nobody waits for")
    }
}
