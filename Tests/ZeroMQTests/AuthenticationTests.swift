import Testing
import ZeroMQ

@Suite("Authentication with CURVE")
struct AuthenticationTests {
    let context: Context
    let authenticator: ZAPAuthenticator
    let server: CurveKeyPair
    let client: CurveKeyPair

    init() throws {
        context = try Context()
        authenticator = try ZAPAuthenticator(context: context)
        server = try .generate()
        client = try .generate()
    }

    private func curveRouter() throws -> (Socket, String) {
        try boundRouter(context, .curveServer(server, domain: "peers"))
    }

    private func dealer(
        _ keys: CurveKeyPair, to endpoint: String, expecting serverKey: CurvePublicKey? = nil
    ) throws -> Socket {
        let dealer = try Socket(.dealer, in: context)
        try dealer.set(
            .curveClient(keys, server: serverKey ?? server.publicKey), .linger(milliseconds: 0),
            .handshakeTimeout(milliseconds: 200), .reconnectInterval(milliseconds: 20, maximumMilliseconds: 50))
        try dealer.connect(to: endpoint)
        return dealer
    }

    @Test("libzmq has CURVE")
    func hasCurve() { #expect(Context.supportsCurve && Context.libraryVersion.major == 4) }

    @Test("The owner of an allowed key gets in, and every message tells whose it is")
    func allowed() throws {
        authenticator.setPolicy(.allow([client.publicKey]), forDomain: "peers")
        let (router, endpoint) = try curveRouter()
        let dealer = try dealer(client, to: endpoint)
        _ = try dealer.send([5])
        #expect(try awaitReadable(router))
        let message = Frame()
        #expect(try router.receive(into: message))
        #expect(try router.receive(into: message))
        #expect(message.bytes == [5])
        #expect(message.property(.userID) == client.publicKey.z85)
        #expect(message.has(.userID, equalTo: Array(client.publicKey.z85.utf8)))
        #expect(!message.has(.userID, equalTo: Array(server.publicKey.z85.utf8)))
        #expect(!message.has(.userID, equalTo: Array(client.publicKey.z85.utf8.dropLast())))
        #expect(!message.has(.userID, equalTo: Array(client.publicKey.z85.utf8) + [0, 0]))
        #expect(message.property(.peerAddress) == "127.0.0.1")
    }

    @Test("Other keys, wrong server keys and connections without CURVE get nothing through")
    func refused() throws {
        authenticator.setPolicy(.allow([client.publicKey]), forDomain: "peers")
        let (router, endpoint) = try curveRouter()
        let stranger = try dealer(.generate(), to: endpoint)
        let misled = try dealer(client, to: endpoint, expecting: CurveKeyPair.generate().publicKey)
        let plain = try Socket(.dealer, in: context)
        try plain.connect(to: endpoint)
        for socket in [stranger, misled, plain] { _ = try socket.send([1]) }
        #expect(try !awaitReadable(router, milliseconds: 400))
        #expect(authenticator.refusals > 0)
    }

    @Test("A domain without a policy admits nobody; once the key is allowed the same client gets in by itself")
    func replacedPolicy() throws {
        let (router, endpoint) = try curveRouter()
        let dealer = try dealer(client, to: endpoint)
        _ = try dealer.send([1])
        #expect(try !awaitReadable(router, milliseconds: 200))
        #expect(authenticator.refusals > 0)
        authenticator.setPolicy(.anyKey, forDomain: "peers")
        #expect(try awaitReadable(router))
        #expect(try router.receiveFrames()?.last == [1])

        authenticator.setPolicy(.allow([server.publicKey]), forDomain: "peers")
        #expect(authenticator.policy(forDomain: "peers") == .allow([server.publicKey]))
        _ = try dealer.send([2])
        #expect(try awaitReadable(router), "a connection that stands is not cut")
    }

    @Test("A context has one authenticator")
    func onlyOne() throws {
        let error = #expect(throws: ZeroMQError.self) { try ZAPAuthenticator(context: context) }
        #expect(error?.isAddressInUse == true)
    }
}
