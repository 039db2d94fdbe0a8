import Raft
import Testing
import ZeroMQ

@testable import Cluster

@Suite("Every peer transport, against what should not come in,", .serialized)
struct TransportAuthenticationTests {
    static let secure: [WorldKind] = [.lossyMemory, .curveZeroMQ, .secureHTTP]

    @Test("refuses a server that has not the key of the member it claims to be", arguments: secure)
    func wrongKey(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        let impostor = try Station(Identity(2), in: world)
        a.transport.update(members: [a.member, b.member])
        impostor.transport.update(members: [a.member])
        for _ in 0..<300 {
            _ = impostor.transport.send([6], to: a.id)
            try a.pump()
            try world.pass()
        }
        #expect(a.messages.isEmpty)
        #expect(a.transport.statistics[b.id]?.receivedMessages == 0)
    }

    @Test("drops what one member sends in another's name", arguments: secure)
    func wrongName(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        let liar = try Station(Identity(3), in: world)
        world.introduce([a, b, liar])
        let frame = frame(from: b.id, to: a.id)
        try world.inject([frame], with: liar.identity.keys, to: a)
        try world.await("a drop", [a, b, liar]) { a.transport.statistics.dropped(.wrongKey) == 1 }
        try world.inject([frame], with: b.identity.keys, to: a)
        try world.await("the same from its true sender", [a]) { !a.messages.isEmpty }
        #expect(a.messages.count == 1 && a.messages[0].from == b.id)
    }

    @Test("takes a member's next key as well as its present one", arguments: secure)
    func nextKey(_ kind: WorldKind) throws {
        let world = try kind.make()
        let a = try Station(Identity(1), in: world)
        let old = try Station(Identity(2), in: world)
        let next = try CurveKeyPair.generate()
        var changing = old.member
        changing.nextPublicKey = next.publicKey.bytes
        a.transport.update(members: [a.member, changing])
        old.transport.update(members: [a.member, changing])
        try world.deliver([1], from: a, to: old)
        try world.deliver([2], from: old, to: a)
        try world.stop(old.transport)
        let new = try Station(Identity(2, keys: next), in: world, at: old.address)
        new.transport.update(members: [a.member, changing])
        try world.deliver([3], from: a, to: new)
        try world.deliver([4], from: new, to: a)
    }

    @Test("takes the old key no more once the next one was adopted, though a connection stands", arguments: secure)
    func adoptedKey(_ kind: WorldKind) throws {
        let world = try kind.make()
        let a = try Station(Identity(1), in: world)
        let old = try Station(Identity(2), in: world)
        let next = try CurveKeyPair.generate()
        // Both are servers of the plan, which knows the old key for ever.
        for station in [a, old] { station.transport.update(plannedPeers: [a.planned, old.planned]) }
        var changing = old.member
        changing.nextPublicKey = next.publicKey.bytes
        a.transport.update(members: [a.member, changing])
        old.transport.update(members: [a.member, changing])
        try world.deliver([1], from: old, to: a)
        var adopted = old.member
        adopted.publicKey = next.publicKey.bytes
        a.transport.update(members: [a.member, adopted])
        // What was on its way has arrived.
        try world.settle([a, old], passes: 50)
        a.messages = []
        for _ in 0..<100 {
            _ = old.transport.send([2], to: a.id)
            _ = old.transport.introduce([3], to: "n1")
            try a.pump()
            try world.pass()
        }
        #expect(a.messages.isEmpty && a.introductions.isEmpty)
        #expect(a.transport.statistics.dropped(.wrongKey) > 0 || kind == .lossyMemory)
        try world.stop(old.transport)
        let new = try Station(Identity(2, keys: next), in: world, at: old.address)
        new.transport.update(members: [a.member, adopted])
        try world.deliver([4], from: a, to: new)
        try world.deliver([5], from: new, to: a)
    }

    @Test("believes a member no longer once it has left, though its connection stands", arguments: WorldKind.allCases)
    func leaver(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        try world.deliver([1], from: b, to: a)
        a.messages = []
        a.transport.update(members: [a.member])
        try world.settle([a, b], passes: 50)
        a.messages = []
        for _ in 0..<50 {
            _ = b.transport.send([2], to: a.id)
            try a.pump()
            try world.pass()
        }
        #expect(a.messages.isEmpty)
        if kind != .lossyMemory { #expect(a.transport.statistics.dropped(.unknownSender) > 0) }
    }

    @Test("counts truncated and garbled frames by reason, and goes on", arguments: WorldKind.allCases)
    func garbage(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        let good = frame(from: b.id, to: a.id)
        var frames: [([[UInt8]], DropReason)] = [
            ([[]], .malformed), ([[0x53]], .malformed), ([Array("GET / HTTP/1.1".utf8)], .malformed),
            ([good, good], .malformed), ([good + [0]], .malformed),
            ([[UInt8](repeating: 0xFF, count: 4096)], .malformed),
            ([changed(good, at: 2, to: 9)], .unknownVersion), ([changed(good, at: 3, to: 0)], .unknownKind),
            ([changed(good, at: 4, to: 0xFF)], .malformed), ([changed(good, at: 8, to: 0xFF)], .foreignCluster),
            ([changed(good, at: 16, to: 0xFF)], .unknownSender), ([changed(good, at: 24, to: 0xFF)], .wrongAddressee),
            ([changed(good, at: 32, to: 1)], .malformed), ([changed(good, at: 3, to: 2)], .malformed),
            ([changed(changed(good, at: 3, to: 3), at: 32, to: 1)], .unexpectedResponse),
        ]
        for length in 0..<good.count { frames.append(([Array(good.prefix(length))], .malformed)) }
        for (frames, _) in frames { try world.inject(frames, with: b.identity.keys, to: a) }
        try world.await("\(frames.count) drops", [a]) { a.transport.statistics.droppedInAll == frames.count }
        for reason in DropReason.allCases {
            #expect(a.transport.statistics.dropped(reason) == frames.count { $0.1 == reason }, "\(reason)")
        }
        #expect(a.messages.isEmpty && a.requests.isEmpty && a.responses.isEmpty)
        try world.deliver([1], from: b, to: a)
    }

    @Test("lets planned servers introduce themselves before anybody is a member", arguments: WorldKind.allCases)
    func introductions(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        let stranger = try Station(Identity(3), in: world)
        for station in [a, b] { station.transport.update(plannedPeers: [a.planned, b.planned]) }
        stranger.transport.update(plannedPeers: [a.planned])
        try world.await("an introduction", [a, b, stranger]) {
            _ = b.transport.introduce([5], to: "n1")
            if world.isSecure { _ = stranger.transport.introduce([6], to: "n1") }
            return !a.introductions.isEmpty
        }
        #expect(a.introductions.allSatisfy { $0.bytes == [5] && $0.from == (world.isSecure ? "n2" : nil) })
        // Members go on hearing those who are late.
        a.transport.update(members: [a.member])
        a.introductions = []
        try world.await("an answer", [a, b]) {
            _ = b.transport.introduce([7], to: "n1")
            _ = a.transport.introduce([8], to: "n2")
            return a.introductions.contains { $0.bytes == [7] } && b.introductions.contains { $0.bytes == [8] }
        }
        #expect(a.transport.send([1], to: b.id) == .refused(.unknownPeer), "an introduction makes nobody a member")
        #expect(a.messages.isEmpty && b.messages.isEmpty)
    }

    private func frame(from: NodeID, to: NodeID) -> [UInt8] {
        let envelope = PeerEnvelope(
            kind: .message, cluster: ClusterID(0xC1), from: from, to: to, request: RequestID(0))
        var frame = [UInt8](repeating: 0, count: PeerEnvelope.byteCount + 3)
        let payload: [UInt8] = [7, 8, 9]
        payload.withUnsafeBytes { payload in
            frame.withUnsafeMutableBytes { envelope.write(to: $0, followedBy: payload) }
        }
        return frame
    }

    private func changed(_ frame: [UInt8], at offset: Int, to byte: UInt8) -> [UInt8] {
        var frame = frame
        frame[offset] = byte
        return frame
    }
}
