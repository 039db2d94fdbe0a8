import ArgumentParser
import Crypto
import Gateways
import StarlingClient
import TupleSpace

struct WriteRequest: TupleRequest {
    static let name = "write"
    static let abstract = "Write a tuple, and print its id and position."
    static let examples = [
        TupleExample("blog", #"["alice","distsys","hi"]"#),
        TupleExample("jobs", #"["resize","photo-17"] --lease 60"#, "for a minute"),
    ]
    static let remarks = """
        Returns when a majority of the servers has the tuple on disk. With --key the same command again, within an hour, \
        writes nothing more and prints the same id.
        """

    @Argument(help: "The tuple, a JSON array.")
    var tuple: String
    @Option(help: ArgumentHelp("An idempotency key, 1 to 255 bytes.", valueName: "text"))
    var key: String?
    @Option(
        help: ArgumentHelp("The tuple goes by itself after so long, unless its lease is renewed.", valueName: "seconds")
    )
    var lease: String?

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let tuple = try TupleArguments.tuple(tuple)
        let lease = try lease.map { try TupleArguments.lease($0) }
        let key = key.map { text in
            var hash = SHA256()
            hash.update(
                data: Array("write\0\(space)\0\(JSONText.json(tuple).text)\(lease.map { "\0\($0)" } ?? "")".utf8))
            return IdempotencyKey(key: text, digest: Array(hash.finalize()))
        }
        return { client in output.show(try await client.write(tuple, to: space, lease: lease, key: key), of: tuple) }
    }
}

struct RenewRequest: TupleRequest {
    static let name = "renew"
    static let abstract = "Give a tuple a lease from now on, or none."
    static let examples = [
        TupleExample("jobs", "117203398656 --lease 60"),
        TupleExample("jobs", "117203398656 --lease forever", "it stays"),
    ]
    static let remarks = "Exits 3 if there is no such tuple, or its lease has ended."

    @Argument(help: "The tuple's id.")
    var id: String
    @Option(help: ArgumentHelp("How long it stays from now on: seconds, or forever.", valueName: "seconds"))
    var lease: String

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let id = try TupleArguments.id(id)
        let lease =
            lease == "forever" ? Timeout.forever : .milliseconds(try TupleArguments.lease(lease, orForever: true))
        return { client in
            guard try await client.renew(id, in: space, lease: lease).isThere else {
                throw Complaint.noTuple(id, in: space)
            }
            output.line(output.json ? JSON.object([.init("id", .string(id.description))]).text : "id \(id)")
        }
    }
}

struct ReplaceRequest: TupleRequest {
    static let name = "replace"
    static let abstract = "Put another tuple in one's place, under its id and with its lease."
    static let examples = [TupleExample("jobs", #"117203398656 ["resize","photo-17","done"]"#)]
    static let remarks = "Exits 3 if there is no such tuple."

    @Argument(help: "The id of the tuple to be replaced.")
    var id: String
    @Argument(help: "The tuple that takes its place, a JSON array.")
    var tuple: String

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let id = try TupleArguments.id(id)
        let tuple = try TupleArguments.tuple(tuple)
        return { client in
            guard let result = try await client.replace(id, in: space, with: tuple) else {
                throw Complaint.noTuple(id, in: space)
            }
            output.show(result, of: tuple)
        }
    }
}
