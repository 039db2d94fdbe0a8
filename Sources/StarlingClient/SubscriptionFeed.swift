import Synchronization
import TupleSpace

/// Between the engine, which receives events, and the reader of a stream. Holds a bounded number of events: when it is
/// full the engine ends the subscription at the server, and when the reader has taken half it begins again from the
/// same position.
final class SubscriptionFeed: Sendable {
    private struct State {
        var batches: [EventBatch] = []
        /// Of `batches`, taken already.
        var taken = 0
        var events = 0
        var isPaused = false
        var result: Result<Void, Failure>?
        var reader: CheckedContinuation<Result<EventBatch?, Failure>, Never>?
    }

    enum PushResult {
        case room
        case full
    }

    let id: UInt64
    let space: String
    let template: Template?
    let start: Position?
    private let limit: Int
    private let state = Mutex(State())

    init(id: UInt64, space: String, template: Template?, start: Position?, limit: Int) {
        self.id = id
        self.space = space
        self.template = template
        self.start = start
        self.limit = limit
    }

    // MARK: The engine's side

    func push(_ batch: EventBatch) -> PushResult {
        let (reader, result): (CheckedContinuation<Result<EventBatch?, Failure>, Never>?, PushResult) = state.withLock {
            state in
            if let reader = state.reader {
                state.reader = nil
                return (reader, .room)
            }
            if batch.events.isEmpty, let last = state.batches.indices.last, last >= state.taken {
                // Heartbeats that nobody reads become one.
                state.batches[last].position = batch.position
                return (nil, .room)
            }
            state.batches.append(batch)
            state.events += batch.events.count
            guard state.events >= limit, !state.isPaused else { return (nil, .room) }
            state.isPaused = true
            return (nil, .full)
        }
        reader?.resume(returning: .success(batch))
        return result
    }

    /// What stands is still read; then the stream ends.
    func finish(_ result: Result<Void, Failure>) {
        let reader = state.withLock { state in
            if state.result == nil { state.result = result }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: result.map { nil })
    }

    // MARK: The reader's side

    /// The next batch; nil at the end.
    /// - Parameter resume: called when there is room again after a pause.
    func next(resume: () -> Void) async throws(Failure) -> EventBatch? {
        if let ready = takeReady(resume: resume) { return try ready.get() }
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Result<EventBatch?, Failure>? = state.withLock { state in
                    if let ready = Self.takeReady(&state) { return ready }
                    // One reader at a time: an earlier one has gone, or breaks the rule of streams.
                    if state.reader != nil { return .success(nil) }
                    state.reader = continuation
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            finish(.success(()))
        }.get()
    }

    private func takeReady(resume: () -> Void) -> Result<EventBatch?, Failure>? {
        let (ready, hasRoom) = state.withLock { state in
            let ready = Self.takeReady(&state)
            guard state.isPaused, state.events <= limit / 2 else { return (ready, false) }
            state.isPaused = false
            return (ready, true)
        }
        if hasRoom { resume() }
        return ready
    }

    private static func takeReady(_ state: inout State) -> Result<EventBatch?, Failure>? {
        guard state.taken < state.batches.count else { return state.result?.map { nil } }
        let batch = state.batches[state.taken]
        state.taken += 1
        state.events -= batch.events.count
        if state.taken == state.batches.count {
            state.batches.removeAll(keepingCapacity: true)
            state.taken = 0
        } else if state.taken >= 1_024 {
            state.batches.removeFirst(state.taken)
            state.taken = 0
        }
        return .success(batch)
    }
}
