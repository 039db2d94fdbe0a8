import ArgumentParser
import Crypto
import Gateways
import StarlingClient
import TupleSpace

struct TupleWriteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "write", abstract: "Write a tuple, and print its id and position.",
        discussion: """
            Returns when a majority of the servers has the tuple on disk.

              starling tuple write blog '["alice","distsys","hi"]'

            With --key the same command again, within an hour, writes nothing more and prints the same id.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The tuple, a JSON array.")
    var tuple: String
    @Option(help: ArgumentHelp("An idempotency key, 1 to 255 bytes.", valueName: "text"))
    var key: String?
    @Option(
        help: ArgumentHelp("The tuple goes by itself after so long, unless its lease is renewed.", valueName: "seconds")
    )
    var lease: String?
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let tuple = try TupleArguments.tuple(tuple)
        let lease = try lease.map { try TupleArguments.lease($0) }
        let key = key.map { text in
            var hash = SHA256()
            hash.update(
                data: Array("write\0\(space)\0\(JSONText.json(tuple).text)\(lease.map { "\0\($0)" } ?? "")".utf8))
            return IdempotencyKey(key: text, digest: Array(hash.finalize()))
        }
        let result = try await connection.withClient { client in
            try await client.write(tuple, to: space, lease: lease, key: key)
        }
        guard json else { return Terminal.line("id \(result.id), position \(result.position)") }
        Terminal.line(
            JSON.object([
                .init("id", .string(result.id.description)), .init("position", .string(result.position.description)),
            ]).text)
    }
}
