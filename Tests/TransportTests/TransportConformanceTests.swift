import Raft
import Testing
import ZeroMQ

@testable import Cluster

/// The contract of `PeerTransport`, which every kind of transport keeps.
@Suite("Every peer transport", .serialized)
struct TransportConformanceTests {
    @Test("delivers whole messages in both directions, of any size up to 32 MiB", arguments: WorldKind.allCases)
    func delivery(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        for size in [0, 1, 39, 100_000, 32 << 20] {
            var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            for offset in stride(from: 0, to: size, by: 997) { bytes[offset] = UInt8(truncatingIfNeeded: offset &* 31) }
            try world.deliver(bytes, from: a, to: b)
            b.messages = []
        }
        try world.deliver([1, 2, 3], from: b, to: a)
        try world.deliver([4, 5, 6], from: a, to: b, over: .bulk)
        #expect(a.transport.statistics[b.id]?.sentMessages ?? 0 >= 5)
        #expect(b.transport.statistics[a.id]?.receivedBytes ?? 0 > 32 << 20)
        #expect(b.transport.statistics.droppedInAll == 0)
    }

    @Test("refuses what goes to nobody it knows, or is too large", arguments: WorldKind.allCases)
    func refusals(_ kind: WorldKind) throws {
        let world = try kind.make()
        var limits = TransportLimits()
        limits.maximumMessageBytes = 1000
        let a = try Station(Identity(1), in: world, limits: limits)
        let b = try Station(Identity(2), in: world, limits: limits)
        #expect(a.transport.send([1], to: b.id) == .refused(.unknownPeer))
        world.introduce([a, b])
        #expect(a.transport.send([1], to: NodeID(99)) == .refused(.unknownPeer))
        #expect(a.transport.send([1], to: a.id) == .refused(.unknownPeer), "itself")
        #expect(a.transport.introduce([1], to: "nobody") == .refused(.unknownPeer))
        let large = [UInt8](repeating: 0, count: 1001)
        #expect(a.transport.send(large, to: b.id) == .refused(.tooLarge))
        #expect(throws: SendRefusal.unknownPeer) { try a.request([1], to: NodeID(99), timeoutMilliseconds: 10) }
        #expect(throws: SendRefusal.tooLarge) { try a.request(large, to: b.id, timeoutMilliseconds: 10) }
        #expect(a.transport.nextDeadline == nil, "nothing is kept of a request that was refused")
    }

    @Test("keeps nothing for a peer that is dead", arguments: WorldKind.allCases)
    func deadPeer(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        try world.deliver([1], from: a, to: b)
        try world.stop(b.transport)
        try world.await("the loss of the connection", [a]) {
            a.transport.send([2], to: b.id) == .refused(.notConnected)
        }
        for _ in 0..<1000 {
            #expect(a.transport.send([UInt8](repeating: 0, count: 100_000), to: b.id) == .refused(.notConnected))
        }
        try world.settle([a], passes: 120)
        let statistics = try #require(a.transport.statistics[b.id])
        #expect(statistics.queuedBytes == 0)
        #expect(!statistics.isConnected)
        #expect(statistics.refusedNotConnected >= 1001)
    }

    @Test(
        "tells once that the connection to a peer broke, and not when it was never there or was given up here",
        arguments: WorldKind.allCases)
    func lostConnection(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        var absent = try Station(Identity(3), in: world).member
        absent.peerAddress = kind == .lossyMemory ? "memory:99" : "127.0.0.1:9"
        a.transport.update(members: [a.member, b.member, absent])
        b.transport.update(members: [a.member, b.member])
        try world.deliver([1], from: a, to: b)
        try world.settle([a, b], passes: 30)
        #expect(a.losses.isEmpty)
        try world.stop(b.transport)
        let stopped = world.now
        try world.await("the news", [a]) { !a.losses.isEmpty }
        print("\(kind.rawValue): a broken connection was told after \(world.now.since(stopped) / 1_000) µs")
        try world.settle([a], passes: 300)
        #expect(a.losses == [b.id])

        let again = try world.restart(b, at: b.address)
        again.transport.update(members: [a.member, again.member])
        try world.deliver([2], from: a, to: again)
        a.transport.update(members: [a.member])
        try world.settle([a, again], passes: 50)
        #expect(a.losses == [b.id], "it was this side that gave it up")
    }

    @Test("keeps a bounded number of bytes for a peer that does not read, lane by lane", arguments: WorldKind.allCases)
    func stuckPeer(_ kind: WorldKind) throws {
        let world = try kind.make()
        var limits = TransportLimits()
        limits.queuedBytesPerPeer = 1 << 20
        limits.bulkQueuedBytesPerPeer = 1 << 20
        limits.receivedMessagesPerConnection = 4
        let a = try Station(Identity(1), in: world, limits: limits)
        let b = try Station(Identity(2), in: world, limits: limits)
        world.introduce([a, b])
        try world.deliver([1], from: a, to: b)
        let big = [UInt8](repeating: 7, count: 200_000)
        // What the kernel's buffers take is beyond a transport's bounds, but it ends.
        try world.await("a full queue that stays full", [a]) {
            (0..<100).allSatisfy { _ in a.transport.send(big, to: b.id, over: .bulk) == .refused(.queueFull) }
        }
        try world.settle([a], passes: 120)
        let statistics = try #require(a.transport.statistics[b.id])
        #expect(statistics.queuedBytes <= 1 << 20)
        #expect(statistics.refusedQueueFull >= 100)
        // The other lane does not wait behind it.
        if kind != .lossyMemory { #expect(a.transport.send([2], to: b.id) == .sent) }
        try world.deliver([3], from: a, to: b)
        try world.deliver([4], from: a, to: b, over: .bulk)
    }

    @Test("finds a peer again that restarts, at its address or at another", arguments: WorldKind.allCases)
    func reconnects(_ kind: WorldKind) throws {
        let world = try kind.make()
        let a = try Station(Identity(1), in: world)
        let first = try Station(Identity(2), in: world)
        world.introduce([a, first])
        try world.deliver([1], from: a, to: first)
        try world.deliver([2], from: first, to: a)
        try world.stop(first.transport)

        let second = try world.restart(first, at: first.address)
        second.transport.update(members: [a.member, second.member])
        try world.deliver([3], from: a, to: second)
        try world.deliver([4], from: second, to: a)
        try world.stop(second.transport)

        let third = try world.restart(first, at: nil)
        #expect(third.address != first.address)
        world.introduce([a, third])
        try world.deliver([5], from: a, to: third)
        try world.deliver([6], from: third, to: a)
    }

    @Test("scenario 35: drops messages of servers whose addresses were swapped", arguments: WorldKind.allCases)
    func swappedAddresses(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b, c) = (
            try Station(Identity(1), in: world), try Station(Identity(2), in: world),
            try Station(Identity(3), in: world)
        )
        for station in [b, c] { station.transport.update(members: [a.member, b.member, c.member]) }
        // `a` believes in each other's addresses; with CURVE it does not even get a connection to the wrong server.
        var (wrongB, wrongC) = (b.member, c.member)
        (wrongB.peerAddress, wrongC.peerAddress) = (c.address, b.address)
        a.transport.update(members: [a.member, wrongB, wrongC])
        if world.isSecure {
            try world.settle([a, b, c])
            #expect(a.transport.send([1], to: b.id) == .refused(.notConnected))
        } else {
            try world.await("a drop", [a, b, c]) {
                _ = a.transport.send([1], to: b.id)
                return c.transport.statistics.dropped(.wrongAddressee) > 0
            }
        }
        #expect(b.messages.isEmpty && c.messages.isEmpty)
        a.transport.update(members: [a.member, b.member, c.member])
        try world.deliver([2], from: a, to: b)
        try world.deliver([3], from: a, to: c)
    }

    @Test("a connection that stands is used until the member answers at its new address", arguments: WorldKind.allCases)
    func newAddress(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        try world.deliver([1], from: a, to: b)
        // Nobody is there yet; then the change is made again, and taken back.
        let elsewhere = try [try Station(Identity(3), in: world), try Station(Identity(4), in: world)].map { station in
            let address = station.address
            try world.stop(station.transport)
            return address
        }
        for address in elsewhere + [b.address] + elsewhere {
            var moved = b.member
            moved.peerAddress = address
            a.transport.update(members: [a.member, moved])
            try world.deliver([2], from: a, to: b)
        }
        try world.stop(b.transport)
        let back = try world.restart(b, at: elsewhere[1])
        world.introduce([back])
        back.transport.update(members: [a.member, back.member])
        try world.deliver([3], from: a, to: back)
    }

    @Test(
        "a connection ends with the key that it was made with, wherever the member is now",
        arguments: WorldKind.allCases)
    func formerKey(_ kind: WorldKind) throws {
        let world = try kind.make()
        guard world.isSecure else { return }
        let (a, b, c) = (
            try Station(Identity(1), in: world), try Station(Identity(2), in: world),
            try Station(Identity(3), in: world)
        )
        world.introduce([a, b])
        try world.deliver([1], from: a, to: b)
        try world.stop(c.transport)
        var moved = b.member
        moved.peerAddress = c.address
        a.transport.update(members: [a.member, moved])
        try world.deliver([2], from: a, to: b)
        moved.publicKey = c.identity.keys.publicKey.bytes
        a.transport.update(members: [a.member, moved])
        #expect(a.transport.send([3], to: b.id) == .refused(.notConnected))
        // And likewise if both change at once.
        a.transport.update(members: [a.member, b.member])
        try world.deliver([4], from: a, to: b)
        a.transport.update(members: [a.member, moved])
        #expect(a.transport.send([5], to: b.id) == .refused(.notConnected))
        try world.settle([a, b])
        #expect(!b.messages.contains { $0.bytes == [3] || $0.bytes == [5] })
    }

    @Test("drops what comes from another cluster", arguments: WorldKind.allCases)
    func foreignCluster(_ kind: WorldKind) throws {
        let world = try kind.make()
        let a = try Station(Identity(1), in: world)
        let stranger = try Station(Identity(2, cluster: 0xBAD), in: world)
        // Each believes that the other is a member, keys and all.
        world.introduce([a, stranger])
        try world.await("a drop", [a, stranger]) {
            _ = stranger.transport.send([1], to: a.id)
            return a.transport.statistics.dropped(.foreignCluster) > 0
        }
        #expect(a.messages.isEmpty)
    }
}

extension TransportWorld {
    /// The same server in a new process.
    func restart(_ station: Station, at address: String?) throws -> Station {
        try Station(station.identity, in: self, at: address)
    }
}
