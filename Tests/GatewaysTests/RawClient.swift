import NIOCore
import NIOPosix

/// An HTTP client that shows every byte and can break off at any point.
struct RawClient: Sendable {
    let port: Int

    struct Reply: Sendable {
        var status: Int
        var headers: [String: String]
        var body: String
    }

    func connect() async throws -> RawConnection { try await RawConnection.open(port: port) }

    /// One request on a connection of its own, to its end.
    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> Reply {
        let connection = try await connect()
        try await connection.send(Self.head(method, path, headers: headers, body: body, close: true) + (body ?? ""))
        let text = try await connection.rest()
        return try Self.parse(text)
    }

    /// A request of the API, with a JSON body.
    func json(_ path: String, _ body: String, headers: [String: String] = [:]) async throws -> Reply {
        try await request(
            "POST", path, headers: headers.merging(["Content-Type": "application/json"]) { a, _ in a }, body: body)
    }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> Reply {
        try await request("GET", path, headers: headers)
    }

    /// A form as browsers send it.
    func form(_ path: String, _ fields: [(String, String)], headers: [String: String] = [:]) async throws -> Reply {
        let body = fields.map { "\(Self.encode($0.0))=\(Self.encode($0.1))" }.joined(separator: "&")
        let type = ["Content-Type": "application/x-www-form-urlencoded"]
        return try await request("POST", path, headers: headers.merging(type) { a, _ in a }, body: body)
    }

    static func encode(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            return isPlain
                ? String(Character(Unicode.Scalar(byte))) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    static func head(
        _ method: String, _ path: String, headers: [String: String], body: String?, close: Bool = false
    ) -> String {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"]
        if close { lines.append("Connection: close") }
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        lines += headers.map { "\($0.key): \($0.value)" }
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    struct NoReply: Error {}

    static func parse(_ text: String) throws -> Reply {
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw NoReply() }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw NoReply() }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
        }
        return Reply(status: status, headers: headers, body: String(text[end.upperBound...]))
    }
}

/// A TCP connection whose received bytes are text.
actor RawConnection {
    private let channel: any Channel
    private var chunks: AsyncStream<ByteBuffer>.Iterator
    private var received = ""

    static func open(port: Int) async throws -> RawConnection {
        let (stream, source) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Inbox(source: source))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawConnection(channel: channel, chunks: stream.makeAsyncIterator())
    }

    private init(channel: any Channel, chunks: AsyncStream<ByteBuffer>.Iterator) {
        self.channel = channel
        self.chunks = chunks
    }

    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }

    func close() async throws { try await channel.close().get() }
    /// As `shutdown(SHUT_WR)`: the other side sees an end, but could still send.
    func closeSending() async throws { try await channel.close(mode: .output).get() }

    /// Everything up to and including the text, which is taken from what is read next; nil if the connection ended
    /// before.
    func read(until text: String) async -> String? {
        while true {
            if let range = received.firstRange(of: text) {
                let taken = String(received[..<range.upperBound])
                received = String(received[range.upperBound...])
                return taken
            }
            guard await more() else { return nil }
        }
    }

    /// Everything up to the end of the connection.
    func rest() async throws -> String {
        while await more() {}
        defer { received = "" }
        return received
    }

    private func more() async -> Bool {
        var iterator = chunks
        guard let chunk = await iterator.next(isolation: self) else { return false }
        chunks = iterator
        received += String(buffer: chunk)
        return true
    }
}

private final class Inbox: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let source: AsyncStream<ByteBuffer>.Continuation

    init(source: AsyncStream<ByteBuffer>.Continuation) { self.source = source }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { source.yield(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { source.finish() }
    }

    func channelInactive(context: ChannelHandlerContext) { source.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
