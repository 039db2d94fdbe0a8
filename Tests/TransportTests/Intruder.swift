import Certificates
import NIOCore
import NIOPosix
import NIOSSL
import Testing
import ZeroMQ

/// Connections of somebody who believes anything and keeps to nothing.
enum Intruder {
    /// With TLS, and with a certificate if there is one.
    static func connect(
        to address: String, _ certificate: NodeCertificate?, handler: any ChannelHandler & Sendable
    ) throws -> any Channel {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        if let certificate {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(
                Array(try certificate.certificateText().utf8)
            ).map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(bytes: Array(try certificate.keyText().utf8), format: .pem))
        }
        let context = try NIOSSLContext(configuration: configuration)
        return try connect(to: address) { channel in
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: context, serverHostname: nil))
            try channel.pipeline.syncOperations.addHandler(handler)
        }
    }

    static func connectPlain(to address: String, handler: any ChannelHandler & Sendable) throws -> any Channel {
        try connect(to: address) { try $0.pipeline.syncOperations.addHandler(handler) }
    }

    private static func connect(
        to address: String, _ prepare: @escaping @Sendable (any Channel) throws -> Void
    ) throws -> any Channel {
        let endpoint = try #require(Endpoint(address))
        return try ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try prepare(channel) } }
            .connect(host: endpoint.host, port: Int(endpoint.port)).wait()
    }
}

/// A server that answers what it is told to when a connection is made, reads everything, and says nothing more.
final class Socketry {
    private final class Answer: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let text: String
        init(_ text: String) { self.text = text }
        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
        }
    }

    private var listener: (any Channel)?

    func listen(answering text: String) throws -> String {
        let listener = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answer(text))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        self.listener = listener
        return "127.0.0.1:\(try #require(listener.localAddress?.port))"
    }

    func close() { listener?.close(promise: nil) }
}
