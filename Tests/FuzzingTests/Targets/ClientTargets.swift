import ByteCoding
import TupleSpace

@testable import ClientProtocol

extension FuzzTarget {
    static let clients = [
        FuzzTarget(
            "client-frame",
            decoders: [
                "ClientProtocol.ClientFrameReader.init(_:)", "ClientProtocol.ClientFrameReader.nextRequest()",
                "ClientProtocol.ClientFrameReader.readPingNumber()", "ClientProtocol.CommandRequest.init(_:)",
                "ClientProtocol.QueryRequest.init(_:)", "ClientProtocol.CancelRequest.init(_:)",
                "ClientProtocol.KeepAliveRequest.init(_:)", "ClientProtocol.SubscribeRequest.init(_:)",
                "ClientProtocol.SnapshotPieceRequest.init(_:)",
                "ClientProtocol.Hello.init(from:)", "ClientProtocol.Position.init(fromVarints:)",
                "ClientProtocol.ByteReader.readText(_:atMost:)",
            ],
            seeds: clientSeeds
        ) { bytes, tamper in try rewritten(bytes, tamper, toServer: true) },
        FuzzTarget(
            "server-frame",
            decoders: [
                "ClientProtocol.ClientFrameReader.nextResponse()", "ClientProtocol.ClientFrameReader.readRefusal()",
                "ClientProtocol.Welcome.init(from:)", "ClientProtocol.EventsPayload.decode(_:)",
                "ClientProtocol.FailurePayload.decode(_:)", "ClientProtocol.SnapshotPiece.init(from:)",
            ],
            seeds: serverSeeds
        ) { bytes, tamper in try rewritten(bytes, tamper, toServer: false) },
    ]

    /// A frame is read item by item and written anew from what was read: reading that gives the same again. The
    /// writer has one form for each thing, so from there on the bytes stay what they are.
    private static func rewritten(
        _ bytes: UnsafeRawBufferPointer, _ tamper: Tamper, toServer: Bool
    ) throws -> Verdict {
        guard let frame = try FrameCopy.copy(bytes, toServer: toServer) else { return .refused }
        let tampered = tamper(frame)
        let again = try tampered.withUnsafeBytes { try FrameCopy.copy($0, toServer: toServer) }
        try require(again == tampered, "a frame written from what was read is read as another")
        return .accepted
    }

    // MARK: Seeds

    private static func clientSeeds() -> [[UInt8]] {
        var writer = ClientFrameWriter()
        var seeds: [[UInt8]] = []
        writer.make(Hello(cluster: 7, token: "secret"))
        seeds.append(writer.bytes)
        writer.makePing(9)
        seeds.append(writer.bytes)
        writer.beginRequests()
        for (number, operation) in Samples.operations.enumerated() {
            Samples.encoded(operation).withUnsafeBytes {
                writer.appendCommand(
                    id: UInt64(number), session: SessionID(1), sequence: 2, acknowledgedBelow: 1, acknowledged: [3, 5],
                    operation: $0)
            }
        }
        seeds.append(writer.bytes)
        writer.beginRequests()
        let consistencies: [Consistency] = [.linearizable, .sequential(Samples.position), .local]
        for (query, consistency) in zip(Samples.queries, consistencies) {
            let encoded = encoded(query) { $0.encode(into: &$1) }
            writer.appendRequest(id: 300, kind: .query) { writer in
                encoded.withUnsafeBytes {
                    QueryRequest.encode(consistency: consistency, timeout: .milliseconds(5), query: $0, into: &writer)
                }
            }
        }
        writer.appendRequest(id: 1, kind: .cancel) { CancelRequest(id: 300).encode(into: &$0) }
        writer.appendRequest(id: 2, kind: .keepAlive) { KeepAliveRequest(session: SessionID(1)).encode(into: &$0) }
        writer.appendRequest(id: 3, kind: .status) { _ in }
        for template in [nil, Samples.templates[0]] {
            writer.appendRequest(id: 4, kind: .subscribe) {
                SubscribeRequest(space: "s", template: template, position: template.map { _ in Samples.position })
                    .encode(into: &$0)
            }
        }
        writer.appendRequest(id: 5, kind: .snapshotPiece) {
            SnapshotPieceRequest(index: 7, term: 2, offset: 100, count: 50).encode(into: &$0)
        }
        return seeds + [writer.bytes]
    }

    private static func serverSeeds() -> [[UInt8]] {
        var writer = ClientFrameWriter()
        var seeds: [[UInt8]] = []
        writer.make(
            Welcome(
                cluster: 7, server: 1, leader: 2, incarnation: 5,
                servers: [
                    .init(
                        id: 1, name: "a", clientAddress: "h:1", httpAddress: "h:2",
                        publicKey: [UInt8](repeating: 1, count: 32)),
                    .init(id: 2, name: "b", clientAddress: "", httpAddress: "", publicKey: []),
                ]))
        seeds.append(writer.bytes)
        writer.makePong(9)
        seeds.append(writer.bytes)
        writer.makeRefusal(Samples.failure)
        seeds.append(writer.bytes)
        writer.beginResponses()
        for (number, reply) in Samples.replies.enumerated() {
            writer.appendResponse(id: UInt64(number), kind: .reply, position: Samples.position) {
                reply.encode(into: &$0)
            }
        }
        writer.appendResponse(id: 9, kind: .events, position: Samples.position) { writer in
            for event in Samples.events { event.encode(into: &writer) }
        }
        writer.appendResponse(id: 9, kind: .events, position: Samples.position) { _ in }
        writer.appendResponse(id: 8, kind: .status, position: Samples.position) { $0.write(raw: Array("{}".utf8)) }
        writer.appendResponse(id: 6, kind: .snapshotPiece, position: Samples.position) {
            SnapshotPiece(index: 7, term: 2, total: 300, offset: 100, bytes: [1, 2, 3]).encode(into: &$0)
        }
        writer.appendResponse(id: 7, kind: .end, position: Samples.position) { _ in }
        writer.appendResponse(id: 7, kind: .end, position: Samples.position) { Samples.failure.encode(into: &$0) }
        return seeds + [writer.bytes]
    }
}
