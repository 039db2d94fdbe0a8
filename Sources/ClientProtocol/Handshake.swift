import ByteCoding
import TupleSpace

extension Hello {
    /// version u8 · cluster u64 · token string
    public func encode(into writer: inout ByteWriter) {
        writer.write(Hello.version)
        writer.write(cluster)
        writer.write(token)
    }

    /// Reads what follows the frame's kind.
    /// - Throws: `unsupported` for another version, of which nothing else is read; `malformed` for anything else.
    public init(from reader: inout ByteReader) throws(Failure) {
        try requireVersion(&reader, of: "hello")
        do throws(MalformedBytes) {
            let cluster = try reader.readUInt64("cluster")
            let token = try reader.readText("token", atMost: FrameLimits.tokenBytes)
            try reader.requireEnd("hello")
            self.init(cluster: cluster, token: token)
        } catch {
            throw Failure(.malformed, "\(error)")
        }
    }
}

extension Welcome {
    /// version u8 · cluster u64 · server u64 · leader u64 · incarnation u64 · count varint ·
    /// { id u64 · name string · client address string · HTTP address string · public key prefixed, 0 or 32 bytes }*
    public func encode(into writer: inout ByteWriter) {
        writer.write(Hello.version)
        writer.write(cluster)
        writer.write(server)
        writer.write(leader)
        writer.write(incarnation)
        writer.writeVarint(UInt64(servers.count))
        for server in servers {
            writer.write(server.id)
            writer.write(server.name)
            writer.write(server.clientAddress)
            writer.write(server.httpAddress)
            writer.writePrefixed(server.publicKey)
        }
    }

    /// Reads what follows the frame's kind.
    /// - Throws: `unsupported` for another version; `malformed` for anything else.
    public init(from reader: inout ByteReader) throws(Failure) {
        try requireVersion(&reader, of: "welcome")
        do throws(MalformedBytes) {
            self.init(
                cluster: try reader.readUInt64("cluster"), server: try reader.readUInt64("server"),
                leader: try reader.readUInt64("leader"), incarnation: try reader.readUInt64("incarnation"), servers: [])
            let start = reader.offset
            let count = try reader.readCount(of: "servers", minimumBytes: 12)
            guard count <= FrameLimits.servers else {
                throw MalformedBytes("\(count) servers exceed \(FrameLimits.servers)", at: start)
            }
            for _ in 0..<count { servers.append(try Server(from: &reader)) }
            try reader.requireEnd("welcome")
        } catch {
            throw Failure(.malformed, "\(error)")
        }
    }
}

extension Welcome.Server {
    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let id = try reader.readUInt64("server id")
        let name = try reader.readText("server name", atMost: FrameLimits.textBytes)
        let client = try reader.readText("client address", atMost: FrameLimits.textBytes)
        let http = try reader.readText("HTTP address", atMost: FrameLimits.textBytes)
        let start = reader.offset
        let key = try reader.readPrefixedArray("public key")
        guard key.isEmpty || key.count == 32 else {
            throw MalformedBytes("public key has \(key.count) bytes instead of 32", at: start)
        }
        self.init(id: id, name: name, clientAddress: client, httpAddress: http, publicKey: key)
    }
}

extension ByteReader {
    mutating func readText(_ what: String, atMost limit: Int) throws(MalformedBytes) -> String {
        let start = offset
        let text = try readString(what)
        guard text.utf8.count <= limit else {
            throw MalformedBytes("\(what) of \(text.utf8.count) bytes exceeds \(limit)", at: start)
        }
        return text
    }
}

private func requireVersion(_ reader: inout ByteReader, of frame: String) throws(Failure) {
    let version: UInt8
    do throws(MalformedBytes) {
        version = try reader.readByte("version")
    } catch {
        throw Failure(.malformed, "\(error)")
    }
    guard version == Hello.version else {
        throw Failure(
            .unsupported,
            "a \(frame) of version \(version) of the client protocol; this side speaks version \(Hello.version)")
    }
}
