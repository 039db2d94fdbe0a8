import Replica
import Synchronization
import TupleSpace

extension LocalDoor {
    /// Runs a command of a session that somebody else has opened and numbers. Nothing is kept here but who waits for the answer.
    ///
    /// When the calling task is cancelled it returns at once with `outcome-unknown`; the command goes on, since it can be asked for again.
    func command(_ operation: Operation, under header: CommandHeader) async -> Answer {
        let bytes = LocalDoor.encode(operation)
        let token = state.withLock { $0.newToken() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    let isOpen = !state.isClosed && !state.isStopping
                    if isOpen { state.waiting[token] = .query(continuation) }
                    return isOpen
                }
                guard isOpen else { return continuation.resume(returning: .stopping) }
                guard inbox.offer(.command(RequestToken(token), header, operation: bytes)) else {
                    return deliver(token, .queueFull)
                }
                if Task.isCancelled { deliver(token, .leftAlone) }
            }
        } onCancel: {
            deliver(token, .leftAlone)
        }
    }
}

extension LocalDoor.Answer {
    fileprivate static let leftAlone = LocalDoor.Answer.failed(
        .outcomeUnknown, "the request was cancelled before its outcome was known; ask again under the same number")
}

extension LocalTupleStore {
    public func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try operation.validate()
        var header = header
        header.caller = credential.text
        let answer = await door.command(operation, under: header)
        if case .failed(let failure) = answer.reply { throw failure }
        return (answer.reply, answer.position)
    }
}
