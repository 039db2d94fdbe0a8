import ByteCoding

/// What the store knows of sessions whose commands their senders number.
struct ClientSessions {
    struct Waiting {
        var id: UInt64
        var session: SessionID
        var sequence: UInt64
        var continuation: CheckedContinuation<Reply, Never>
    }

    private var waiting: [Waiting] = []
    private var lastID: UInt64 = 0
    /// Milliseconds of the store's clock.
    var heard: [SessionID: (at: UInt64, timeout: UInt64)] = [:]

    mutating func newID() -> UInt64 {
        lastID += 1
        return lastID
    }

    mutating func wait(_ one: Waiting) { waiting.append(one) }

    mutating func deliver(_ reply: Reply, _ session: SessionID, _ sequence: UInt64) {
        end({ $0.session == session && $0.sequence == sequence }, with: { _ in reply })
    }

    mutating func end(_ isOver: (Waiting) -> Bool, with reply: (Waiting) -> Reply) {
        let over = waiting.filter(isOver)
        guard !over.isEmpty else { return }
        waiting.removeAll(where: isOver)
        for one in over { one.continuation.resume(returning: reply(one)) }
    }
}

extension InMemoryTuples {
    func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try operation.validate()
        let id = clientSessions.newID()
        let reply = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                clientSessions.wait(
                    .init(id: id, session: header.session, sequence: header.sequence, continuation: continuation))
                submit(operation, header)
                if Task.isCancelled { leaveAlone(id) }
            }
        } onCancel: {
            Task { await self.leaveAlone(id) }
        }
        if case .failed(let failure) = reply { throw failure }
        return (reply, machine.lastPosition)
    }

    private func leaveAlone(_ id: UInt64) {
        clientSessions.end({ $0.id == id }) { _ in .failed(Failure(.outcomeUnknown, "the request was cancelled")) }
    }

    private func submit(_ operation: Operation, _ header: CommandHeader) {
        hear(header.session)
        var writer = ByteWriter()
        operation.encode(into: &writer)
        writer.bytes.withUnsafeBytes { batch.append(header, operation: $0) }
        applyBatch()
    }

    private func hear(_ session: SessionID) {
        guard let timeout = clientSessions.heard[session]?.timeout else { return }
        clientSessions.heard[session]?.at = now
        wake(afterMilliseconds: timeout)
    }

    /// After each batch: whose sessions began and ended, and whose commands will never be answered.
    func tendClientSessions() {
        for (id, timeout) in applied.sessionsOpened {
            clientSessions.heard[id] = (now, timeout)
            wake(afterMilliseconds: timeout)
        }
        for id in applied.sessionsEnded { clientSessions.heard[id] = nil }
        let heard = clientSessions.heard
        clientSessions.end({ !machine.isWaiting($0.session, $0.sequence) }) { one in
            .failed(heard[one.session] == nil ? .sessionExpired : .alreadyAcknowledged)
        }
    }

    /// As a leader does.
    func endSilentSessions() {
        let now = now
        let silent = clientSessions.heard.filter { now - $0.value.at >= $0.value.timeout }.keys.sorted()
        guard !silent.isEmpty else { return }
        submit(.expireSessions(silent), CommandHeader(session: SessionID(0), sequence: 0))
    }
}
