import ArgumentParser
import Cluster
import Foundation
import Raft
import StarlingClient
import ZeroMQ

struct ClusterRotateKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-key", abstract: "Give a server a new key, without a moment in which it is not known.",
        discussion: """
            On the server's machine, where its plan file is (of a server that joined: DATA/plan.json), three steps:

              starling cluster rotate-key a --plan a.plan.json --operator-file operator.json
              (start the server again)
              starling cluster rotate-key a --plan a.plan.json --operator-file operator.json

            The first makes a key, has the cluster accept it beside the old one, and puts it into the plan file. The last \
            makes it the only one; before, it sees that the server has it. Each may be repeated. Clients need a new client \
            file afterwards: `starling cluster members --save-client-file client.json`.
            """)

    @Argument(help: ArgumentHelp("The member's name.", valueName: "name"))
    var name: String
    @Option(help: ArgumentHelp("The server's plan file, which is changed.", valueName: "file"))
    var plan: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let path = UserDirectories.expanded(plan)
        let present = try Self.read(path)
        guard present.name == name else {
            throw Complaint(.wrongUsage, "\(plan) is the plan of server \(present.name), and not of \(name)")
        }
        try await connection.withClient(as: .operator) { client in
            let member = try await client.report().member(name)
            guard !member.publicKey.isEmpty else {
                throw Complaint(.failed, "the cluster runs without encryption: there are no keys to change")
            }
            let key = present.keys.publicKey.z85
            if key == member.nextPublicKey { return try await finish(member, client) }
            guard key == member.publicKey else {
                throw Complaint(
                    .failed,
                    "the cluster knows \(name) by another key than \(plan) has: is it the file the server is started with?"
                )
            }
            try await begin(present, member, path, client)
        }
    }

    private func begin(
        _ present: ServerPlan, _ member: ClusterReport.Member, _ path: String, _ client: StarlingClient
    ) async throws {
        // On the disk before anybody is told; an earlier attempt's is used again.
        let draft = path + ".next"
        let new: ServerPlan
        // Its keys only: the rest may have been changed since.
        if FileManager.default.fileExists(atPath: draft), case let keys = try Self.read(draft).keys,
            keys != present.keys
        {
            new = present.replacing(keys)
        } else {
            new = present.replacing(try CurveKeyPair.generate())
            try new.write(to: draft)
        }
        let key = new.keys.publicKey
        Terminal.line("\(name) gets the key \(key) beside its present one, \(member.publicKey)")
        if member.nextPublicKey != key.z85 {
            _ = try await ClusterChange(client: client).perform(.change([.setNextKey(member.node, key.bytes)])) {
                report in
                report.find(name)?.nextPublicKey == key.z85
            }
        }
        try new.write(to: path)
        try? FileManager.default.removeItem(atPath: draft)
        Terminal.line(
            "all members accept both; the new one is in \(plan). Start \(name) again, then repeat this command.")
    }

    private func finish(_ member: ClusterReport.Member, _ client: StarlingClient) async throws {
        guard let next = member.nextPublicKey.flatMap({ CurvePublicKey(z85: $0) }),
            let endpoint = ServerEndpoint(member.client, publicKey: next)
        else { throw Complaint(.failed, "\(name)'s address \(member.client), or its key, cannot be used") }
        guard try await Self.answers(endpoint) else {
            throw Complaint(
                .failed,
                "\(name) does not answer at \(member.client) with its new key. Start it again with \(plan), then repeat this command."
            )
        }
        _ = try await ClusterChange(client: client).perform(.change([.adoptNextKey(member.node)])) { report in
            report.find(name).map { $0.publicKey == next.z85 && $0.nextPublicKey == nil } ?? false
        }
        Terminal.line(
            "\(name) has only its new key now. Clients need a new client file: starling cluster members --save-client-file FILE"
        )
    }

    /// Nobody but the owner of the key can.
    private static func answers(_ endpoint: ServerEndpoint) async throws -> Bool {
        var settings = ClientSettings()
        settings.operationTimeout = 3_000
        let client = try StarlingClient(servers: [endpoint], settings: settings)
        let isThere = (try? await client.status()) != nil
        await client.close()
        return isThere
    }

    private static func read(_ path: String) throws(Complaint) -> ServerPlan {
        do throws(PlanError) {
            return try ServerPlan.read(from: path)
        } catch {
            throw Complaint(.failed, error.description)
        }
    }
}

extension ServerPlan {
    fileprivate func replacing(_ keys: CurveKeyPair) -> ServerPlan {
        var new = self
        new.keys = keys
        for i in new.servers.indices where new.servers[i].name == name { new.servers[i].publicKey = keys.publicKey }
        return new
    }
}
