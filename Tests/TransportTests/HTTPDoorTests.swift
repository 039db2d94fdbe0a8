import Certificates
import Foundation
import NIOCore
import NIOPosix
import Raft
import Synchronization
import Testing
import ZeroMQ

@testable import Cluster

/// What the other side said, and whether it is gone.
private final class Listener: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let state = Mutex((text: "", isClosed: false))

    var text: String { state.withLock { $0.text } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var status: String { String(text.prefix { !$0.isNewline }) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = String(buffer: unwrapInboundIn(data))
        state.withLock { $0.text += part }
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.withLock { $0.isClosed = true }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// What a server's log was told.
private final class Told: Sendable {
    private let lines = Mutex<[(level: LogLevel, text: String)]>([])
    func callAsFunction(_ level: LogLevel, _ text: String) { lines.withLock { $0.append((level, text)) } }
    var all: [(level: LogLevel, text: String)] { lines.withLock { $0 } }
    func contains(_ text: String) -> Bool { all.contains { $0.text.contains(text) } }
}

@Suite("The peers' door over HTTP", .serialized)
struct HTTPDoorTests {
    private let post = "POST /v1/peers/main HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    private func wait(_ what: String, _ world: HTTPWorld, until condition: () -> Bool) throws {
        try world.await(what, [], until: condition)
    }

    @Test("says what is wrong with a request", arguments: [false, true])
    func requests(_ isSecure: Bool) throws {
        let world = try HTTPWorld(isSecure: isSecure)
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
            ("GET /v1/peers/main HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed"),
            ("POST /v1/peers/other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "404 Not Found"),
            ("rubbish\r\n\r\n", "400 Bad Request"),
            (post + "zz\r\n", "200 OK"), (post, "200 OK"),
        ] {
            let listener = Listener()
            let channel = try world.send(
                ByteBuffer(string: request), with: b.identity.keys, to: a, handler: listener)
            try wait("an answer to \(request)", world) { listener.status == "HTTP/1.1 \(expected)" }
            if request != post { try wait("the end after \(request)", world) { listener.isClosed } }
            channel.close(promise: nil)
        }
        #expect(a.transport.statistics.droppedInAll == 0)
        try world.deliver([1], from: b, to: a)
    }

    @Test("lets in whoever has a certificate of the authority, once its key is a member's")
    func strangers() throws {
        let world = try HTTPWorld(isSecure: true)
        let a = try Station(Identity(1), in: world)
        let stranger = try Station(Identity(2), in: world)
        let listener = Listener()
        _ = try world.send(ByteBuffer(string: post), with: stranger.identity.keys, to: a, handler: listener)
        try wait("a refusal", world) { listener.isClosed }
        #expect(listener.status == "HTTP/1.1 403 Forbidden")
        #expect(listener.text.contains("its key is no member's here"))
        world.introduce([a, stranger])
        try world.deliver([1], from: stranger, to: a)
    }

    @Test("keeps out those without a certificate, and says why in the log", arguments: ["foreign", "expired", "none"])
    func badCertificates(_ kind: String) throws {
        let world = try HTTPWorld(isSecure: true)
        let told = Told()
        let identity = try Identity(1)
        let carrier = try HTTPPeerCarrier(
            bindAddress: "127.0.0.1:0",
            security: .tls(try world.files(for: identity.keys), member: identity.keys.publicKey),
            tell: { told($0, $1) })
        defer { carrier.close() }
        let member = try CurveKeyPair.generate()
        carrier.admit([member.publicKey])
        let authority =
            kind == "foreign" ? try CertificateAuthority(named: "elsewhere", days: 1) : world.authority
        let made = kind == "expired" ? Date() - 2 * 86_400 : Date()
        let certificate = try authority.issue(for: member.publicKey, named: "b", hosts: [], days: 1, now: made)
        let listener = Listener()
        let channel = try Intruder.connect(
            to: carrier.boundAddress, kind == "none" ? nil : certificate, handler: listener)
        channel.writeAndFlush(ByteBuffer(string: post), promise: nil)
        try wait("the end of the connection", world) { listener.isClosed }
        #expect(listener.text.isEmpty)
        if kind == "foreign" {
            #expect(
                told.contains(
                    "refused a peer's connection from 127.0.0.1: certificate of \"b\": was issued by \"elsewhere\""))
        }
        if kind == "expired" { #expect(told.contains("certificate of \"b\": expired on ")) }
    }

    @Test("shuts out who does not speak TLS, who says nothing, and who comes in too great numbers")
    func connections() throws {
        let world = try HTTPWorld(isSecure: true)
        var limits = TransportLimits()
        limits.handshakeTimeoutMilliseconds = 150
        limits.heartbeatMilliseconds = 50
        limits.heartbeatTimeoutMilliseconds = 300
        limits.incomingConnections = 4
        let (a, b) = (
            try Station(Identity(1), in: world, limits: limits), try Station(Identity(2), in: world, limits: limits)
        )
        world.introduce([a, b])
        try world.deliver([1], from: b, to: a)
        try world.settle([a, b], passes: 100)
        // Two connections of b's stand: two more are let in, and none beyond.
        let silent = try (0..<6).map { _ in
            let listener = Listener()
            _ = try Intruder.connectPlain(to: a.address, handler: listener)
            return listener
        }
        let began = world.now
        try wait("four to be shut out at once", world) { silent.count { $0.isClosed } >= 4 }
        #expect(world.now.since(began) < 140_000_000)
        #expect(silent.count { $0.isClosed } == 4)
        try wait("the end of the silent ones", world) { silent.allSatisfy(\.isClosed) }
        let plain = Listener()
        let channel = try Intruder.connectPlain(to: a.address, handler: plain)
        channel.writeAndFlush(ByteBuffer(string: post), promise: nil)
        try wait("the end of the one without TLS", world) { plain.isClosed }
        #expect(plain.text.isEmpty || !plain.text.contains("HTTP"))
        // One that was let in, and then says nothing, is given up as dead.
        let dead = Listener()
        _ = try world.send(ByteBuffer(string: post), with: b.identity.keys, to: a, handler: dead)
        try wait("an answer", world) { dead.status == "HTTP/1.1 200 OK" }
        try wait("its end", world) { dead.isClosed }
        try world.deliver([2], from: b, to: a)
        #expect(b.losses.isEmpty, "signs of life keep the connections of those who live")
    }

    @Test("sees that a peer is dead that says nothing any more, though its connection stands")
    func deadPeer() throws {
        let world = try HTTPWorld(isSecure: false)
        // It takes everything and answers once.
        let listener = Socketry()
        defer { listener.close() }
        var limits = TransportLimits()
        limits.heartbeatMilliseconds = 50
        limits.heartbeatTimeoutMilliseconds = 300
        let a = try Station(Identity(1), in: world, limits: limits)
        var member = try Station(Identity(2), in: world).member
        member.peerAddress = try listener.listen(
            answering: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n")
        a.transport.update(members: [a.member, member])
        try world.await("a connection", [a]) { a.transport.send([1], to: member.id) == .sent }
        let began = world.now
        try world.await("its loss", [a]) { a.losses == [member.id] }
        #expect(world.now.since(began) >= 200_000_000)
    }

    @Test("uses new certificates without a restart, warns of those it cannot use, and goes on with the former")
    func reloading() throws {
        let world = try HTTPWorld(isSecure: true)
        let told = Told()
        let (identity, peer) = (try Identity(1), try Identity(2))
        let files = try world.files(for: identity.keys)
        let certificates = try PeerCertificates(files, member: identity.keys.publicKey, tell: { told($0, $1) })
        #expect(told.contains("expires on"), "within a day")
        #expect(told.all.count == 1)
        certificates.renew()
        #expect(told.all.count == 1, "nothing has changed, and once a day is enough")

        let old = try Data(contentsOf: URL(fileURLWithPath: files.key))
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: files.key))
        for _ in 0..<3 { certificates.renew() }
        #expect(told.all.count == 2)
        #expect(told.contains("the former ones still are: \(files.key): holds no private key"))
        try old.write(to: URL(fileURLWithPath: files.key))
        certificates.renew()
        #expect(told.all.contains { $0.level == .info && $0.text.contains("was read anew") })

        // Another authority takes over: first both are trusted, then each gets a certificate of the new one, then the old
        // one is trusted no more. The link works all the while, and a new connection can be made at every step.
        let (a, b) = (
            try Station(Identity(1, keys: identity.keys), in: world),
            try Station(Identity(2, keys: peer.keys), in: world)
        )
        world.introduce([a, b])
        let new = try CertificateAuthority(named: "new", days: 1)
        let peerFiles = try world.files(for: peer.keys)
        var number: UInt8 = 0
        func step(_ change: () throws -> Void) throws {
            try change()
            // The servers look once a second.
            let began = world.now
            while world.now.since(began) < 1_200_000_000 { try world.pass() }
            for station in [a, b] {
                station.transport.update(members: [])
                station.transport.update(members: [a.member, b.member])
            }
            number += 1
            try world.deliver([number], from: a, to: b)
            try world.deliver([number], from: b, to: a)
        }
        func trust(_ authorities: [CertificateAuthority]) throws {
            let text = try authorities.map { try $0.certificateText() }.joined()
            for files in [files, peerFiles] {
                try NewFile.replace(files.authority, Array(text.utf8), mode: 0o644)
            }
        }
        try step { try trust([world.authority, new]) }
        try step {
            try new.issue(for: identity.keys.publicKey, named: "a", hosts: [], days: 1).write(to: files, authority: new)
        }
        try step {
            try new.issue(for: peer.keys.publicKey, named: "b", hosts: [], days: 1).write(to: peerFiles, authority: new)
        }
        try step { try trust([new]) }
    }

    @Test("is not opened with certificates that are of no use")
    func unusable() throws {
        let world = try HTTPWorld(isSecure: true)
        let keys = try CurveKeyPair.generate()
        let files = try world.files(for: keys)
        let other = try CurveKeyPair.generate().publicKey
        #expect(throws: CertificateProblem.self) {
            try HTTPPeerCarrier(bindAddress: "127.0.0.1:0", security: .tls(files, member: other), tell: { _, _ in })
        }
        #expect(throws: TransportFailed.self) {
            try HTTPPeerCarrier(bindAddress: "nowhere", security: .none, tell: { _, _ in })
        }
        let station = try Station(Identity(1), in: world)
        #expect(throws: IOError.self) {
            try HTTPPeerCarrier(bindAddress: station.address, security: .none, tell: { _, _ in })
        }
    }

    @Test("tells a sentence once a minute")
    func repetitions() {
        let told = Told()
        let repeated = RepeatedTelling { told(.warning, $0) }
        for second in 0..<180 {
            repeated("a", now: MonotonicTime(nanoseconds: UInt64(second) * 1_000_000_000))
            if second == 10 { repeated("b", now: MonotonicTime(nanoseconds: UInt64(second) * 1_000_000_000)) }
        }
        #expect(told.all.map(\.text) == ["a", "b", "a", "a"])
    }
}
