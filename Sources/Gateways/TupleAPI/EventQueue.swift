import Hummingbird
import NIOCore
import Synchronization
import TupleSpace

/// Joins events and heartbeats into one sequence of blocks of text. The next batch is fetched only when the last was
/// written and at most one heartbeat waits: a slow client slows the store's stream, which is bounded, and fills no
/// memory here.
final class EventQueue: Sendable {
    private enum Block: Sendable {
        case text(ByteBuffer)
        case events(ByteBuffer)
        case heartbeat
    }

    private struct State {
        /// Everything up to here was handed over.
        var position: Position?
        var hasHeartbeatWaiting = false
    }

    private let blocks: AsyncThrowingStream<Block, any Error>
    private let blockSource: AsyncThrowingStream<Block, any Error>.Continuation
    private let written: AsyncStream<Void>
    private let writtenSource: AsyncStream<Void>.Continuation
    private let state: Mutex<State>

    init(startingAt position: Position?) {
        (blocks, blockSource) = AsyncThrowingStream.makeStream()
        (written, writtenSource) = AsyncStream.makeStream()
        state = Mutex(State(position: position))
    }

    func fail(_ error: any Error) { blockSource.finish(throwing: error) }

    /// Feeds the queue until the events end or the task is cancelled.
    func pump(_ stream: EventStream, heartbeat: Duration) async throws {
        blockSource.yield(.text(ByteBuffer(string: "retry: 1000\n: starling\n\n")))
        let beat = Task {
            while true {
                try await Task.sleep(for: heartbeat)
                offerHeartbeat()
            }
        }
        defer { beat.cancel() }
        var acknowledgements = written.makeAsyncIterator()
        for try await batch in stream {
            if batch.events.isEmpty {
                // The next heartbeat carries it.
                state.withLock { $0.position = batch.position }
                continue
            }
            blockSource.yield(.events(Self.block(batch)))
            guard await acknowledgements.next() != nil else { break }
            state.withLock { $0.position = batch.position }
        }
        try Task.checkCancellation()
        blockSource.finish()
    }

    private func offerHeartbeat() {
        let isNew = state.withLock { state in
            defer { state.hasHeartbeatWaiting = true }
            return !state.hasHeartbeatWaiting
        }
        if isNew { blockSource.yield(.heartbeat) }
    }

    /// Writes what `pump` brings, until it ends. An error becomes an event of its own, as the status was sent long ago.
    func drain(into writer: inout any ResponseBodyWriter) async throws {
        defer { writtenSource.finish() }
        do {
            for try await block in blocks {
                switch block {
                case .text(let text): try await writer.write(text)
                case .events(let text):
                    try await writer.write(text)
                    writtenSource.yield()
                case .heartbeat:
                    let position = state.withLock { state in
                        state.hasHeartbeatWaiting = false
                        return state.position
                    }
                    // Without data nothing is dispatched, but the client's last id moves on.
                    let id = position.map { "id: \($0)\n" } ?? ""
                    try await writer.write(ByteBuffer(string: ": heartbeat\n\(id)\n"))
                }
            }
        } catch let failure as Failure {
            try await writer.write(Self.block(APIError(failure)))
        } catch let error as APIError {
            try await writer.write(Self.block(error))
        } catch is CancellationError {
            return
        }
    }

    private static func block(_ batch: EventBatch) -> ByteBuffer {
        var buffer = ByteBuffer()
        for event in batch.events {
            let kind = event.kind.word
            let json = JSON.object([
                .init("kind", .string(kind)), .init("space", .string(event.space)),
                .init("id", .string(event.tuple.id.description)), .init("tuple", TupleJSON.json(event.tuple.tuple)),
                .init("caller", .string(event.caller)), .init("position", .string(event.position.description)),
            ])
            buffer.writeString("id: \(event.position)\nevent: \(kind)\ndata: ")
            buffer.writeBytes(json.bytes)
            buffer.writeString("\n\n")
        }
        return buffer
    }

    private static func block(_ error: APIError) -> ByteBuffer {
        var buffer = ByteBuffer(string: "event: error\ndata: ")
        buffer.writeBytes(error.json.bytes)
        buffer.writeString("\n\n")
        return buffer
    }
}
