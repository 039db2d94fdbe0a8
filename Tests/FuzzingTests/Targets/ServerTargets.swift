import ByteCoding
import Foundation
import NIOCore
import Raft
import StarlingClient
import ZeroMQ

@testable import Certificates
@testable import Cluster

extension FuzzTarget {
    static let servers = [
        FuzzTarget(
            "peer-envelope", decoders: ["Cluster.PeerEnvelope.read(_:)"], seeds: envelopeSeeds
        ) { bytes, tamper in
            guard let (envelope, payload) = try? PeerEnvelope.read(bytes) else { return .refused }
            var frame = [UInt8](repeating: 0, count: PeerEnvelope.byteCount + payload.count)
            frame.withUnsafeMutableBytes { envelope.write(to: $0, followedBy: payload) }
            // There is one frame for each envelope.
            try require(tamper(frame) == [UInt8](bytes), "a frame is not what is written of it")
            return .accepted
        },
        FuzzTarget(
            "peer-frames",
            decoders: ["Cluster.PeerFrameStream.next()", "Certificates.MemberKeyName.key(in:)"],
            base: 1 << 20, seeds: frameSeeds, check: checkFrames),
        FuzzTarget(
            "first-start", decoders: ["Cluster.FirstStartMessage.init(decoding:)"], factor: 256, base: 1 << 20,
            seeds: firstStartSeeds, check: checkFirstStart),
        FuzzTarget(
            "plan-files",
            decoders: [
                "Cluster.ServerPlan.init(decoding:file:)", "Cluster.ClientPlan.init(decoding:file:)",
                "Cluster.OperatorKey.init(decoding:file:)",
                "StarlingClient.ClientFile.init(json:)",
            ],
            factor: 4_096, base: 8 << 20, seeds: planSeeds, check: checkPlans),
        FuzzTarget(
            "keys-and-addresses",
            decoders: [
                "ZeroMQ.Z85.decode(_:)", "ZeroMQ.CurvePublicKey.init(z85:)", "ZeroMQ.CurveKeyPair.init(secretZ85:)",
                "ZeroMQ.Endpoint.init(_:)", "Cluster.ServerPlacement.parse(list:)",
            ],
            factor: 4_096, base: 1 << 20, seeds: addressSeeds, check: checkAddresses),
    ]

    private static func envelopeSeeds() -> [[UInt8]] {
        [PeerEnvelope.Kind.message, .request, .response, .introduction].map { kind in
            let isAsked = kind == .request || kind == .response
            let envelope = PeerEnvelope(
                kind: kind, cluster: Samples.cluster, from: NodeID(1), to: NodeID(2),
                request: RequestID(isAsked ? 5 : 0))
            var frame = [UInt8](repeating: 0, count: PeerEnvelope.byteCount + 3)
            frame.withUnsafeMutableBytes { target in
                [UInt8]([1, 2, 3]).withUnsafeBytes { envelope.write(to: target, followedBy: $0) }
            }
            return frame
        }
    }

    // MARK: Frames over HTTP

    private static func frameSeeds() -> [[UInt8]] {
        let frames: [UInt8] = [0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, 9, 0, 0, 0, 0, 2, 0, 0, 0, 4, 5]
        let uri = "urn:starling:member:" + String(repeating: "0123456789abcdef", count: 4)
        return [[0] + frames, [5] + frames, [1, 1, 4, 0, 0], [0] + Array(uri.utf8)]
    }

    /// The first byte says where the rest is cut. However that is, the same frames are found; and there is one name for each key.
    private static func checkFrames(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        guard let cut = bytes.first else { return .refused }
        let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        let size = max(1, Int(cut))
        let parts = stride(from: 0, to: rest.count, by: size).map { Array(rest[$0..<min($0 + size, rest.count)]) }
        let (whole, isWhole) = frames(of: [[UInt8](rest)])
        let (cuts, isCut) = frames(of: parts)
        try require(cuts.map(tamper) == whole && isCut == isWhole, "the frames depend on where the stream is cut")
        let text = String(decoding: rest, as: UTF8.self)
        if let key = MemberKeyName.key(in: text) {
            try require(MemberKeyName.uri(for: key) == text, "a key has two names")
            return .accepted
        }
        return isWhole && !whole.isEmpty ? .accepted : .refused
    }

    /// - Returns: the frames, and whether the stream went on behind them.
    private static func frames(of parts: [[UInt8]]) -> (frames: [[UInt8]], goesOn: Bool) {
        var stream = PeerFrameStream(limit: 1_024)
        var found: [[UInt8]] = []
        for part in parts {
            stream.append(ByteBuffer(bytes: part))
            do throws(PeerFrameStream.TooLarge) {
                while let frame = try stream.next() { found.append(Array(frame.readableBytesView)) }
            } catch {
                return (found, false)
            }
        }
        return (found, true)
    }

    // MARK: First start

    private static let plan: ServerPlan = {
        // Pairs of constant secrets: keys of 32 bytes always are.
        let pairs = (1...3).map { CurveKeyPair(secretKey: [UInt8](repeating: UInt8($0), count: 32))! }
        let servers = zip(["a", "b", "c"], pairs).map { name, pair in
            PlannedServer(
                name: name, peerAddress: "\(name):1", clientAddress: "\(name):2", httpAddress: "\(name):3",
                publicKey: pair.publicKey)
        }
        return ServerPlan(cluster: Samples.cluster, name: "a", keys: pairs[0], servers: servers)
    }()

    /// The whole input is one message; then each of its parts is said to a server at its first start.
    private static func checkFirstStart(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let verdict = try roundTrip(bytes, tamper) { reader in
            try FirstStartMessage(decoding: try reader.readRaw(reader.remaining))
        } encode: {
            $0.encode(into: &$1)
        }
        var script = Script(bytes)
        var machine = FirstStart(plan: plan, node: NodeID(1), held: nil)
        var finished: Configuration?
        var persisted: Configuration?
        var isOver = false
        for second in 1...20 as ClosedRange<UInt64> where !script.isAtEnd {
            var effects: [FirstStart.Effect] = []
            let part = script.part()
            if let message = try? FirstStartMessage(decoding: part) {
                machine.step(.message(message, from: script.below(4) == 0 ? "b" : nil), into: &effects)
            }
            if script.below(2) == 0 { machine.step(.persisted, into: &effects) }
            machine.step(.tick(MonotonicTime(nanoseconds: second * 1_000_000_000)), into: &effects)
            try require(!isOver || effects.isEmpty, "it goes on after its end")
            for effect in effects {
                switch effect {
                case .persist(let configuration):
                    try require(persisted == nil, "it stores a second configuration")
                    persisted = configuration
                case .finished(let configuration):
                    try require(configuration == persisted, "it finishes with what it did not store")
                    finished = configuration
                    isOver = true
                case .refused: isOver = true
                case .send: break
                }
            }
        }
        try require(finished == nil || finished?[NodeID(1)]?.name == "a", "it finished without itself")
        return verdict
    }

    private static func firstStartSeeds() -> [[UInt8]] {
        let members = zip(["a", "b", "c"], 1...3 as ClosedRange<UInt64>).map { name, id in
            (plan.servers.first { $0.name == name } ?? plan.own).member(id: NodeID(id))
        }
        let configuration = Configuration(members: members)
        var seeds: [[UInt8]] = []
        var script = ScriptWriter()
        for (name, id) in zip(["b", "c", "b", "c"], [2, 3, 2, 3] as [UInt64]) {
            let isSecond = seeds.count >= 2
            let message = FirstStartMessage(
                name: name, node: NodeID(id), plan: plan.digest, configuration: isSecond ? configuration : nil,
                isFinished: isSecond && name == "c", asks: !isSecond)
            seeds.append(encoded(message) { $0.encode(into: &$1) })
            script.part(seeds[seeds.count - 1])
            script.step(1, 0)
        }
        return seeds + [script.bytes]
    }

    // MARK: Files of JSON

    /// A server's plan, a client's plan, a client's file or an operator's key, as the first byte says.
    private static func checkPlans(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        guard let kind = bytes.first else { return .refused }
        let text = [UInt8](bytes.dropFirst())
        switch kind % 4 {
        case 0:
            guard let plan = try? ServerPlan(decoding: Data(text), file: "f") else { return .refused }
            let again = try? ServerPlan(decoding: Data(tamper([UInt8](plan.encoded()))), file: "f")
            try require(again == plan, "a server's plan, written and read, is another")
            try require(again?.digest == plan.digest && again?.own.name == plan.name, "a plan without its own server")
        case 1:
            guard let plan = try? ClientPlan(decoding: Data(text), file: "f") else { return .refused }
            let encoded = tamper([UInt8](try plan.encoded()))
            try require(
                (try? ClientPlan(decoding: Data(encoded), file: "f")) == plan,
                "a client's plan, written and read, is another")
            // The client library reads the same file.
            try require(
                (try? ClientFile(json: encoded))?.servers.count == plan.servers.count, "a client cannot read it")
        case 3:
            guard let key = try? OperatorKey(decoding: Data(text), file: "f") else { return .refused }
            let again = try? OperatorKey(decoding: Data(tamper([UInt8](key.encoded()))), file: "f")
            try require(again == key, "an operator's key, written and read, is another")
        default:
            guard let file = try? ClientFile(json: tamper(text)) else {
                // Where nobody tampers, what is refused is refused.
                try require((try? ClientFile(json: text)) == nil, "a client's file is read once, and not again")
                return .refused
            }
            try require(file == (try? ClientFile(json: text)), "a client's file is read in two ways")
            try require(!file.servers.isEmpty, "a client's file without servers")
        }
        return .accepted
    }

    private static func planSeeds() -> [[UInt8]] {
        let servers = plan.servers.map {
            ClientPlan.Server(
                name: $0.name, clientAddress: $0.clientAddress, httpAddress: $0.httpAddress, publicKey: $0.publicKey)
        }
        let client = ClientPlan(cluster: plan.cluster, servers: servers)
        // Neither is beyond what JSON can say.
        let key = OperatorKey(cluster: plan.cluster, keys: plan.keys)
        let texts = [try? plan.encoded(), try? client.encoded(), try? key.encoded()].compactMap {
            $0.map { [UInt8]($0) }
        }
        return [
            [0] + texts[0], [1] + texts[1], [2] + texts[1], [0] + texts[1], [3] + texts[2],
            [2] + Array(#"{"cluster":"1"}"#.utf8),
        ]
    }

    // MARK: Texts

    private static func checkAddresses(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let text = String(decoding: bytes, as: UTF8.self)
        var verdict = Verdict.refused
        if let decoded = Z85.decode(text) {
            try require(tamper(Array(Z85.encode(decoded).utf8)) == Array(text.utf8), "Z85 that is not what it says")
            verdict = .accepted
        }
        if let key = CurvePublicKey(z85: text) { try require(key.z85 == text && key.bytes.count == 32, "key \(text)") }
        if text.utf8.count == 40 { _ = CurveKeyPair(secretZ85: text) }
        if let endpoint = Endpoint(text) {
            try require(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "an address of other than ASCII: \(text)")
            let again = String(decoding: tamper(Array(endpoint.description.utf8)), as: UTF8.self)
            try require(Endpoint(again) == endpoint, "address \(text)")
            verdict = .accepted
        }
        if let placements = try? ServerPlacement.parse(list: text) {
            for placement in placements {
                try require(PlannedServer.isValid(name: placement.name), "name \(placement.name)")
            }
            verdict = .accepted
        }
        return verdict
    }

    private static func addressSeeds() -> [[UInt8]] {
        [
            plan.keys.secretZ85, plan.keys.publicKey.z85, "host-1.example:7440", "*:0", "10.0.0.1:65535", "HelloWorld",
            "a=h:7440,b=h:1:2:3", "a=h:65530",
        ].map { Array($0.utf8) }
    }
}
