import ByteCoding
import ClientProtocol
import TupleSpace
import ZeroMQ

extension Engine {
    /// Sends what is ready, in as few frames as their size allows.
    func flush() {
        guard let connection, connection.isReady else { return }
        if isBlocked {
            guard transmit(connection) else { return }
        }
        guard !sendQueue.isEmpty || !wireCancels.isEmpty else { return }
        frame.beginRequests()
        guard appendCancels(connection) else { return }
        var sent = 0
        for id in sendQueue {
            sent += 1
            guard let entry = pending[id], entry.sentOn == 0, entry.resendAt <= now else { continue }
            append(entry, id)
            pending[id]?.sentOn = connection.generation
            pending[id]?.sentAt = now
            guard frame.isFull else { continue }
            guard transmit(connection) else { break }
            frame.beginRequests()
        }
        if connection === self.connection {
            // Lost on the way, everything was queued again behind.
            sendQueue.removeFirst(sent)
            if !frame.isEmpty, !isBlocked { _ = transmit(connection) }
        }
    }

    /// - Returns: false when the socket takes nothing more now, or is lost.
    private func appendCancels(_ connection: Connection) -> Bool {
        while let id = wireCancels.popLast() {
            frame.appendRequest(id: inbox.makeID(), kind: .cancel) { CancelRequest(id: id).encode(into: &$0) }
            guard frame.isFull else { continue }
            guard transmit(connection) else { return false }
            frame.beginRequests()
        }
        return true
    }

    /// - Returns: false when the socket takes nothing more now, or is lost.
    private func transmit(_ connection: Connection) -> Bool {
        do throws(ZeroMQError) {
            isBlocked = try connection.socket.send(frame.bytes) != .sent
            return !isBlocked
        } catch {
            leave("\(error)")
            return false
        }
    }

    private func append(_ entry: Pending, _ id: UInt64) {
        switch entry.request.body {
        case .command(_, let operation):
            // A command is begun with its session and ticket.
            guard let session = entry.session, let ticket = entry.ticket else { return }
            operation.withUnsafeBytes {
                frame.appendCommand(
                    id: id, session: session, sequence: ticket.sequence, acknowledgedBelow: ticket.acknowledgedBelow,
                    acknowledged: ticket.acknowledged, operation: $0)
            }
        case .query(let consistency, let query):
            frame.appendRequest(id: id, kind: .query) { writer in
                query.withUnsafeBytes {
                    QueryRequest.encode(
                        consistency: consistency, timeout: entry.remainingWait(at: now), query: $0, into: &writer)
                }
            }
        case .keepAlive(let session):
            frame.appendRequest(id: id, kind: .keepAlive) { KeepAliveRequest(session: session).encode(into: &$0) }
        case .status:
            frame.appendRequest(id: id, kind: .status) { _ in }
        case .cluster(let bytes):
            bytes.withUnsafeBytes { frame.appendRequest(id: id, kind: .cluster, payload: $0) }
        case .join(let bytes):
            bytes.withUnsafeBytes { frame.appendRequest(id: id, kind: .join, payload: $0) }
        case .snapshotPiece(let piece):
            frame.appendRequest(id: id, kind: .snapshotPiece) { piece.encode(into: &$0) }
        case .subscribe(let feed):
            let position = entry.position ?? feed.start
            frame.appendRequest(id: id, kind: .subscribe) {
                SubscribeRequest(space: feed.space, template: feed.template, position: position).encode(into: &$0)
            }
        }
    }

    /// The server lives, but dropped the request or its answer.
    func sendAgain(_ id: UInt64) {
        guard var entry = pending[id] else { return }
        let sentOn = entry.sentOn
        entry.sentOn = 0
        entry.mayBeDone = true
        var wireID = id
        if case .query = entry.request.body, entry.request.wait != .none {
            // A read that waits there would wait twice: it is ended, and what that answers is not taken for the new
            // one's answer.
            sendWireCancel(of: id, sentOn: sentOn)
            pending[id] = nil
            wireID = inbox.makeID()
            renamed[entry.request.id] = wireID
        }
        pending[wireID] = entry
        sendQueue.append(wireID)
    }

    /// Ends a query or subscription at the server, if it is there. Has no answer, so that nothing waits for it.
    func sendWireCancel(of id: UInt64, sentOn: UInt64) {
        guard let connection, connection.isReady, sentOn == connection.generation else { return }
        wireCancels.append(id)
    }
}
