import NIOCore
import NIOHTTP1
import NIOTLS
import ZeroMQ

/// One connection of a lane, seen from the sender: it asks to be let in, and then writes what the lane has.
final class HTTPPeerSender: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPClientRequestPart

    private let lane: HTTPPeerLane
    private let isSecure: Bool
    private var isEstablished = false
    private var lastHeard = NIODeadline.now()
    private var hasWritten = false
    private var refusal: (status: HTTPResponseStatus, body: ByteBuffer)?
    private var timer: RepeatedTask?

    init(_ lane: HTTPPeerLane, isSecure: Bool) {
        self.lane = lane
        self.isSecure = isSecure
    }

    // MARK: To be let in

    func channelActive(context: ChannelHandlerContext) {
        lastHeard = .now()
        let interval = TimeAmount.milliseconds(Int64(lane.limits.heartbeatMilliseconds))
        let own = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            own.value.handler.beat(own.value.context)
        }
        if !isSecure { ask(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isSecure, case .handshakeCompleted? = event as? TLSUserEvent { ask(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func ask(_ context: ChannelHandlerContext) {
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: lane.path)
        head.headers.add(name: "Host", value: lane.endpoint.description)
        head.headers.add(name: "Content-Type", value: "application/octet-stream")
        head.headers.add(name: "Transfer-Encoding", value: "chunked")
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        switch unwrapInboundIn(data) {
        case .head(let head) where head.status == .ok:
            isEstablished = true
            lane.established(context.channel)
        case .head(let head): refusal = (head.status, ByteBuffer())
        case .body(let bytes):
            // Signs of life, or the reason of a refusal.
            guard let known = refusal, known.body.readableBytes + bytes.readableBytes <= 1_000 else { return }
            refusal?.body.writeImmutableBuffer(bytes)
        case .end:
            if let refusal {
                lane.refused("\(refusal.status.code) \(String(buffer: refusal.body))")
            }
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isEstablished { lane.refused("\(error)") }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    private func beat(_ context: ChannelHandlerContext) {
        let patience =
            isEstablished ? lane.limits.heartbeatTimeoutMilliseconds : lane.limits.handshakeTimeoutMilliseconds
        guard NIODeadline.now() - lastHeard < .milliseconds(Int64(patience)) else { return context.close(promise: nil) }
        guard isEstablished else { return }
        if !hasWritten {
            let nothing = ByteBuffer(repeating: 0, count: PeerFrameStream.prefixByteCount)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(nothing))), promise: nil)
        }
        hasWritten = false
    }

    // MARK: Writing

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is HTTPPeerLane.Pump else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        promise?.succeed()
        pump(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        context.fireChannelWritabilityChanged()
    }

    /// What the network does not take now is kept by the lane, whose bounds hold.
    private func pump(_ context: ChannelHandlerContext) {
        guard isEstablished, context.channel.isWritable, let (bytes, messages) = lane.takePending() else { return }
        hasWritten = true
        let count = bytes.readableBytes
        let (lane, channel) = (lane, context.channel)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenSuccess { lane.written(count, messages: messages, on: channel) }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: written)
    }
}
