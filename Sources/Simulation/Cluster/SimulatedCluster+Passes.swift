import ByteCoding
import Raft
import Replica
import TupleSpace

/// One pass of a server's shell, as `Replica` prescribes it.
extension SimulatedCluster {
    func pass(_ server: SimulatedServer) {
        guard let process = server.process else { return }
        process.isPassPlanned = false
        guard !server.isPaused else { return }
        process.passes += 1
        process.replyIndices.removeAll(keepingCapacity: true)
        process.replica.advance(to: server.clock(now), wallMilliseconds: server.wall(now))
        noteReplies(process)
        if !process.inbox.isEmpty {
            var inbox: [ServerProcess.Inbound] = []
            swap(&inbox, &process.inbox)
            for input in inbox {
                hand(input, to: process)
                noteReplies(process)
            }
            inbox.removeAll(keepingCapacity: true)
            if process.inbox.isEmpty { swap(&inbox, &process.inbox) }
        }
        process.replica.flush()
        noteReplies(process)
        finishPass(server, process)
    }

    private func hand(_ input: ServerProcess.Inbound, to process: ServerProcess) {
        switch input {
        case .peer(let sender, let bytes):
            do {
                try process.replica.receive(bytes, from: sender)
            } catch {
                checker.report("what servers say can be read", "\(process.replica.id): \(error)")
            }
        case .request(let request):
            let token = process.takeToken()
            process.requests[token] = request
            switch request.body {
            case .command(let header, let operation):
                operation.withUnsafeBytes { process.replica.command(token, header: header, operation: $0) }
            case .query(_, let bytes, let consistency, let timeout, let credential):
                bytes.withUnsafeBytes {
                    process.replica.query(
                        token, query: $0, consistency: consistency, timeout: timeout, as: credential)
                }
            }
        case .cluster(let request):
            let token = process.takeToken()
            process.operatorRequests[token] = request
            process.replica.clusterRequest(token, request.request)
        case .subscribe(let subscription):
            let token = process.takeToken()
            process.subscriptions.append((token, subscription))
            process.replica.subscribe(
                token, space: subscription.space, template: subscription.template, after: subscription.position,
                as: subscription.credential)
        case .unsubscribe(let client):
            for (token, subscription) in process.subscriptions where subscription.client == client {
                process.replica.forget(token)
            }
            process.subscriptions.removeAll { $0.subscription.client == client }
        case .connectionLost(let peer): process.replica.connectionLost(peer)
        case .keepAlive(let session): process.replica.keepAlive(session)
        case .stored(let sequence): process.replica.stored(sequence)
        case .snapshotTaken(let metadata, let keepFrom):
            process.replica.snapshotTaken(metadata, keepFrom: keepFrom)
        case .snapshotRead(let read, let bytes, let total):
            process.replica.snapshotRead(read, bytes.map { ($0, total) })
        case .chunkStored(let sender, let index, let next, let metadata):
            process.replica.snapshotChunkStored(from: sender, index: index, nextOffset: next, complete: metadata)
        case .installed(let machine, let metadata):
            process.replica.installed(machine, metadata)
            statistics.snapshotsInstalled += 1
        case .takeSnapshot: process.replica.takeSnapshot()
        }
    }

    /// A reply is as new as what was applied when it was made.
    private func noteReplies(_ process: ServerProcess) {
        let count = process.replica.effects.replies.count
        guard count > process.replyIndices.count else { return }
        let applied = process.replica.appliedIndex
        while process.replyIndices.count < count { process.replyIndices.append(applied) }
    }

    private func finishPass(_ server: SimulatedServer, _ process: ServerProcess) {
        observe(server, process)
        guard checker.violation == nil, !process.replica.effects.isEmpty else { return }
        swap(&process.replica.effects, &process.spareEffects)
        var performance = Performance(
            effects: process.spareEffects, replyIndices: process.replyIndices,
            steps: steps(process.spareEffects, writesFirst: random.chance(percent: 50)))
        process.spareEffects = ReplicaEffects()
        perform(&performance, of: server, process)
    }

    private func steps(_ effects: ReplicaEffects, writesFirst: Bool) -> [Performance.Step] {
        var steps: [Performance.Step] = []
        steps.reserveCapacity(effects.messages.count + effects.replies.count + 2)
        if writesFirst, !effects.writes.isEmpty { steps.append(.writes) }
        for i in effects.messages.indices { steps.append(.message(i)) }
        if !writesFirst, !effects.writes.isEmpty { steps.append(.writes) }
        for i in effects.replies.indices { steps.append(.reply(i)) }
        for i in effects.events.indices { steps.append(.events(i)) }
        for i in effects.endedSubscriptions.indices { steps.append(.endedSubscription(i)) }
        for i in effects.clusterOutcomes.indices { steps.append(.outcome(i)) }
        if effects.snapshotToTake != nil { steps.append(.takeSnapshot) }
        if effects.snapshotToLoad != nil { steps.append(.loadSnapshot) }
        for i in effects.snapshotReads.indices { steps.append(.readSnapshot(i)) }
        for i in effects.snapshotChunks.indices { steps.append(.storeChunk(i)) }
        return steps
    }

    // MARK: - Effects

    /// Performs effects one after another; a crash or pause that was planned for in between comes between.
    func perform(_ performance: inout Performance, of server: SimulatedServer, _ process: ServerProcess) {
        var limit = Int.max
        if let interruption = server.interruption { limit = performance.next + interruption.afterEffects }
        while performance.next < performance.steps.count {
            if performance.next >= limit { return interrupt(performance, server, process) }
            performStep(performance.steps[performance.next], performance, server, process)
            performance.next += 1
        }
        if let reason = performance.effects.fatal {
            checker.report("no server finds itself diverged", "\(name(server)): \(reason)")
        }
        for notice in performance.effects.notices {
            if trace.isReadable, let words = words(notice) { trace.note(now, "\(name(server)) \(words)") }
            if case .sessionsExpired(let count) = notice { statistics.sessionsExpired += UInt64(count) }
            if case .diverged = notice { checker.report("replicas agree", "\(name(server)) notes \(notice)") }
        }
    }

    private func interrupt(_ performance: Performance, _ server: SimulatedServer, _ process: ServerProcess) {
        guard let interruption = server.interruption else { return }
        server.interruption = nil
        switch interruption {
        case .crash(_, let loss):
            trace.fault(
                now,
                "\(name(server)) crashes after \(performance.next) of \(performance.steps.count) effects, loses \(loss)"
            )
            crash(server, loss)
            planRestart(server)
        case .pause(_, let nanoseconds):
            process.remaining = performance
            pause(server, nanoseconds: nanoseconds)
        }
    }

    private func performStep(
        _ step: Performance.Step, _ performance: Performance, _ server: SimulatedServer, _ process: ServerProcess
    ) {
        let effects = performance.effects
        switch step {
        case .message(let i): send(effects.messages[i], from: server)
        case .writes: store(effects.writes, server, process)
        case .reply(let i): answer(effects.replies[i], effects.replyBytes, performance.replyIndices[i], server, process)
        case .events(let i): tell(effects.events[i], server, process)
        case .endedSubscription(let i):
            let (token, failure) = effects.endedSubscriptions[i]
            ended(failure, process.subscriptions.first { $0.token == token }?.subscription, server)
            process.subscriptions.removeAll { $0.token == token }
        case .outcome(let i):
            let (token, outcome) = effects.clusterOutcomes[i]
            guard let request = process.operatorRequests.removeValue(forKey: token) else {
                return checker.report("one outcome to a request", "\(name(server)) tells \(outcome), unasked")
            }
            tell(outcome, of: request, server)
        case .takeSnapshot:
            guard let snapshot = effects.snapshotToTake else { return }
            process.snapshotUnderWay = snapshot
            plan(.snapshotWritten(server: server.number, life: server.life), after: diskDelay(server) * 4)
        case .loadSnapshot:
            guard let metadata = effects.snapshotToLoad else { return }
            plan(.snapshotLoaded(server: server.number, life: server.life, metadata), after: diskDelay(server))
        case .readSnapshot(let i):
            plan(
                .snapshotRead(server: server.number, life: server.life, effects.snapshotReads[i]),
                after: diskDelay(server))
        case .storeChunk(let i):
            let (sender, chunk) = effects.snapshotChunks[i]
            plan(
                .chunkWritten(server: server.number, life: server.life, from: sender, chunk), after: diskDelay(server))
        }
    }

    private func send(_ message: ReplicaEffects.PeerBytes, from server: SimulatedServer) {
        guard let to = numbers[message.to], to != server.number else { return }
        statistics.messages += 1
        checkMessage(message, from: server, to: to)
        if let drops, let decoded = try? message.bytes.withUnsafeBytes({ try PeerMessage(decoding: $0) }),
            drops(decoded, server.number, to)
        {
            return
        }
        if trace.isReadable { noteMessage(message, from: server) }
        let delays = network.delays(
            from: server.number, to: to, isBulk: message.isBulk, bytes: message.bytes.count)
        if delays.isEmpty { statistics.messagesLost += 1 }
        for delay in delays { plan(.deliver(to: message.to, from: server.id, bytes: message.bytes), after: delay) }
    }

    /// A reply leaves the server: it is checked against the replay of the log, whether or not it reaches the client.
    private func answer(
        _ range: ReplicaEffects.ReplyRange, _ bytes: ByteWriter, _ applied: LogIndex, _ server: SimulatedServer,
        _ process: ServerProcess
    ) {
        guard let request = process.requests.removeValue(forKey: range.token) else {
            return checker.report(
                "one reply to a request", "\(name(server)) answers request \(range.token) twice, or unasked")
        }
        let reply: Reply
        do {
            reply = try bytes.bytes.withUnsafeBytes { raw in
                var reader = ByteReader(UnsafeRawBufferPointer(rebasing: raw[range.range]))
                return try Reply(from: &reader)
            }
        } catch {
            return checker.report("replies can be read", "\(name(server)): \(error)")
        }
        trace.mix(4, request.operation, UInt64(range.range.count))
        if trace.isReadable {
            trace.note(now, "\(name(server)) answers operation \(request.operation) at \(applied): \(reply.words)")
        }
        check(reply, to: request, at: applied, by: server)
        guard let delay = network.clientDelay(server: server.number) else { return }
        plan(
            .reply(client: request.client, operation: request.operation, attempt: request.attempt, reply), after: delay)
    }
}

extension Replica {
    mutating func receive(_ bytes: [UInt8], from sender: NodeID) throws(MalformedBytes) {
        // Typed errors do not pass through `withUnsafeBytes` of an array.
        let result: Result<Void, MalformedBytes> = bytes.withUnsafeBytes { raw in
            do throws(MalformedBytes) {
                try receive(raw, from: sender)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
