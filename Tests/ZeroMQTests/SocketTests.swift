import Testing
import ZeroMQ

/// A ROUTER on any free port of this machine, and its endpoint.
func boundRouter(_ context: Context, _ options: SocketOption...) throws -> (Socket, String) {
    let router = try Socket(.router, in: context)
    for option in options { try router.set(option) }
    try router.bind(to: "tcp://127.0.0.1:*")
    return (router, try router.lastEndpoint)
}

/// Waits until the socket can be read; false after the time.
func awaitReadable(_ socket: Socket, milliseconds: Int = 5000) throws -> Bool {
    let poller = Poller()
    _ = poller.add(socket)
    return try poller.wait(milliseconds: milliseconds) == 1
}

@Suite("Sockets")
struct SocketTests {
    let context: Context
    init() throws { context = try Context() }

    @Test("Frames of a message arrive together and in order, over one reused message object")
    func multipart() throws {
        let (router, endpoint) = try boundRouter(context)
        let dealer = try Socket(.dealer, in: context)
        try dealer.connect(to: endpoint)
        #expect(try dealer.send(frames: [[1, 2], [], [3]]) == .sent)
        #expect(try dealer.send([9]) == .sent)

        #expect(try awaitReadable(router))
        let message = Frame()
        var frames: [[UInt8]] = []
        #expect(try router.receive(into: message))
        let routingID = message.bytes
        while message.more {
            #expect(try router.receive(into: message))
            frames.append(message.bytes)
        }
        #expect(frames == [[1, 2], [], [3]])

        #expect(try awaitReadable(router))
        #expect(try router.receiveFrames() == [routingID, [9]])
        #expect(try !router.receive(into: message), "nothing is waiting")

        #expect(try router.send(frames: [routingID, [7]]) == .sent)
        #expect(try awaitReadable(dealer))
        #expect(try dealer.receiveFrames() == [[7]])
    }

    @Test("The rest of a message can be skipped")
    func skipping() throws {
        let (router, endpoint) = try boundRouter(context)
        let dealer = try Socket(.dealer, in: context)
        try dealer.connect(to: endpoint)
        _ = try dealer.send(frames: [[1], [2], [3]])
        _ = try dealer.send(frames: [[4]])
        let message = Frame()
        #expect(try awaitReadable(router))
        #expect(try router.receive(into: message))
        try router.skipRest(after: message)
        #expect(try awaitReadable(router))
        #expect(try router.receiveFrames()?.last == [4])
    }

    @Test("A full queue, an absent peer and an unknown route are values, not errors")
    func refusals() throws {
        let dealer = try Socket(.dealer, in: context)
        try dealer.set(.immediate(true))
        try dealer.connect(to: "tcp://127.0.0.1:1")
        #expect(try dealer.send([1]) == .wouldBlock)

        let patient = try Socket(.dealer, in: context)
        try patient.set(.sendHighWaterMark(2), .linger(milliseconds: 0))
        try patient.connect(to: "tcp://127.0.0.1:1")
        #expect(try patient.send([1]) == .sent)
        #expect(try patient.send([2]) == .sent)
        #expect(try patient.send([3]) == .wouldBlock)

        let (router, _) = try boundRouter(context, .routerMandatory(true))
        #expect(try router.send(frames: [[1, 2, 3], [4]]) == .unroutable)
    }

    @Test("Errors name what was tried and why it failed")
    func errors() throws {
        let (router, endpoint) = try boundRouter(context)
        let second = try Socket(.router, in: context)
        let error = #expect(throws: ZeroMQError.self) { try second.bind(to: endpoint) }
        #expect(error?.isAddressInUse == true)
        #expect(error?.description == "cannot bind to \(endpoint): Address already in use")
        router.close()
        #expect(throws: ZeroMQError.self) { try second.connect(to: "nonsense") }
    }

    @Test("A budget counts what libzmq holds, and gets it back when the bytes are gone")
    func budget() throws {
        let budget = ByteBudget(limit: 1000)
        let dealer = try Socket(.dealer, in: context)
        try dealer.set(.sendHighWaterMark(100), .linger(milliseconds: 0))
        let endpoint = "ipc://@starling-budget-\(UInt64.random(in: .min ... .max))"
        try dealer.set(.reconnectInterval(milliseconds: 20, maximumMilliseconds: 50))
        try dealer.connect(to: endpoint)
        let router = try Socket(.router, in: context)
        func send(_ count: Int) throws -> Socket.SendResult {
            try dealer.send(count: count, within: budget) { memory in
                for offset in memory.indices { memory[offset] = UInt8(truncatingIfNeeded: offset) }
            }
        }
        #expect(try send(5000) == .sent, "an empty budget takes one message of any size")
        #expect(try send(1) == .overBudget)
        #expect(budget.used == 5000)

        try router.bind(to: endpoint)
        #expect(try awaitReadable(router))
        #expect(try router.receiveFrames()?.last == (0..<5000).map { UInt8(truncatingIfNeeded: $0) })
        // libzmq lets go of the bytes at latest when its I/O thread looks for the next message to encode.
        var looks = 0
        while budget.used > 0, looks < 5000 {
            try Poller().wait(milliseconds: 1)
            looks += 1
        }
        #expect(budget.used == 0)
        #expect(try send(600) == .sent)
    }

    @Test("What a closed socket still held goes back to the budget")
    func budgetAfterClose() throws {
        let budget = ByteBudget(limit: 1000)
        do {
            let context = try Context()
            let dealer = try Socket(.dealer, in: context)
            try dealer.set(.sendHighWaterMark(2))
            try dealer.connect(to: "tcp://127.0.0.1:1")
            for expected in [Socket.SendResult.sent, .sent, .wouldBlock] {
                #expect(try dealer.send(count: 100, within: budget) { _ in } == expected)
            }
            #expect(budget.used == 200)
        }
        // The context has ended with everything in it.
        #expect(budget.used == 0)
    }

    @Test("A frame beyond the maximum size is refused and breaks its connection only")
    func maximumSize() throws {
        let (router, endpoint) = try boundRouter(context, .maximumMessageSize(100))
        let big = try Socket(.dealer, in: context)
        let small = try Socket(.dealer, in: context)
        try big.connect(to: endpoint)
        try small.connect(to: endpoint)
        _ = try big.send([UInt8](repeating: 1, count: 101))
        _ = try small.send([UInt8](repeating: 2, count: 100))
        #expect(try awaitReadable(router))
        #expect(try router.receiveFrames()?.last?.count == 100)
        #expect(try !awaitReadable(router, milliseconds: 100))
    }

    @Test("A shut down context ends what waits on its sockets")
    func termination() throws {
        let socket = try Socket(.dealer, in: context)
        context.shutdown()
        let error = #expect(throws: ZeroMQError.self) { _ = try socket.receiveFrames() }
        #expect(error?.isTermination == true)
    }

    @Test("A monitor tells of connections made, lost and refused")
    func monitor() throws {
        let (router, endpoint) = try boundRouter(context)
        let dealer = try Socket(.dealer, in: context)
        let monitor = try SocketMonitor(of: dealer)
        try dealer.connect(to: endpoint)
        try awaitEvent(.ready, from: monitor)
        router.close()
        try awaitEvent(.disconnected, from: monitor)
    }

    private func awaitEvent(_ expected: SocketMonitor.Event, from monitor: SocketMonitor) throws {
        while try awaitReadable(monitor.socket) {
            if try monitor.next()?.event == expected { return }
        }
        Issue.record("no event \(expected)")
    }
}

@Suite("Endpoints")
struct EndpointTests {
    @Test("HOST:PORT is understood, and nothing else")
    func parsing() {
        #expect(Endpoint("localhost:7440") == Endpoint(host: "localhost", port: 7440))
        #expect(Endpoint("10.0.0.1:0")?.tcp == "tcp://10.0.0.1:0")
        for wrong in ["", ":1", "a", "a:", "a:b", "a:65536", "a:-1", "a:+1", "a b:1", "a:1:2", "tcp://a:1", "é:1"] {
            #expect(Endpoint(wrong) == nil, "\(wrong)")
        }
    }

    @Test("A host name is looked up for binding")
    func binding() throws {
        #expect(try Endpoint(host: "localhost", port: 5).tcpForBinding() == "tcp://127.0.0.1:5")
        #expect(try Endpoint(host: "*", port: 5).tcpForBinding() == "tcp://*:5")
        #expect(throws: ZeroMQError.self) { try Endpoint(host: "no-such-host.invalid", port: 5).tcpForBinding() }
    }
}
