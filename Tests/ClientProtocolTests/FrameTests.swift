import ByteCoding
import ClientProtocol
import Testing
import TupleSpace

@Suite("Frames of the client protocol")
struct FrameTests {
    private func payload(_ frame: ClientFrameWriter, _ kind: ClientFrameKind) throws -> [UInt8] {
        #expect(frame.bytes.first == kind.rawValue)
        return Array(frame.bytes.dropFirst())
    }

    @Test("a hello reads as it was written")
    func hello() throws {
        let hello = Hello(cluster: 0xFEED_F00D_0123_4567, token: "alice:s3cret")
        var frame = ClientFrameWriter()
        frame.make(hello)
        let decoded = try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            #expect(reader.kind == .hello)
            return try Hello(from: &reader.reader)
        }
        #expect(decoded == hello)
    }

    @Test("a hello has the bytes that the specification prints")
    func helloBytes() {
        var frame = ClientFrameWriter()
        frame.make(Hello(cluster: 1, token: "ab"))
        #expect(frame.bytes == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 97, 98])
    }

    @Test("a welcome reads as it was written")
    func welcome() throws {
        let welcome = Welcome(
            cluster: 7, server: 2, leader: 3, incarnation: .max,
            servers: [
                .init(id: 2, name: "a", clientAddress: "127.0.0.1:7460", httpAddress: "127.0.0.1:7480", publicKey: []),
                .init(
                    id: 3, name: "b", clientAddress: "h:1", httpAddress: "", publicKey: [UInt8](repeating: 9, count: 32)
                ),
            ])
        var frame = ClientFrameWriter()
        frame.make(welcome)
        let decoded = try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            return try Welcome(from: &reader.reader)
        }
        #expect(decoded == welcome)
    }

    @Test("another version is unsupported, and nothing else of the frame is looked at")
    func version() throws {
        for bytes in [[UInt8]([1, 2]), [1, 0, 255, 255], [1, 255]] {
            let failure = #expect(throws: Failure.self) {
                try bytes.withUnsafeBytes { bytes in
                    var reader = try ClientFrameReader(bytes)
                    _ = try Hello(from: &reader.reader)
                }
            }
            #expect(failure?.code == .unsupported)
            #expect(failure?.message.contains("version 1") == true)
        }
    }

    @Test("a hello that is cut short, or goes on, or has too long a token, is malformed")
    func malformedHello() throws {
        var frame = ClientFrameWriter()
        frame.make(Hello(cluster: 1, token: "token"))
        var long = ClientFrameWriter()
        long.make(Hello(token: String(repeating: "x", count: FrameLimits.tokenBytes + 1)))
        for bytes in [Array(frame.bytes.dropLast()), frame.bytes + [0], [1], long.bytes] {
            let failure = #expect(throws: Failure.self) {
                try bytes.withUnsafeBytes { bytes in
                    var reader = try ClientFrameReader(bytes)
                    _ = try Hello(from: &reader.reader)
                }
            }
            #expect(failure?.code == .malformed)
        }
    }

    @Test("a refusal, a ping and a pong read as they were written")
    func smallFrames() throws {
        var frame = ClientFrameWriter()
        frame.makeRefusal(Failure(.busy, "too many connections"))
        try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            #expect(try reader.readRefusal() == Failure(.busy, "too many connections"))
        }
        frame.makePing(77)
        #expect(frame.bytes == [3, 77, 0, 0, 0, 0, 0, 0, 0])
        frame.makePong(77)
        try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            #expect(reader.kind == .pong)
            #expect(try reader.readPingNumber() == 77)
        }
    }

    @Test("requests come out in order, with their payloads", arguments: [0, 1, 127, 128, 20_000, 3_000_000])
    func requests(size: Int) throws {
        let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        var frame = ClientFrameWriter()
        frame.beginRequests()
        payload.withUnsafeBytes { frame.appendRequest(id: 5, kind: .query, payload: $0) }
        frame.appendRequest(id: .max, kind: .status) { _ in }
        frame.appendCommand(
            id: 300, session: SessionID(42), sequence: 9, acknowledgedBelow: 3, acknowledged: [5, 7],
            operation: UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(frame.itemCount == 3)
        try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            let first = try #require(try reader.nextRequest())
            #expect(first.id == 5 && first.kind == .query && [UInt8](first.payload) == payload)
            let second = try #require(try reader.nextRequest())
            #expect(second.id == .max && second.kind == .status && second.payload.isEmpty)
            let third = try #require(try reader.nextRequest())
            let command = try CommandRequest(third.payload)
            #expect(
                command.header
                    == CommandHeader(session: SessionID(42), sequence: 9, acknowledgedBelow: 3, acknowledged: [5, 7]))
            #expect(command.operation.isEmpty)
            #expect(try reader.nextRequest() == nil)
        }
    }

    @Test("a writer that is used again forgets the frame before")
    func reuse() throws {
        var frame = ClientFrameWriter()
        frame.beginRequests()
        frame.appendRequest(id: 1, kind: .status) { _ in }
        frame.beginResponses()
        #expect(frame.isEmpty)
        frame.appendResponse(id: 2, kind: .reply, position: Position(index: 1 << 40, ordinal: .max)) {
            $0.write(UInt8(0))
        }
        try frame.bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            let response = try #require(try reader.nextResponse())
            #expect(response.id == 2 && response.kind == .reply && [UInt8](response.payload) == [0])
            #expect(response.position == Position(index: 1 << 40, ordinal: .max))
            #expect(try reader.nextResponse() == nil)
        }
    }

    @Test("a request of an unknown kind does not spoil those behind it")
    func unknownKind() throws {
        let bytes: [UInt8] = [2, /* id */ 1, /* kind */ 99, /* length */ 2, 7, 7, /* id */ 2, /* status */ 6, 0]
        try bytes.withUnsafeBytes { bytes in
            var reader = try ClientFrameReader(bytes)
            let strange = try #require(try reader.nextRequest())
            #expect(strange.kind == nil && strange.id == 1)
            #expect(try reader.nextRequest()?.kind == .status)
        }
    }

    @Test("queries and subscriptions read as they were written")
    func readingRequests() throws {
        let position = Position(index: 900, ordinal: 4)
        for consistency in [Consistency.linearizable, .sequential(position), .local] {
            for timeout in [Timeout.none, .milliseconds(70_000), .forever] {
                var writer = ByteWriter()
                [UInt8]([1, 2, 3]).withUnsafeBytes {
                    QueryRequest.encode(consistency: consistency, timeout: timeout, query: $0, into: &writer)
                }
                try writer.bytes.withUnsafeBytes { bytes in
                    let query = try QueryRequest(bytes)
                    #expect(query.consistency == consistency && query.timeout == timeout)
                    #expect([UInt8](query.query) == [1, 2, 3])
                }
            }
        }
        for template in [nil, Template([.literal(.int(1)), .any])] {
            for position in [nil, position] {
                let request = SubscribeRequest(space: "blog", template: template, position: position)
                var writer = ByteWriter()
                request.encode(into: &writer)
                let decoded = try writer.bytes.withUnsafeBytes { try SubscribeRequest($0) }
                #expect(decoded == request)
            }
        }
    }

    @Test("what is peeked of a reply is what decoding says")
    func peek() throws {
        let stored = StoredTuple(id: TupleID(1), tuple: Tuple([.int(1)]))
        let position = Position(index: 1, ordinal: 0)
        let failure = Failure(.outcomeUnknown, "who knows")
        for reply in [
            Reply.done, .written(id: TupleID(1), position: position), .found(stored, position: position), .noMatch,
            .tuples([stored], more: true), .count(3), .failed(failure),
        ] {
            var writer = ByteWriter()
            reply.encode(into: &writer)
            writer.bytes.withUnsafeBytes { bytes in
                #expect(ReplyPeek.failure(in: bytes) == (reply == .failed(failure) ? failure : nil))
                #expect(ReplyPeek.isFound(bytes) == (reply == .found(stored, position: position)))
            }
        }
        #expect(ReplyPeek.failure(in: UnsafeRawBufferPointer(start: nil, count: 0))?.code == .malformed)
    }
}
