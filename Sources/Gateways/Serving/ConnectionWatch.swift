import NIOCore
import NIOHTTPTypes

/// Sits in every connection's pipeline and knows two things that a request handler does not: that the client hung up
/// while its request is being worked on, and that the socket took a reply to its last byte. Lives on the connection's
/// event loop.
///
/// A client that closes its sending half counts as hung up: from here it looks like one that is gone, and a tuple must
/// not be handed to nobody.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    struct ExpectedReply {
        var delivered: @Sendable () -> Void
        var lost: @Sendable () -> Void
    }

    private(set) var isHungUp = false
    private var onHangUp: (@Sendable () -> Void)?
    /// Concerns the next reply on this connection, whose head was not written yet.
    private var expected: ExpectedReply?
    private var isDropping = false

    /// Calls the closure once when the client hangs up, at once if it has. Only the latest closure counts.
    func watch(_ onHangUp: @escaping @Sendable () -> Void) {
        if isHungUp { onHangUp() } else { self.onHangUp = onHangUp }
    }

    func endWatch() { onHangUp = nil }

    /// Exactly one of the two closures will be called, for the next reply written.
    func expect(_ reply: ExpectedReply) {
        if isHungUp { reply.lost() }
        // Kept in either case, so that the reply is not written to a half-closed connection after we said it was lost.
        expected = isHungUp ? ExpectedReply(delivered: {}, lost: {}) : reply
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { hangUp() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        hangUp()
        expected?.lost()
        expected = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError { hangUp() }
        context.fireErrorCaught(error)
    }

    private func hangUp() {
        guard !isHungUp else { return }
        isHungUp = true
        onHangUp?()
        onHangUp = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        if case .head = part, isHungUp, let reply = expected {
            expected = nil
            isDropping = true
            reply.lost()
            promise?.fail(ChannelError.inputClosed)
            context.close(promise: nil)
            return
        }
        guard !isDropping else {
            promise?.fail(ChannelError.inputClosed)
            return
        }
        guard case .end = part, let reply = expected else {
            context.write(data, promise: promise)
            return
        }
        expected = nil
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        // The end is written after the rest, so once the socket took it, it took everything.
        written.futureResult.whenComplete { result in
            if case .success = result { reply.delivered() } else { reply.lost() }
        }
        context.write(data, promise: written)
    }
}

@available(*, unavailable)
extension ConnectionWatch: Sendable {}

/// A handler's view of the connection its request came on. Usable from any task.
struct Connection: Sendable {
    let channel: any Channel

    private func onWatch(_ body: @escaping @Sendable (ConnectionWatch) -> Void) async throws {
        try await channel.eventLoop.submit {
            body(try channel.pipeline.syncOperations.handler(type: ConnectionWatch.self))
        }.get()
    }

    /// Runs the closure, and cancels it when the client hangs up.
    func whileConnected<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let task = Task { try await body() }
        do {
            try await onWatch { $0.watch { task.cancel() } }
            let value = try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
            try await onWatch { $0.endWatch() }
            return value
        } catch {
            task.cancel()
            try? await onWatch { $0.endWatch() }
            throw error
        }
    }

    /// Call last before the reply is returned: exactly one of the closures is called when its fate is known.
    func expectReply(delivered: @escaping @Sendable () -> Void, lost: @escaping @Sendable () -> Void) async {
        do {
            try await onWatch { $0.expect(.init(delivered: delivered, lost: lost)) }
        } catch {
            // The pipeline is gone, and the connection with it.
            lost()
        }
    }
}
