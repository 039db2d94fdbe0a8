import ByteCoding
import ClientProtocol
import TupleSpace
import ZeroMQ

/// One connection of a `LoadDriver`, over and over: a lost one is made again, to the next server.
struct LoadConnection {
    /// Index into the plan's servers.
    var server: Int
    var connection: Connection?
    var frame = ClientFrameWriter(reserving: 1 << 16)
    /// The frame holds what the socket did not take.
    var isBlocked = false
    var connectAt: UInt64 = 0
    var welcomed = false

    func close(_ poller: Poller) { connection?.close() }
}

extension LoadDriver {
    func connectAll() throws(LoadFailure) {
        for index in 0..<plan.connections {
            var made = LoadConnection(server: index % plan.servers.count)
            made.frame.beginRequests()
            connections.append(made)
            connect(index, at: monotonicNanoseconds())
        }
        let until = monotonicNanoseconds() + 10_000_000_000
        while !connections.allSatisfy(\.welcomed) {
            do throws(ZeroMQError) {
                try poller.wait(milliseconds: 20)
            } catch {
                throw LoadFailure(description: "\(error)")
            }
            receive()
            if let fatal { throw fatal }
            let now = monotonicNanoseconds()
            tend(at: now)
            guard now < until else { throw LoadFailure(description: "no server welcomed every connection within 10 s") }
        }
    }

    private func connect(_ index: Int, at now: UInt64) {
        let server = plan.servers[connections[index].server]
        do throws(ZeroMQError) {
            // Half as many sockets to poll: a lost connection may be noticed a little later.
            let made = try Connection(
                to: server, generation: 1, in: context, poller: poller, at: now / 1_000_000,
                pollsMonitor: false)
            var hello = ClientFrameWriter(reserving: 64)
            hello.make(Hello(cluster: plan.cluster, token: plan.token))
            _ = try made.socket.send(hello.bytes)
            connections[index].connection = made
        } catch {
            fatal = LoadFailure(description: "\(error)")
        }
    }

    /// Drops a connection; soon it is made again to the next server, and what was under way is sent again.
    private func lose(_ index: Int, at now: UInt64) {
        connections[index].connection?.close()
        connections[index].connection = nil
        connections[index].welcomed = false
        connections[index].isBlocked = false
        connections[index].frame.beginRequests()
        connections[index].server = (connections[index].server + 1) % plan.servers.count
        connections[index].connectAt = now + 20_000_000
        for session in sessions.indices
        where sessions[session].connection == index && sessions[session].isOutstanding
            && sessions[session].resendAt == 0
        {
            again(session, at: now, pause: 0)
        }
    }

    private func again(_ session: Int, at now: UInt64, pause: UInt64) {
        errors += 1
        sessions[session].refusals += 1
        sessions[session].resendAt = now + pause
        resends.append(session)
    }

    /// Connections that are silent or gone, and requests to be sent again.
    func tend(at now: UInt64) {
        if now >= newsAt {
            newsAt = now + 20_000_000
            readNews(at: now)
        }
        for index in connections.indices {
            if let connection = connections[index].connection {
                let limit: UInt64 = connections[index].welcomed ? 5_000 : 2_000
                if now / 1_000_000 > connection.heardAt + limit, !connections[index].welcomed || isWaiting(on: index) {
                    lose(index, at: now)
                }
            } else if now >= connections[index].connectAt {
                connect(index, at: now)
            }
        }
        guard !resends.isEmpty else { return }
        let due = resends.filter { sessions[$0].resendAt <= now && connections[sessions[$0].connection].welcomed }
        guard !due.isEmpty else { return }
        resends.removeAll { due.contains($0) }
        for session in due {
            sessions[session].resendAt = 0
            append(session)
        }
    }

    private func isWaiting(on index: Int) -> Bool {
        sessions.contains { $0.connection == index && $0.isOutstanding && $0.resendAt == 0 }
    }

    // MARK: Sending

    /// Puts the session's request into its connection's frame.
    func append(_ index: Int) {
        let session = sessions[index]
        guard connections[session.connection].welcomed, !connections[session.connection].isBlocked else {
            sessions[index].resendAt = 1
            resends.append(index)
            return
        }
        let id = UInt64(index) << 8 | session.sequence & 0xFF
        payloads[index].withUnsafeBytes { payload in
            if isQuery {
                connections[session.connection].frame.appendRequest(id: id, kind: .query, payload: payload)
            } else {
                connections[session.connection].frame.appendCommand(
                    id: id, session: session.id, sequence: session.sequence, acknowledgedBelow: session.sequence,
                    acknowledged: [], operation: payload)
            }
        }
    }

    func flush() {
        for index in connections.indices where !connections[index].frame.isEmpty {
            guard let connection = connections[index].connection else { continue }
            do throws(ZeroMQError) {
                connections[index].isBlocked = try connection.socket.send(connections[index].frame.bytes) != .sent
                if !connections[index].isBlocked { connections[index].frame.beginRequests() }
            } catch {
                lose(index, at: monotonicNanoseconds())
            }
        }
    }

    // MARK: Receiving

    func receive() {
        for index in connections.indices {
            guard let connection = connections[index].connection else { continue }
            do throws(ZeroMQError) {
                if poller.isReadable(connection.socketItem) { try drain(index, connection) }
            } catch {
                lose(index, at: monotonicNanoseconds())
            }
        }
    }

    private func readNews(at now: UInt64) {
        for index in connections.indices {
            guard let connection = connections[index].connection else { continue }
            let gone = (try? isGone(connection)) ?? true
            if gone { lose(index, at: now) }
        }
    }

    private func isGone(_ connection: Connection) throws(ZeroMQError) -> Bool {
        var isGone = false
        while let news = try connection.monitor.next() {
            switch news.event {
            case .disconnected, .handshakeFailed, .other(0x0080): isGone = true
            case .ready, .connected, .accepted, .other: continue
            }
        }
        return isGone
    }

    private func drain(_ index: Int, _ connection: Connection) throws(ZeroMQError) {
        while try connection.socket.receive(into: connection.received) {
            let now = monotonicNanoseconds()
            connection.heardAt = now / 1_000_000
            connection.received.withUnsafeBytes { handle($0, index, at: now) }
            try connection.socket.skipRest(after: connection.received)
        }
    }

    private func handle(_ bytes: UnsafeRawBufferPointer, _ index: Int, at now: UInt64) {
        do throws(MalformedBytes) {
            var frame = try ClientFrameReader(bytes)
            switch frame.kind {
            case .responses:
                while let response = try frame.nextResponse() { handle(response, at: now) }
            case .welcome: connections[index].welcomed = true
            case .refused:
                let failure = try frame.readRefusal()
                if failure.code != .busy, !connections[index].welcomed {
                    fatal = LoadFailure(description: "\(failure)")
                }
                lose(index, at: now)
            case .pong, .hello, .requests, .ping: break
            }
        } catch {
            fatal = LoadFailure(description: "a server sent what is not of this protocol: \(error)")
        }
    }

    private func handle(_ response: ClientResponse, at now: UInt64) {
        let index = Int(truncatingIfNeeded: response.id >> 8)
        guard response.kind == .reply, index < sessions.count, sessions[index].isOutstanding,
            sessions[index].sequence & 0xFF == response.id & 0xFF, sessions[index].resendAt == 0
        else { return }
        if let failure = ReplyPeek.failure(in: response.payload) {
            switch failure.code {
            case .busy, .noLeader, .outcomeUnknown:
                let pause: UInt64 = 5_000_000 << min(sessions[index].refusals, 6)
                return again(index, at: now, pause: pause)
            case .sessionExpired where phase == .end: break
            default:
                fatal = LoadFailure(description: "\(failure)")
                return
            }
        } else if phase == .measure, plan.operation == .take || plan.operation == .read || plan.isWorker(index),
            !ReplyPeek.isFound(response.payload)
        {
            fatal = LoadFailure(
                description: "a \(plan.operation.rawValue) found nothing, where it must find what was written")
            return
        }
        sessions[index].isOutstanding = false
        outstanding -= 1
        completed += 1
        lastCompletion = now
        if phase == .measure, plan.operation != .queue || plan.isWorker(index) {
            let latency = now - sessions[index].startedAt
            histogram.record(latency)
            if plan.keepsSamples { samples.append(LoadSample(nanoseconds: now, latencyNanoseconds: latency)) }
        }
        begin(index, at: now)
    }
}
