import Certificates
import Foundation
import Raft
import ZeroMQ

/// The plan files' JSON: docs/formats/plan-files.md.
private struct ServerPlanDocument: Codable {
    struct Server: Codable {
        var name: String
        var peer: String
        var client: String
        var http: String
        var publicKey: String
    }

    var format: String
    var version: Int
    var cluster: String
    var name: String
    var publicKey: String
    var secretKey: String
    var servers: [Server]
    var operators: [String]?
}

private struct OperatorKeyDocument: Codable {
    var format: String
    var version: Int
    var cluster: String
    var publicKey: String
    var secretKey: String
}

private struct ClientPlanDocument: Codable {
    struct Server: Codable {
        var name: String
        var client: String
        var http: String
        var publicKey: String
    }

    var format: String
    var version: Int
    var cluster: String
    var servers: [Server]
}

private let serverFormat = "starling-server-plan"
private let clientFormat = "starling-client-plan"
private let operatorFormat = "starling-operator-key"

extension ServerPlan {
    public func encoded() throws(PlanError) -> Data {
        try encode(
            ServerPlanDocument(
                format: serverFormat, version: 1, cluster: cluster.description, name: name,
                publicKey: keys.publicKey.z85, secretKey: keys.secretZ85,
                servers: servers.map {
                    .init(
                        name: $0.name, peer: $0.peerAddress, client: $0.clientAddress, http: $0.httpAddress,
                        publicKey: $0.publicKey.z85)
                }, operators: operators.map(\.z85)), name)
    }

    /// - Parameter file: how errors call it.
    public init(decoding data: Data, file: String) throws(PlanError) {
        let document = try decode(ServerPlanDocument.self, data, file)
        try require(
            document.format == serverFormat && document.version == 1, file, "format", "\(serverFormat), version 1")
        cluster = try decodeCluster(document.cluster, file)
        keys = try decodePair(document.publicKey, document.secretKey, file)
        operators = []
        // A plan from before there were operators names none.
        for (position, text) in (document.operators ?? []).enumerated() {
            operators.append(try decodeKey(text, file, "operators[\(position)]"))
        }
        name = document.name
        var servers: [PlannedServer] = []
        for (position, server) in document.servers.enumerated() {
            let field = "servers[\(position)]"
            try require(PlannedServer.isValid(name: server.name), file, "\(field).name", "1 to 63 of a-z, 0-9 and -")
            servers.append(
                PlannedServer(
                    name: server.name, peerAddress: try decodeAddress(server.peer, file, "\(field).peer"),
                    clientAddress: try decodeAddress(server.client, file, "\(field).client"),
                    httpAddress: try decodeAddress(server.http, file, "\(field).http"),
                    publicKey: try decodeKey(server.publicKey, file, "\(field).publicKey")))
        }
        if let problem = ClusterPlan.problem(in: servers) { throw PlanError("\(file), field servers", problem) }
        self.servers = servers.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        try require(
            servers.contains { $0.name == document.name && $0.publicKey == keys.publicKey }, file, "name",
            "one of the servers, with this file's public key")
    }

    public static func read(from path: String) throws(PlanError) -> ServerPlan {
        try ServerPlan(decoding: try readFile(path), file: path)
    }

    /// Readable by its owner only, or by those who could read what was there; whole or not at all.
    public func write(to path: String) throws(PlanError) {
        let bytes = [UInt8](try encoded())
        do throws(NewFile.Failure) {
            try NewFile.replace(path, bytes, mode: 0o600)
        } catch {
            throw PlanError(path, error.description)
        }
    }
}

extension OperatorKey {
    public func encoded() throws(PlanError) -> Data {
        try encode(
            OperatorKeyDocument(
                format: operatorFormat, version: 1, cluster: cluster.description, publicKey: keys.publicKey.z85,
                secretKey: keys.secretZ85), "operator")
    }

    public init(decoding data: Data, file: String) throws(PlanError) {
        let document = try decode(OperatorKeyDocument.self, data, file)
        try require(
            document.format == operatorFormat && document.version == 1, file, "format", "\(operatorFormat), version 1")
        cluster = try decodeCluster(document.cluster, file)
        keys = try decodePair(document.publicKey, document.secretKey, file)
    }

    public static func read(from path: String) throws(PlanError) -> OperatorKey {
        try OperatorKey(decoding: try readFile(path), file: path)
    }
}

extension ClientPlan {
    public func encoded() throws(PlanError) -> Data {
        try encode(
            ClientPlanDocument(
                format: clientFormat, version: 1, cluster: cluster.description,
                servers: servers.map {
                    .init(name: $0.name, client: $0.clientAddress, http: $0.httpAddress, publicKey: $0.publicKey.z85)
                }), "client")
    }

    public init(decoding data: Data, file: String) throws(PlanError) {
        let document = try decode(ClientPlanDocument.self, data, file)
        try require(
            document.format == clientFormat && document.version == 1, file, "format", "\(clientFormat), version 1")
        cluster = try decodeCluster(document.cluster, file)
        servers = []
        for (position, server) in document.servers.enumerated() {
            let field = "servers[\(position)]"
            servers.append(
                Server(
                    name: server.name, clientAddress: try decodeAddress(server.client, file, "\(field).client"),
                    httpAddress: try decodeAddress(server.http, file, "\(field).http"),
                    publicKey: try decodeKey(server.publicKey, file, "\(field).publicKey")))
        }
        try require(!servers.isEmpty, file, "servers", "at least one server")
    }

    public static func read(from path: String) throws(PlanError) -> ClientPlan {
        try ClientPlan(decoding: try readFile(path), file: path)
    }
}

extension ClusterPlan {
    public static let clientFileName = "client.json"
    public static let operatorFileName = "operator.json"
    public static func fileName(ofServer name: String) -> String { "\(name).plan.json" }

    /// Writes `NAME.plan.json` for each server and `operator.json`, readable by their owner only, and `client.json`, into a directory
    /// that is made if need be.
    /// - Returns: the paths written.
    /// - Throws: if one of the files exists: a plan is made once, and overwriting it would lose the keys of a cluster. Then
    ///   nothing has been written.
    public func write(to directory: String) throws(PlanError) -> [String] {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw PlanError(directory, "cannot make the directory: \(error.localizedDescription)")
        }
        var files: [(path: String, data: Data, mode: mode_t)] = []
        for server in servers {
            files.append(("\(directory)/\(Self.fileName(ofServer: server.name))", try server.encoded(), 0o600))
        }
        files.append(("\(directory)/\(Self.operatorFileName)", try operatorKey.encoded(), 0o600))
        files.append(("\(directory)/\(Self.clientFileName)", try client.encoded(), 0o644))
        for file in files where access(file.path, F_OK) == 0 {
            throw PlanError(file.path, "exists already, and is not overwritten")
        }
        for file in files { try writeNew(file.path, file.data, mode: file.mode) }
        return files.map(\.path)
    }
}

// MARK: Files

private func writeNew(_ path: String, _ data: Data, mode: mode_t) throws(PlanError) {
    do throws(NewFile.Failure) {
        try NewFile.make(path, [UInt8](data), mode: mode)
    } catch {
        throw PlanError(path, error.description)
    }
}

private func readFile(_ path: String) throws(PlanError) -> Data {
    do {
        return try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
        throw PlanError(path, "cannot be read: \(error.localizedDescription)")
    }
}

// MARK: Fields

private func encode<Document: Encodable>(_ document: Document, _ name: String) throws(PlanError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
        return try encoder.encode(document) + Data("\n".utf8)
    } catch {
        throw PlanError(name, "cannot be encoded: \(error)")
    }
}

private func decode<Document: Decodable>(
    _ type: Document.Type, _ data: Data, _ file: String
) throws(PlanError) -> Document {
    do {
        return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
        throw describe(error, data, file)
    } catch {
        throw PlanError(file, "expected JSON: \(error)")
    }
}

/// What is wrong and in which line: this parser of Foundation's says at which character, and the decoder says nothing.
private func syntaxError(in data: Data) -> String? {
    do {
        _ = try JSONSerialization.jsonObject(with: data)
        return nil
    } catch {
        guard let text = (error as NSError).userInfo["NSDebugDescription"] as? String else { return nil }
        guard let offset = text.split(whereSeparator: { !$0.isNumber }).last.flatMap({ Int($0) }) else { return text }
        let line = data.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1
        return "\(text) That is in line \(line)."
    }
}

private func describe(_ error: DecodingError, _ data: Data, _ file: String) -> PlanError {
    func field(_ path: [any CodingKey]) -> String {
        var text = ""
        for key in path { text += key.intValue.map { "[\($0)]" } ?? (text.isEmpty ? "" : ".") + key.stringValue }
        return text.isEmpty ? file : "\(file), field \(text)"
    }
    switch error {
    case .keyNotFound(let key, let context): return PlanError(field(context.codingPath + [key]), "is missing")
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
        let expected =
            switch type {
            case is String.Type: "a string"
            case is Int.Type: "a whole number"
            case _ where String(describing: type).hasPrefix("Array"): "a list"
            default: "an object"
            }
        return PlanError(field(context.codingPath), "expected \(expected)")
    case .dataCorrupted(let context):
        return PlanError(
            field(context.codingPath), "expected JSON: \(syntaxError(in: data) ?? context.debugDescription)")
    @unknown default: return PlanError(file, "expected JSON: \(error)")
    }
}

private func require(_ holds: Bool, _ file: String, _ field: String, _ expected: String) throws(PlanError) {
    guard holds else { throw PlanError("\(file), field \(field)", "expected \(expected)") }
}

private func decodeCluster(_ text: String, _ file: String) throws(PlanError) -> ClusterID {
    guard text.utf8.count == 16, let value = UInt64(text, radix: 16), value != 0 else {
        throw PlanError("\(file), field cluster", "expected 16 hexadecimal digits, not all 0")
    }
    return ClusterID(value)
}

private func decodeAddress(_ text: String, _ file: String, _ field: String) throws(PlanError) -> String {
    guard let endpoint = Endpoint(text), endpoint.port > 0 else {
        throw PlanError("\(file), field \(field)", "expected HOST:PORT")
    }
    return text
}

private func decodeKey(_ text: String, _ file: String, _ field: String) throws(PlanError) -> CurvePublicKey {
    guard let key = CurvePublicKey(z85: text) else {
        throw PlanError("\(file), field \(field)", "expected 40 characters of Z85")
    }
    return key
}

private func decodePair(_ publicKey: String, _ secretKey: String, _ file: String) throws(PlanError) -> CurveKeyPair {
    guard let pair = CurveKeyPair(secretZ85: secretKey) else {
        throw PlanError("\(file), field secretKey", "expected 40 characters of Z85")
    }
    try require(pair.publicKey.z85 == publicKey, file, "publicKey", "the public half of the secret key")
    return pair
}
