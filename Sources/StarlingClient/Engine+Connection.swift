import ByteCoding
import ClientProtocol
import TupleSpace
import ZeroMQ

extension Engine {
    /// Something needs a server.
    var isWanted: Bool { !pending.isEmpty || !sessions.isEmpty }

    // MARK: Coming and going

    /// Connects, or gives up connecting: once a turn.
    func tendConnection() {
        guard let connection else {
            if isWanted, now >= connectAt { connect() }
            return
        }
        if !connection.isReady, now >= connection.startedAt + settings.connectTimeout {
            leave("it did not answer the hello")
        }
    }

    /// Pings a server that has said nothing for half of the bound, and leaves it at the whole. Looks at what is under
    /// way: not often.
    func watchSilence() {
        guard let connection, connection.isReady else { return }
        guard pending.values.contains(where: { $0.sentOn == connection.generation }) else {
            // A server forgets who says nothing for a minute.
            if now >= idlePingAt { sendPing(connection) }
            // Silence counts from when we begin to expect something.
            connection.pingedAt = nil
            connection.heardAt = now
            return
        }
        if let pingedAt = connection.pingedAt {
            if now >= pingedAt + settings.silence / 2 { leave("it is silent") }
        } else if now >= connection.heardAt + settings.silence / 2 {
            ping(connection)
        }
    }

    private func ping(_ connection: Connection) {
        connection.pingedAt = now
        sendPing(connection)
    }

    private func sendPing(_ connection: Connection) {
        idlePingAt = now + 15_000
        var ping = ClientFrameWriter(reserving: 16)
        ping.makePing(now)
        // Not taken by the socket is as bad as not answered: the silence will tell.
        _ = try? connection.socket.send(ping.bytes)
    }

    private func connect() {
        generation += 1
        do throws(ZeroMQError) {
            let made = try Connection(
                to: servers.current, generation: generation, in: context, poller: poller, at: now,
                keys: settings.keys)
            connection = made
            var hello = ClientFrameWriter(reserving: 64)
            hello.make(Hello(cluster: settings.cluster, token: settings.token))
            _ = try made.socket.send(hello.bytes)
        } catch {
            leave("\(error)")
        }
    }

    /// Goes to the next server, with everything that is under way. The first time at once, then slower and slower.
    func leave(_ reason: String) {
        let wasReady = connection?.isReady ?? false
        disconnect()
        servers.advance()
        failedConnections = wasReady ? 0 : failedConnections + 1
        let rounds = failedConnections / servers.count
        connectAt = rounds == 0 ? now : now + min(500, 25 << UInt64(min(rounds, 5)))
        lastTrouble = reason
    }

    func disconnect() {
        guard let connection else { return }
        self.connection = nil
        connection.close()
        isBlocked = false
        wireCancels.removeAll()
        var lost: [UInt64] = []
        for (id, entry) in pending where entry.sentOn == connection.generation { lost.append(id) }
        for id in lost.sorted() {
            if case .cluster? = pending[id]?.request.body {
                // Another server could only say how the members are by now, and would refuse what is done already.
                finish(
                    id,
                    .failure(
                        Failure(
                            .outcomeUnknown, "the server was lost before it told the outcome; it may have been done")
                    ))
                continue
            }
            pending[id]?.sentOn = 0
            pending[id]?.mayBeDone = true
            if pending[id]?.troubleSince == nil { pending[id]?.troubleSince = now }
            sendQueue.append(id)
        }
    }

    // MARK: Receiving

    func receive() {
        guard let connection else { return }
        do throws(ZeroMQError) {
            if let item = connection.monitorItem, poller.isReadable(item) {
                // News of the end come behind what was received before it; that is still read first.
                try drain(connection)
                guard connection === self.connection else { return }
                try readNews(connection)
            } else if poller.isReadable(connection.socketItem) {
                try drain(connection)
            }
        } catch {
            leave("\(error)")
        }
    }

    private func readNews(_ connection: Connection) throws(ZeroMQError) {
        while let news = try connection.monitor.next() {
            switch news.event {
            case .disconnected: return leave("it hung up")
            case .handshakeFailed: return leave("it does not hold the key that is expected of it, or refused ours")
            case .other(closedEvent): return leave("it cannot be reached")
            case .ready, .connected, .accepted, .other: continue
            }
        }
    }

    /// Takes what has arrived, at most a bounded number of frames, so that the other work of a turn is not starved.
    private func drain(_ connection: Connection) throws(ZeroMQError) {
        for _ in 0..<256 {
            guard try connection.socket.receive(into: connection.received) else { return }
            connection.heardAt = now
            connection.pingedAt = nil
            let isGood = connection.received.withUnsafeBytes { handle($0) }
            try connection.socket.skipRest(after: connection.received)
            guard isGood else { return leave("it sent what is not of this protocol") }
            guard connection === self.connection else { return }
            if leaveAfterFrame == connection.generation { return leave("it finds no leader, or is too busy") }
        }
    }

    /// - Returns: false if the frame is not of this protocol.
    private func handle(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do throws(MalformedBytes) {
            var frame = try ClientFrameReader(bytes)
            switch frame.kind {
            case .responses:
                while let response = try frame.nextResponse() { handle(response) }
            case .pong: _ = try frame.readPingNumber()
            case .welcome: return welcome(&frame.reader)
            case .refused: refused(try frame.readRefusal())
            case .hello, .requests, .ping: return false
            }
            return true
        } catch {
            return false
        }
    }

    private func welcome(_ reader: inout ByteReader) -> Bool {
        guard let connection, let welcome = try? Welcome(from: &reader) else { return false }
        if settings.cluster != 0, welcome.cluster != settings.cluster {
            refused(Failure(.notAllowed, "the server belongs to another cluster"))
            return true
        }
        connection.isReady = true
        failedConnections = 0
        finalRefusals = 0
        idlePingAt = now + 15_000
        servers.learn(welcome.servers, encrypted: connection.server.publicKey != nil)
        return true
    }

    /// A refused hello; or a server that forgot us, being a new process at the old address.
    private func refused(_ failure: Failure) {
        let wasReady = connection?.isReady ?? false
        leave("it refused: \(failure)")
        guard !wasReady else { return }
        guard failure.code == .unsupported || failure.code == .notAllowed else { return }
        finalRefusals += 1
        guard finalRefusals >= servers.count else { return }
        // Every server says so: trying longer would not help.
        finalRefusals = 0
        for id in pending.keys.sorted() { finish(id, .failure(failure)) }
        for state in sessions.values.sorted(by: { $0.id < $1.id }) { drop(state, failure) }
    }
}

/// ZMQ_EVENT_CLOSED: an attempt to connect failed, and libzmq, told not to try again, closed the connection.
private let closedEvent: UInt16 = 0x0080
