import Certificates
import Foundation
import NIOCore
import NIOPosix
import Raft
import Testing
import ZeroMQ

@testable import Cluster

/// Real connections over the loopback interface, with certificates of one authority in files.
final class HTTPWorld: TransportWorld {
    let isSecure: Bool
    let patience = 10_000
    let authority: CertificateAuthority
    let directory: String
    private var running: [HTTPPeerTransport] = []
    /// For `inject`.
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let origin = ContinuousClock.now

    init(isSecure: Bool) throws {
        self.isSecure = isSecure
        authority = try CertificateAuthority(named: "test", days: 1)
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("starling-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        for transport in running { transport.close() }
        try? group.syncShutdownGracefully()
        try? FileManager.default.removeItem(atPath: directory)
    }

    var now: MonotonicTime {
        let (seconds, attoseconds) = (ContinuousClock.now - origin).components
        return MonotonicTime(nanoseconds: UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000) + 1)
    }

    func files(for keys: CurveKeyPair) throws -> CertificateFiles {
        let name = keys.publicKey.bytes.prefix(8).map { String($0, radix: 16) }.joined()
        let files = CertificateFiles(inDirectory: directory, ofServer: name)
        if !FileManager.default.fileExists(atPath: files.certificate) {
            try authority.issue(for: keys.publicKey, named: name, hosts: ["localhost", "127.0.0.1"], days: 1)
                .write(to: files, authority: authority)
        }
        return files
    }

    private func security(_ keys: CurveKeyPair) throws -> HTTPPeerSecurity {
        isSecure ? .tls(try files(for: keys), member: keys.publicKey) : .none
    }

    func makeTransport(
        _ identity: Identity, at address: String?, limits: TransportLimits
    ) throws -> (transport: any PeerTransport, address: String) {
        let carrier = try HTTPPeerCarrier(
            bindAddress: address ?? "127.0.0.1:0", security: try security(identity.keys), limits: limits,
            tell: { _, _ in })
        let transport = HTTPPeerTransport(
            node: identity.id, cluster: identity.cluster, carrier: carrier, limits: limits, log: { _ in })
        running.append(transport)
        return (transport, transport.boundAddress)
    }

    func stop(_ transport: any PeerTransport) throws {
        transport.close()
        running.removeAll { $0 === transport }
    }

    func inject(_ frames: [[UInt8]], with keys: CurveKeyPair, to station: Station) throws {
        // A stream has no frames that are not whole, but for those whose length is beyond the limit.
        let frame = frames.count == 1 ? frames[0] : []
        var bytes = ByteBuffer()
        bytes.writeInteger(frame.isEmpty ? UInt32.max : UInt32(frame.count), endianness: .little)
        bytes.writeBytes(frame)
        let request = "POST /v1/peers/main HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        let size = String(bytes.readableBytes, radix: 16)
        _ = try send(
            ByteBuffer(string: request + size + "\r\n"), bytes, ByteBuffer(string: "\r\n"),
            with: keys, to: station)
    }

    /// Opens a connection that is authenticated with the given keys, if the world is secure, and sends bytes as they are.
    func send(
        _ parts: ByteBuffer..., with keys: CurveKeyPair, to station: Station,
        handler: (any ChannelHandler & Sendable)? = nil
    ) throws -> any Channel {
        let endpoint = try #require(Endpoint(station.address))
        let server = station.identity.keys.publicKey
        var certificates: PeerCertificates?
        if isSecure {
            certificates = try PeerCertificates(try files(for: keys), member: keys.publicKey, tell: { _, _ in })
        }
        let channel = try ClientBootstrap(group: group)
            .channelInitializer { [certificates] channel in
                channel.eventLoop.makeCompletedFuture {
                    if let certificates {
                        try channel.pipeline.syncOperations.addHandler(
                            try certificates.clientHandler(expecting: [server], onRefusal: { _ in }))
                    }
                    if let handler { try channel.pipeline.syncOperations.addHandler(handler) }
                }
            }
            .connect(host: endpoint.host, port: Int(endpoint.port)).wait()
        for part in parts { channel.write(part, promise: nil) }
        channel.flush()
        return channel
    }

    func pass() throws { try Poller().wait(milliseconds: 1) }
}
