import ArgumentParser
import Crypto
import Foundation
import Gateways
import StarlingClient
import TupleSpace

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Tokens, by which servers know who somebody is.",
        discussion: """
            Whoever shows a token is the user that it was made for. The cluster keeps its digest, never the token itself.
            """,
        subcommands: [TokenCreateCommand.self, TokenListCommand.self, TokenRevokeCommand.self])
}

struct TokenCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token for a user, and print it: once, and never again.",
        discussion: """
              starling admin token create --user alice > alice.token
              starling tuple write blog '["alice","distsys","hi"]' --token-file alice.token
              curl -H "Authorization: Bearer $(cat alice.token)" …

              starling admin token create --user root --role admin     may do everything
            """)

    @Option(help: ArgumentHelp("The user whose token it is.", valueName: "name"))
    var user: String
    @Option(
        help: ArgumentHelp(
            "A role, which policies may ask for; `admin` may do everything. Several times for several.",
            valueName: "name"))
    var role: [String] = []
    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let token = Self.newToken()
        guard let digest = TokenDigest(sha256: SHA256.hash(data: Data(token.utf8))) else { return }
        let record = TokenRecord(digest: digest, user: user, roles: role)
        if let problem = record.problem() { throw Complaint(.wrongUsage, problem) }
        try await connection.withClient(as: .admin) { client in _ = try await client.setToken(record) }
        guard json else {
            Terminal.line(token)
            return Terminal.progress("a token of \(user); its digest is \(digest)\n")
        }
        Terminal.line(
            JSON.object([
                .init("token", .string(token)), .init("digest", .string(digest.text)), .init("user", .string(user)),
                .init("roles", .array(record.roles.map { .string($0) })),
            ]).text)
    }

    /// 256 bits of chance, with a prefix by which scanners of published files know it.
    private static func newToken() -> String {
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        let text = bytes.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
        return "starling_" + text.replacing("=", with: "")
    }
}

struct TokenListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print whose tokens the cluster knows, with their roles and digests.",
        discussion: "  starling admin token list --json")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let records = try await connection.withClient(as: .admin) { try await $0.allTokens() }
            .sorted { $0.user == $1.user ? $0.digest < $1.digest : $0.user < $1.user }
        guard json else {
            var table = Table(("USER", .left), ("ROLES", .left), ("DIGEST", .left))
            for record in records {
                table.add(
                    record.user, record.roles.isEmpty ? "-" : record.roles.joined(separator: ", "), record.digest.text)
            }
            return table.lines.forEach { Terminal.line($0) }
        }
        let items = records.map { record in
            JSON.object([
                .init("user", .string(record.user)), .init("roles", .array(record.roles.map { .string($0) })),
                .init("digest", .string(record.digest.text)),
            ])
        }
        Terminal.line(JSON.object([.init("tokens", .array(items))]).text)
    }
}

struct TokenRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Let tokens be known no more.",
        discussion: """
              starling admin token revoke 9f86d081           by the beginning of its digest
              starling admin token revoke --user alice       all of hers

            What they wait for ends at once. Exits 3 if there is no such token.
            """)

    @Argument(help: "The digest, or eight or more digits from its beginning.")
    var digest: String?
    @Option(help: ArgumentHelp("All tokens of a user.", valueName: "name"))
    var user: String?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (digest == nil) != (user == nil) else { throw ValidationError("name a digest, or a --user") }
        if let digest, !(8...64).contains(digest.utf8.count) {
            throw ValidationError("a digest has 64 digits, of which eight from its beginning will do")
        }
    }

    func run() async throws {
        try await connection.withClient(as: .admin) { client in
            let found = try await client.allTokens().filter { record in
                digest.map { record.digest.text.hasPrefix($0.lowercased()) } ?? (record.user == user)
            }
            guard !found.isEmpty else { throw Complaint(.notFound, "there is no such token") }
            guard digest == nil || found.count == 1 else {
                throw Complaint(.wrongUsage, "\(found.count) digests begin like that: name more of it")
            }
            for record in found {
                _ = try await client.removeToken(record.digest)
                Terminal.line("\(record.digest) of \(record.user) is known no more")
            }
        }
    }
}

extension StarlingClient {
    fileprivate func allTokens() async throws -> [TokenRecord] {
        var records: [TokenRecord] = []
        while true {
            let page = try await tokens(after: records.last?.digest)
            records += page.tokens
            guard page.more else { return records }
        }
    }
}
