import Certificates
import Foundation
import Glibc
import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509
import ZeroMQ

/// This server's certificate, its key and the authorities that it trusts, read anew whenever the files change: connections that
/// are made from then on use the new ones.
final class PeerCertificates: Sendable {
    private struct InForce {
        var server: NIOSSLContext
        var client: NIOSSLContext
        var authorities: [Certificate]
        var expires: Date
        var stamp: CertificateFiles.Stamp
        /// Of files that were found unusable.
        var refusedStamp: CertificateFiles.Stamp?
        var warnedAt: Date?
    }

    /// So long before it expires there is a warning, once a day.
    private static let warningDays = 14.0

    private let files: CertificateFiles
    private let member: CurvePublicKey
    private let tell: @Sendable (LogLevel, String) -> Void
    private let inForce: Mutex<InForce>
    private let verifying = Verifying()

    /// Reads the files.
    init(
        _ files: CertificateFiles, member: CurvePublicKey, tell: @escaping @Sendable (LogLevel, String) -> Void
    ) throws(CertificateProblem) {
        self.files = files
        self.member = member
        self.tell = tell
        inForce = Mutex(try Self.load(files, member))
        warn(Date())
    }

    /// In seconds since 1970.
    var expires: UInt64 { UInt64(max(0, inForce.withLock { $0.expires }.timeIntervalSince1970)) }

    private static func load(_ files: CertificateFiles, _ member: CurvePublicKey) throws(CertificateProblem) -> InForce
    {
        // Before they are read: what is written meanwhile is seen the next time.
        let stamp = files.stamp
        let loaded = try files.load(for: member)
        do {
            let chain = try NIOSSLCertificate.fromPEMBytes(Array(try loaded.own.certificateText().utf8))
            let key = try NIOSSLPrivateKey(bytes: Array(try loaded.own.keyText().utf8), format: .pem)
            let authorities = try loaded.authorities.map {
                try NIOSSLCertificate(bytes: try $0.encoded(), format: .der)
            }
            var server = TLSConfiguration.makeServerConfigurationWithMTLS(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key),
                trustRoots: .certificates(authorities))
            server.minimumTLSVersion = .tlsv13
            var client = TLSConfiguration.makeClientConfiguration()
            client.certificateChain = chain.map { .certificate($0) }
            client.privateKey = .privateKey(key)
            client.trustRoots = .certificates(authorities)
            client.minimumTLSVersion = .tlsv13
            // A member is known by its key, wherever it is.
            client.certificateVerification = .noHostnameVerification
            return InForce(
                server: try NIOSSLContext(configuration: server), client: try NIOSSLContext(configuration: client),
                authorities: loaded.authorities, expires: loaded.expires, stamp: stamp)
        } catch let error as CertificateProblem {
            throw error
        } catch {
            throw CertificateProblem(files.certificate, "cannot be used for TLS: \(error)")
        }
    }

    // MARK: Reloading

    /// To be called now and then: reads the files if they have changed, and warns of a certificate that expires soon.
    func renew(now: Date = Date()) {
        let stamp = files.stamp
        let isNew = inForce.withLock { $0.stamp != stamp && $0.refusedStamp != stamp }
        if isNew { reload(stamp) }
        warn(now)
    }

    private func reload(_ stamp: CertificateFiles.Stamp) {
        do throws(CertificateProblem) {
            let new = try Self.load(files, member)
            inForce.withLock { $0 = new }
            tell(
                .info, "the certificate \(files.certificate) was read anew; it is valid until \(new.expires.dayAndTime)"
            )
        } catch {
            // Perhaps only one of the files has been replaced so far.
            inForce.withLock { $0.refusedStamp = stamp }
            tell(.warning, "changed certificates are not used, and the former ones still are: \(error)")
        }
    }

    private func warn(_ now: Date) {
        let expires: Date? = inForce.withLock { state in
            guard state.expires.timeIntervalSince(now) < Self.warningDays * 86_400,
                state.warnedAt.map({ now.timeIntervalSince($0) >= 86_400 }) ?? true
            else { return nil }
            state.warnedAt = now
            return state.expires
        }
        guard let expires else { return }
        let verb = expires < now ? "expired" : "expires"
        tell(
            .warning,
            "this server's certificate \(files.certificate) \(verb) on \(expires.dayAndTime): `starling cert node` makes a new one, which is used without a restart"
        )
    }

    // MARK: Connections

    /// Lets nobody in any more, and blocks until nothing is being verified. Not on an event loop.
    func close() { verifying.finish() }

    /// For a connection that this server makes to one of the given keys.
    func clientHandler(
        expecting keys: [CurvePublicKey], onRefusal: @escaping @Sendable (String) -> Void
    ) throws -> NIOSSLClientHandler {
        let (context, authorities) = inForce.withLock { ($0.client, $0.authorities) }
        return try NIOSSLClientHandler(context: context, serverHostname: nil) { [verifying] chain, promise in
            Self.verify(chain, authorities, verifying, promise, onRefusal) { member in
                guard keys.contains(member) else { return "another server is there: its key is \(member)" }
                return nil
            }
        }
    }

    /// For a connection that somebody makes to this server.
    /// - Parameter onVerified: told the member's key before anything is read.
    func serverHandler(
        onVerified: @escaping @Sendable (CurvePublicKey) -> Void, onRefusal: @escaping @Sendable (String) -> Void
    ) -> NIOSSLServerHandler {
        let (context, authorities) = inForce.withLock { ($0.server, $0.authorities) }
        return NIOSSLServerHandler(context: context) { [verifying] chain, promise in
            Self.verify(chain, authorities, verifying, promise, onRefusal) { member in
                onVerified(member)
                return nil
            }
        }
    }

    /// - Parameter judge: says why the member of this key is not wanted; nil if it is.
    private static func verify(
        _ chain: [NIOSSLCertificate], _ authorities: [Certificate], _ verifying: Verifying,
        _ promise: EventLoopPromise<NIOSSLVerificationResult>, _ onRefusal: @escaping @Sendable (String) -> Void,
        _ judge: @escaping @Sendable (CurvePublicKey) -> String?
    ) {
        guard verifying.begin() else { return promise.succeed(.failed) }
        // On the connection's own thread: whatever else the process is doing, nobody waits for it at the door.
        Task(executorPreference: LoopExecutor(loop: promise.futureResult.eventLoop)) {
            defer { verifying.end() }
            do {
                let chain = try chain.map { try Certificate(derEncoded: try $0.toDERBytes()) }
                let member = try await CertificateCheck.member(of: chain, authorities: authorities)
                if let objection = judge(member) {
                    onRefusal(objection)
                    promise.succeed(.failed)
                } else {
                    promise.succeed(.certificateVerified)
                }
            } catch {
                onRefusal("\(error)")
                promise.succeed(.failed)
            }
        }
    }
}

/// Counts what is being verified, so that no event loop ends beneath it.
private final class Verifying: Sendable {
    private let state = Mutex((count: 0, isOver: false))

    /// - Returns: false when there is to be no more.
    func begin() -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            state.count += 1
            return true
        }
    }

    func end() { state.withLock { $0.count -= 1 } }

    /// Blocks until nothing is being verified, and for ever after nothing is. Not on an event loop.
    func finish() {
        state.withLock { $0.isOver = true }
        while state.withLock({ $0.count > 0 }) { usleep(100) }
    }
}

/// Runs tasks on an event loop.
private final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
