import NIOCore
import NIOHTTP1
import Synchronization
import ZeroMQ

/// One connection to this server's door: who may come in sends frames until the connection ends.
final class HTTPPeerReceiver: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    /// What the handshake proved; empty before, and for good without security.
    final class Visitor: Sendable {
        private let key = Mutex<CurvePublicKey?>(nil)
        var member: CurvePublicKey? {
            get { key.withLock { $0 } }
            set { key.withLock { $0 = newValue } }
        }
    }

    private let door: HTTPPeerDoor
    private let visitor: Visitor
    private var connection: HTTPPeerInbox.Connection?
    private var frames: PeerFrameStream
    private var lastHeard = NIODeadline.now()
    private var isReadHeld = false
    private var isOver = false
    private var timer: RepeatedTask?

    init(_ door: HTTPPeerDoor, _ visitor: Visitor) {
        self.door = door
        self.visitor = visitor
        frames = PeerFrameStream(limit: PeerEnvelope.byteCount + door.limits.maximumMessageBytes)
    }

    func channelActive(context: ChannelHandlerContext) {
        lastHeard = .now()
        let interval = TimeAmount.milliseconds(Int64(door.limits.heartbeatMilliseconds))
        let own = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            own.value.handler.beat(own.value.context)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func beat(_ context: ChannelHandlerContext) {
        let patience =
            connection == nil ? door.limits.handshakeTimeoutMilliseconds : door.limits.heartbeatTimeoutMilliseconds
        // Who is not read from cannot be heard.
        guard isReadHeld || NIODeadline.now() - lastHeard < .milliseconds(Int64(patience)) else {
            return context.close(promise: nil)
        }
        guard connection != nil, !isOver else { return }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: [0])))), promise: nil)
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        switch unwrapInboundIn(data) {
        case .head(let head): admit(head, context)
        case .body(let bytes):
            guard let connection, !isOver else { return }
            frames.append(bytes)
            do throws(PeerFrameStream.TooLarge) {
                while let frame = try frames.next() { door.inbox.post(frame, from: connection) }
            } catch {
                // Nothing but the end can follow an answer that was begun: the replica's thread counts it and tells.
                isOver = true
                door.inbox.post(nil, from: connection)
                context.close(promise: nil)
            }
        case .end:
            guard !isOver else { return }
            isOver = true
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            context.close(promise: nil)
        }
    }

    private func admit(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard connection == nil, !isOver else { return context.close(promise: nil) }
        guard HTTPPeerPath.all.contains(head.uri) else {
            return refuse(
                .notFound, "this is the door for Starling's other servers; there is nothing at \(head.uri)", context)
        }
        guard head.method == .POST else {
            return refuse(.methodNotAllowed, "frames are sent by POST, and not by \(head.method.rawValue)", context)
        }
        switch door.proof(of: visitor) {
        case .success(let proof): connection = HTTPPeerInbox.Connection(context.channel, proof)
        case .failure(let refusal): return refuse(.forbidden, refusal.description, context)
        }
        var answer = HTTPResponseHead(version: .http1_1, status: .ok)
        answer.headers.add(name: "Content-Type", value: "application/octet-stream")
        answer.headers.add(name: "Transfer-Encoding", value: "chunked")
        context.writeAndFlush(wrapOutboundOut(.head(answer)), promise: nil)
    }

    private func refuse(_ status: HTTPResponseStatus, _ reason: String, _ context: ChannelHandlerContext) {
        isOver = true
        let body = ByteBuffer(string: reason + "\n")
        var answer = HTTPResponseHead(version: .http1_1, status: status)
        answer.headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        answer.headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        answer.headers.add(name: "Connection", value: "close")
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.value.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            context.value.close(promise: nil)
        }
    }

    // MARK: Holding back whoever sends faster than the replica's thread takes

    func read(context: ChannelHandlerContext) {
        if let connection, door.inbox.isFull(for: connection) {
            isReadHeld = true
        } else {
            isReadHeld = false
            context.read()
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is HTTPPeerInbox.ReadOn else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        promise?.succeed()
        guard isReadHeld else { return }
        lastHeard = .now()
        read(context: context)
    }
}

/// Where a lane's frames are posted to.
enum HTTPPeerPath {
    static let main = "/v1/peers/main"
    /// Snapshots.
    static let bulk = "/v1/peers/bulk"
    static let all = [main, bulk]
}
