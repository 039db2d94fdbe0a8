import ByteCoding
import ClientProtocol
import TupleSpace
import ZeroMQ

/// A DEALER that says whatever a test wants, byte by byte. Belongs to one thread.
final class RawClient {
    let context: Context
    let socket: Socket
    private var nextRequest: UInt64 = 1
    private var responses: [(id: UInt64, kind: ClientResponseKind?, payload: [UInt8])] = []

    /// - Parameter key: nil: without CURVE.
    init(to address: String, key: CurvePublicKey?, keys: CurveKeyPair? = nil, receives: Int32 = 1_000) throws {
        context = try Context()
        socket = try Socket(.dealer, in: context)
        try socket.set(
            .linger(milliseconds: 0), .receiveHighWaterMark(receives), .sendHighWaterMark(100_000),
            .reconnectInterval(milliseconds: 50, maximumMilliseconds: 50), .handshakeTimeout(milliseconds: 500))
        if let key {
            let own = if let keys { keys } else { try CurveKeyPair.generate() }
            try socket.set(.curveClient(own, server: key))
        }
        try socket.connect(to: "tcp://" + address)
    }

    deinit { socket.close() }

    func send(_ frames: [UInt8]...) throws { _ = try socket.send(frames: frames) }

    /// One message; nil if none comes in time.
    func receive(withinMilliseconds milliseconds: Int32 = 5_000) throws -> [UInt8]? {
        try socket.set(.receiveTimeout(milliseconds: milliseconds))
        return try socket.receiveFrames(wait: true)?.first
    }

    /// The failure of the next message, which must be a refusal.
    func refusal() throws -> Failure.Code? {
        guard let frame = try receive() else { return nil }
        return try frame.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            return reader.kind == .refused ? try reader.readRefusal().code : nil
        }
    }

    func hello(cluster: UInt64 = 0, token: String = "") throws {
        var writer = ClientFrameWriter()
        writer.make(Hello(cluster: cluster, token: token))
        try send(writer.bytes)
    }

    func greet() throws -> Bool {
        try hello()
        return try receive()?.first == ClientFrameKind.welcome.rawValue
    }

    // MARK: - Requests

    @discardableResult
    func request(_ kind: UInt8, _ payload: [UInt8], id: UInt64? = nil) throws -> UInt64 {
        let number = id ?? nextRequest
        nextRequest += 1
        var writer = ByteWriter()
        writer.write(ClientFrameKind.requests.rawValue)
        writer.writeVarint(number)
        writer.write(kind)
        writer.writePrefixed(payload)
        try send(writer.take())
        return number
    }

    @discardableResult
    func command(_ session: UInt64, _ sequence: UInt64, _ operation: Operation, id: UInt64? = nil) throws -> UInt64 {
        var writer = ByteWriter()
        writer.write(session)
        writer.write(sequence)
        writer.writeVarint(0)
        writer.writeVarint(0)
        operation.encode(into: &writer)
        return try request(ClientRequestKind.command.rawValue, writer.take(), id: id)
    }

    @discardableResult
    func query(_ query: Query, _ consistency: Consistency = .linearizable, timeout: Timeout = .none) throws -> UInt64 {
        var encoded = ByteWriter()
        query.encode(into: &encoded)
        var writer = ByteWriter()
        encoded.bytes.withUnsafeBytes {
            QueryRequest.encode(consistency: consistency, timeout: timeout, query: $0, into: &writer)
        }
        return try request(ClientRequestKind.query.rawValue, writer.take())
    }

    /// The response to a request; others wait for their turn.
    func response(
        to id: UInt64, withinMilliseconds milliseconds: Int32 = 10_000
    ) throws -> (kind: ClientResponseKind?, payload: [UInt8])? {
        while true {
            if let place = responses.firstIndex(where: { $0.id == id }) {
                let found = responses.remove(at: place)
                return (found.kind, found.payload)
            }
            guard let frame = try receive(withinMilliseconds: milliseconds) else { return nil }
            try frame.withUnsafeBytes { bytes in
                var reader = try ClientFrameReader(bytes)
                guard reader.kind == .responses else { return }
                while let response = try reader.nextResponse() {
                    responses.append((response.id, response.kind, [UInt8](response.payload)))
                }
            }
        }
    }

    func reply(to id: UInt64, withinMilliseconds milliseconds: Int32 = 10_000) throws -> Reply? {
        guard let response = try response(to: id, withinMilliseconds: milliseconds), response.kind == .reply else {
            return nil
        }
        return try response.payload.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            return try Reply(from: &reader)
        }
    }

    func failure(to id: UInt64) throws -> Failure.Code? {
        if case .failed(let failure)? = try reply(to: id) { failure.code } else { nil }
    }

    func openSession(_ session: UInt64, timeout: UInt64 = 60_000) throws -> Reply? {
        try reply(to: try command(session, 1, .openSession(timeoutMilliseconds: timeout)))
    }
}
