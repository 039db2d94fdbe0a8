import ByteCoding
import ClientProtocol
import Testing
import TupleSpace

@Suite("Rubbish in place of frames")
struct FuzzTests {
    /// Reads everything that can be read of a frame. The result is how much was there, so that nothing is optimized
    /// away.
    private func readAll(_ frame: [UInt8]) -> Int {
        frame.withUnsafeBytes { bytes in
            guard var reader = try? ClientFrameReader(bytes) else { return 0 }
            switch reader.kind {
            case .hello: return (try? Hello(from: &reader.reader)) == nil ? 0 : 1
            case .welcome: return (try? Welcome(from: &reader.reader))?.servers.count ?? 0
            case .refused: return (try? reader.readRefusal())?.message.utf8.count ?? 0
            case .ping, .pong: return (try? reader.readPingNumber()) == nil ? 0 : 1
            case .requests: return readRequests(&reader)
            case .responses: return readResponses(&reader)
            }
        }
    }

    private func readRequests(_ reader: inout ClientFrameReader) -> Int {
        var count = 0
        while let request = try? reader.nextRequest() {
            count += 1
            // Whatever the kind says, every decoder must bear every payload.
            if let command = try? CommandRequest(request.payload) { count += command.operation.count }
            if let query = try? QueryRequest(request.payload) { count += query.query.count }
            if (try? SubscribeRequest(request.payload)) != nil { count += 1 }
            if (try? CancelRequest(request.payload)) != nil { count += 1 }
            if (try? KeepAliveRequest(request.payload)) != nil { count += 1 }
        }
        return count
    }

    private func readResponses(_ reader: inout ClientFrameReader) -> Int {
        var count = 0
        while let response = try? reader.nextResponse() {
            count += 1
            if ReplyPeek.failure(in: response.payload) != nil { count += 1 }
            count += (try? EventsPayload.decode(response.payload))?.count ?? 0
            if ((try? FailurePayload.decode(response.payload)) ?? nil) != nil { count += 1 }
        }
        return count
    }

    private var goodFrames: [[UInt8]] {
        var frames: [[UInt8]] = []
        var frame = ClientFrameWriter()
        frame.make(Hello(cluster: 3, token: "token"))
        frames.append(frame.bytes)
        frame.make(
            Welcome(
                cluster: 3, server: 1, leader: 1, incarnation: 5,
                servers: [
                    .init(
                        id: 1, name: "a", clientAddress: "a:1", httpAddress: "a:2",
                        publicKey: [UInt8](repeating: 1, count: 32))
                ]))
        frames.append(frame.bytes)
        frame.makeRefusal(Failure(.notAllowed, "no"))
        frames.append(frame.bytes)
        frame.makePing(4)
        frames.append(frame.bytes)
        frame.beginRequests()
        frame.appendCommand(
            id: 1, session: SessionID(2), sequence: 3, acknowledgedBelow: 1, acknowledged: [2, 9],
            operation: UnsafeRawBufferPointer(start: nil, count: 0))
        frame.appendRequest(id: 2, kind: .subscribe) {
            SubscribeRequest(
                space: "s", template: Template([.any, .prefix("x")]), position: Position(index: 1, ordinal: 2)
            ).encode(into: &$0)
        }
        frames.append(frame.bytes)
        frame.beginResponses()
        frame.appendResponse(id: 1, kind: .events, position: Position(index: 1, ordinal: 2)) {
            Event(
                position: Position(index: 1, ordinal: 2), kind: .write, space: "s",
                tuple: StoredTuple(id: TupleID(3), tuple: Tuple([.string("x"), .list([.null])])), caller: "alice"
            ).encode(into: &$0)
        }
        frames.append(frame.bytes)
        return frames
    }

    @Test("good frames are read whole")
    func good() {
        for frame in goodFrames { #expect(readAll(frame) > 0) }
    }

    @Test("every prefix of every frame is read without a trap")
    func prefixes() {
        for frame in goodFrames {
            for length in 0..<frame.count { #expect(readAll(Array(frame.prefix(length))) >= 0) }
        }
    }

    @Test("frames with bytes changed, cut out and put in are read without a trap", arguments: 0..<20)
    func mutations(seed: Int) {
        var chance = SeededGenerator(seed: UInt64(seed))
        let frames = goodFrames
        for _ in 0..<2_000 {
            var frame = frames[Int.random(in: 0..<frames.count, using: &chance)]
            for _ in 0..<Int.random(in: 1...6, using: &chance) {
                let place = Int.random(in: 0...frame.count, using: &chance)
                switch Int.random(in: 0..<4, using: &chance) {
                case 0 where place < frame.count: frame[place] = UInt8.random(in: 0...255, using: &chance)
                case 1 where place < frame.count: frame[place] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
                case 2: frame.insert(UInt8.random(in: 0...255, using: &chance), at: place)
                default: frame.removeLast(frame.count - place)
                }
            }
            #expect(readAll(frame) >= 0)
        }
    }

    @Test("noise is read without a trap", arguments: 0..<8)
    func noise(seed: Int) {
        var chance = SeededGenerator(seed: UInt64(seed) + 1_000)
        for _ in 0..<2_000 {
            var frame = (0..<Int.random(in: 0..<64, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
            let kinds: [UInt8] = [1, 2, 3, 129, 130, 131, 255]
            if !frame.isEmpty { frame[0] = kinds[Int.random(in: 0..<kinds.count, using: &chance)] }
            #expect(readAll(frame) >= 0)
        }
    }

    @Test("a forged count reserves no memory")
    func forgedCount() {
        // A command that claims 2^60 acknowledged numbers.
        var writer = ByteWriter()
        writer.write(UInt64(1))
        writer.write(UInt64(1))
        writer.writeVarint(0)
        writer.writeVarint(1 << 60)
        writer.bytes.withUnsafeBytes { bytes in
            _ = #expect(throws: MalformedBytes.self) { _ = try CommandRequest(bytes) }
        }
    }
}
