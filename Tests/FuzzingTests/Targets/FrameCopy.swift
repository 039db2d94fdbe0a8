import ByteCoding
import TupleSpace

@testable import ClientProtocol

/// Reads a frame of the client protocol down to its last field, and writes what it read.
enum FrameCopy {
    /// Nil if the frame is malformed anywhere. A request or response of an unknown kind is copied as it stands.
    static func copy(_ bytes: UnsafeRawBufferPointer, toServer: Bool) throws -> [UInt8]? {
        do {
            var frame = try ClientFrameReader(bytes)
            var writer = ClientFrameWriter()
            switch (frame.kind, toServer) {
            case (.hello, true): writer.make(try Hello(from: &frame.reader))
            case (.ping, true): writer.makePing(try frame.readPingNumber())
            case (.requests, true):
                writer.beginRequests()
                while let request = try frame.nextRequest() { try copy(request, into: &writer) }
            case (.welcome, false): writer.make(try Welcome(from: &frame.reader))
            case (.pong, false): writer.makePong(try frame.readPingNumber())
            case (.refused, false): writer.makeRefusal(try frame.readRefusal())
            case (.responses, false):
                writer.beginResponses()
                while let response = try frame.nextResponse() { try copy(response, into: &writer) }
            default: return nil
            }
            return writer.bytes
        } catch is MalformedBytes {
            return nil
        } catch is Failure {
            return nil
        }
    }

    private static func copy(_ request: ClientRequest, into writer: inout ClientFrameWriter) throws {
        let payload = request.payload
        guard let kind = request.kind else { return }
        switch kind {
        case .command:
            let command = try CommandRequest(payload)
            writer.appendCommand(
                id: request.id, session: command.header.session, sequence: command.header.sequence,
                acknowledgedBelow: command.header.acknowledgedBelow, acknowledged: command.header.acknowledged,
                operation: command.operation)
        case .query:
            let query = try QueryRequest(payload)
            writer.appendRequest(id: request.id, kind: kind) {
                QueryRequest.encode(
                    consistency: query.consistency, timeout: query.timeout, query: query.query, into: &$0)
            }
        case .cancel:
            let cancel = try CancelRequest(payload)
            writer.appendRequest(id: request.id, kind: kind) { cancel.encode(into: &$0) }
        case .keepAlive:
            let keepAlive = try KeepAliveRequest(payload)
            writer.appendRequest(id: request.id, kind: kind) { keepAlive.encode(into: &$0) }
        case .subscribe:
            let subscribe = try SubscribeRequest(payload)
            writer.appendRequest(id: request.id, kind: kind) { subscribe.encode(into: &$0) }
        case .status, .cluster, .join: writer.appendRequest(id: request.id, kind: kind, payload: payload)
        case .snapshotPiece:
            let piece = try SnapshotPieceRequest(payload)
            writer.appendRequest(id: request.id, kind: kind) { piece.encode(into: &$0) }
        }
    }

    private static func copy(_ response: ClientResponse, into writer: inout ClientFrameWriter) throws {
        guard let kind = response.kind else { return }
        let (id, position, payload) = (response.id, response.position, response.payload)
        switch kind {
        case .reply:
            try copy(reply: payload, id, position, into: &writer)
        case .events:
            let events = try EventsPayload.decode(payload)
            writer.appendResponse(id: id, kind: kind, position: position) { writer in
                for event in events { event.encode(into: &writer) }
            }
        case .status, .outcome: writer.appendResponse(id: id, kind: kind, position: position, payload: payload)
        case .snapshotPiece:
            var reader = ByteReader(payload)
            let piece = try SnapshotPiece(from: &reader)
            writer.appendResponse(id: id, kind: kind, position: position) { piece.encode(into: &$0) }
        case .end:
            let failure = try FailurePayload.decode(payload)
            writer.appendResponse(id: id, kind: kind, position: position) { failure?.encode(into: &$0) }
        }
    }

    /// What is said of a reply without decoding it agrees with what it is.
    private static func copy(
        reply payload: UnsafeRawBufferPointer, _ id: UInt64, _ position: Position, into writer: inout ClientFrameWriter
    ) throws {
        let peeked = ReplyPeek.failure(in: payload)
        var reader = ByteReader(payload)
        let reply = try Reply(from: &reader)
        try reader.requireEnd("reply")
        if case .failed(let failure) = reply {
            try require(peeked == failure, "a failure is taken for another")
        } else {
            try require(peeked == nil, "a reply is taken for a failure")
        }
        if case .found = reply { try require(ReplyPeek.isFound(payload), "what was found is not seen") }
        writer.appendResponse(id: id, kind: .reply, position: position) { reply.encode(into: &$0) }
    }
}
