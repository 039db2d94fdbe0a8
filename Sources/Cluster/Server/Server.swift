import Certificates
import ClientProtocol
import Glibc
import NIOCore
import Raft
import Replica
import TupleSpace
import WriteAheadLog
import ZeroMQ

/// What a server is started with.
public struct ServerConfiguration: Sendable {
    public var dataDirectory: String
    public var plan: ServerPlan
    /// Where to listen; by default what the plan says.
    public var peerAddress: String
    public var clientAddress: String
    /// On the peers' and the clients' doors. Off only for tests and to measure what it costs.
    public var isEncrypted = true
    /// What carries the messages between servers; the same at all of them.
    public var transport = PeerTransportKind.zeroMQ
    /// A new server of a cluster that runs: it begins without a configuration, and waits until the cluster, where it has to be added by the
    /// id of its data directory, tells it one. Only the first start asks.
    public var joins = false
    /// Members to listen and talk to until this server is a member and knows a leader: those that a server which joins begins with, or whose
    /// keys or addresses changed while it was away. Until then they have precedence over the configuration.
    public var memberFile: [Member] = []
    public var settings = ReplicaSettings()
    public var log = LogOptions()

    public init(dataDirectory: String, plan: ServerPlan) {
        self.dataDirectory = dataDirectory
        self.plan = plan
        peerAddress = plan.own.peerAddress
        clientAddress = plan.own.clientAddress
    }
}

/// What carries the messages between servers.
public enum PeerTransportKind: Sendable {
    case zeroMQ
    /// With certificates, unless there is no encryption.
    case http(CertificateFiles)
}

/// How much a line that a server says matters.
public enum LogLevel: Sendable {
    case info
    /// Somebody should look.
    case warning
}

/// Why a server did not start: a sentence for a person, saying what to do.
public struct StartFailure: Error, Sendable, CustomStringConvertible {
    public var description: String
    /// It was removed from its cluster: it will never start again.
    public var isRemoved = false

    public init(_ description: String) { self.description = description }
}

/// One server of a cluster in this process: its threads, its doors for peers and native clients, and the tuplespace for its own gateways.
public final class Server: Sendable {
    public let node: NodeID
    public let cluster: ClusterID
    public let name: String
    public let plan: ServerPlan
    /// The tuplespace, for gateways in this process.
    public let store: LocalTupleStore
    /// `host:port` as bound.
    public let clientAddress: String
    public let peerAddress: String

    private let board: StatusBoard
    let inbox: Inbox
    let door: LocalDoor
    private let storage: StorageThread<PosixFileSystem>
    private let snapshots: SnapshotThread<PosixFileSystem>
    private let directory: LogDirectory<PosixFileSystem>
    private let authenticator: ZAPAuthenticator?
    private let context: Context
    private let ended = WorkQueue<Void>()

    /// Opens the data directory, agrees with the others on the first configuration if there is none, recovers the state and starts.
    /// Blocks until then: call it from a thread that may wait.
    /// - Parameters:
    ///   - statusJSON: renders the status for native clients.
    ///   - log: told what an operator may want to read. From any thread.
    ///   - onRemoved: the server is no longer a member, since this log index if it has that, and should be stopped for good. From any
    ///     thread, once.
    ///   - onFailure: the server cannot go on and the process must end, for this reason. From any thread, perhaps more than once.
    public init(
        _ configuration: ServerConfiguration, statusJSON: @escaping @Sendable (ServerStatus) -> String,
        log tell: @escaping @Sendable (LogLevel, String) -> Void,
        onRemoved: @escaping @Sendable (LogIndex?) -> Void = { _ in },
        onFailure: @escaping @Sendable (String) -> Void
    ) throws(StartFailure) {
        let log: @Sendable (String) -> Void = { tell(.info, $0) }
        let warn: @Sendable (String) -> Void = { tell(.warning, $0) }
        plan = configuration.plan
        cluster = plan.cluster
        name = plan.name
        var directory = try Self.openDirectory(configuration)
        if let removal = directory.removal {
            var failure = StartFailure(
                "this server was \(removal): its data directory \(configuration.dataDirectory) may be"
                    + " deleted if the cluster is well. To have it back, add it as a new member, with a new directory.")
            failure.isRemoved = true
            throw failure
        }
        node = directory.node
        do throws(ZeroMQError) {
            context = try Context()
            authenticator = configuration.isEncrypted ? try ZAPAuthenticator(context: context) : nil
            inbox = try Inbox()
        } catch {
            throw StartFailure("ZeroMQ cannot be used: \(error)")
        }
        let transport = try Self.listen(configuration, node: node, context, authenticator, tell)
        let others = configuration.plan.servers.filter { $0.name != configuration.plan.name }
        transport.update(plannedPeers: others.map(\.peer))
        peerAddress = transport.boundAddress
        if !directory.hasConfiguration {
            if configuration.joins {
                try Self.beginWithoutConfiguration(&directory, log)
            } else {
                try FirstStartShell(plan, node, transport, log).run(&directory)
            }
        }
        self.directory = directory

        let meters = Meters()
        let recovery = try Recovery(directory, options: configuration.log, log)
        let supported = configuration.settings.raft.supportedFeatureLevel
        if let reason = recovery.recovered.reasonNotToStart(supportedFeatureLevel: supported) {
            throw StartFailure(reason)
        }
        var status = ServerStatus(node: node, cluster: cluster, name: name, version: configuration.settings.version)
        status.operators = plan.operators
        board = StatusBoard(status, meters: meters)
        door = LocalDoor(inbox: inbox)
        store = LocalTupleStore(door: door)
        storage = StorageThread(log: recovery.log, inbox: inbox, meters: meters, onNotice: warn, onFailure: onFailure)
        snapshots = SnapshotThread(
            store: recovery.snapshots, inbox: inbox, meters: meters, onNotice: warn)

        let endpoint: ClientEndpoint
        do throws(ZeroMQError) {
            endpoint = try ClientEndpoint(
                bindAddress: configuration.clientAddress, keys: configuration.isEncrypted ? plan.keys : nil,
                operators: plan.operators, context: context, authenticator: authenticator)
        } catch {
            throw Self.cannotListen("clients", configuration.clientAddress, error)
        }
        clientAddress = endpoint.boundAddress
        // One that joined was never asked, and can vouch for nobody.
        let responder = directory.firstConfiguration.flatMap { $0.members.isEmpty ? nil : $0 }.map {
            FirstStartResponder(plan: plan, node: node, configuration: $0)
        }
        var replica = Replica(
            id: node, cluster: cluster, recovered: recovery.recovered, machine: recovery.machine,
            settings: configuration.settings, now: .current, seed: .random(in: 1 ... .max))
        replica.newestSnapshotBytes = recovery.snapshotBytes
        try start(
            replica, transport, endpoint, responder, recovery,
            memberFile: configuration.memberFile,
            Listeners(
                statusJSON: statusJSON, log: tell,
                onRemoved: { [directory] index in
                    do throws(LogDirectoryError) {
                        try directory.noteRemoval(at: index)
                    } catch {
                        warn("that this server was removed could not be noted: \(error)")
                    }
                    onRemoved(index)
                }, onFailure: onFailure))
    }

    /// Who is told what, from any thread.
    private struct Listeners: Sendable {
        var statusJSON: @Sendable (ServerStatus) -> String
        var log: @Sendable (LogLevel, String) -> Void
        var onRemoved: @Sendable (LogIndex?) -> Void
        var onFailure: @Sendable (String) -> Void
    }

    private func start(
        _ replica: Replica, _ transport: any PeerTransport, _ endpoint: ClientEndpoint,
        _ responder: FirstStartResponder?,
        _ recovery: Recovery, memberFile: [Member], _ listeners: Listeners
    ) throws(StartFailure) {
        let board = self.board
        let log = listeners.log
        let welcome = Welcome(
            cluster: cluster.rawValue, server: node.rawValue, leader: 0, incarnation: .random(in: 1 ... .max),
            servers: [])
        // `sending` cannot see that nothing here keeps the two socket owners: they are used by the new thread only.
        nonisolated(unsafe) let sockets = (transport, endpoint)
        let isRepairing = !recovery.recovered.mayVote
        do throws(ZeroMQError) {
            try storage.start()
            try snapshots.start()
            try startThread(named: "replica") { [inbox, door, storage, snapshots, ended] in
                ReplicaThread(
                    replica: replica, transport: sockets.0, responder: responder, endpoint: sockets.1, door: door,
                    memberFile: memberFile, inbox: inbox,
                    storage: storage, snapshots: snapshots, board: board, welcome: welcome,
                    statusJSON: { listeners.statusJSON(board.current) }, isRepairing: isRepairing,
                    onNotice: { notice in
                        board.note(notice)
                        log(notice.level, notice.text { id in board.current.name(of: id) ?? "\(id)" })
                    }, onRemoved: listeners.onRemoved, onFailure: listeners.onFailure
                ).run()
                sockets.0.close()
                ended.close()
            }
        } catch {
            throw StartFailure("cannot start the server's threads: \(error)")
        }
    }

    /// Ends this server cleanly: leadership goes to another, what its gateways hold goes back, what is in memory is written, and the data
    /// directory is free again. Blocks, for at most about a second and a half and what the disk takes. Again: nothing.
    /// - Parameter handsOver: false stops at once, as far as the others can see: they have to find out.
    public func stop(handsOver: Bool = true) {
        inbox.post(.stop(handsOver: handsOver))
        ended.waitUntilClosed()
        storage.stop()
        snapshots.stop()
        authenticator?.stop()
        directory.close()
    }

    public var status: ServerStatus { board.current }

    /// Goes through the replica thread and back.
    /// - Returns: how long that took in nanoseconds; nil if it did not come back within the time.
    public func probe(withinMilliseconds milliseconds: UInt64 = 2_000) async -> UInt64? {
        let began = MonotonicTime.current
        let answers = AsyncStream<Void> { continuation in
            inbox.post(
                .run { _ in
                    continuation.yield(); continuation.finish()
                })
        }
        let isAlive = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in answers { return true }
                return false
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(milliseconds))
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
        return isAlive ? MonotonicTime.current.since(began) : nil
    }

    /// Takes a snapshot now, beside the ones taken by policy.
    public func takeSnapshot() {
        inbox.post(.takeSnapshot)
    }

    // MARK: - Starting

    private static func beginWithoutConfiguration(
        _ directory: inout OwnedDirectory, _ log: (String) -> Void
    ) throws(StartFailure) {
        do throws(LogDirectoryError) {
            try directory.adopt(firstConfiguration: Configuration(members: []))
        } catch {
            throw StartFailure(error.description)
        }
        log("this server, \(directory.node), waits to be added to the cluster")
    }

    private static func openDirectory(_ configuration: ServerConfiguration) throws(StartFailure) -> OwnedDirectory {
        let plan = configuration.plan
        do throws(LogDirectoryError) {
            var directory = try LogDirectory.open(
                configuration.dataDirectory, files: PosixFileSystem(), cluster: plan.cluster,
                holder: "pid \(getpid()), server \(plan.name)")
            try directory.initialise(
                clusterID: plan.cluster, nodeID: directory.identity?.node ?? NodeID(.random(in: 1 ... .max)),
                name: plan.name)
            return directory
        } catch {
            throw StartFailure(error.description)
        }
    }

    private static func listen(
        _ configuration: ServerConfiguration, node: NodeID, _ context: Context, _ authenticator: ZAPAuthenticator?,
        _ tell: @escaping @Sendable (LogLevel, String) -> Void
    ) throws(StartFailure) -> any PeerTransport {
        let plan = configuration.plan
        let warn: (String) -> Void = { tell(.warning, $0) }
        switch configuration.transport {
        case .zeroMQ:
            do throws(ZeroMQError) {
                let carrier = try ZeroMQPeerCarrier(
                    bindAddress: configuration.peerAddress,
                    security: authenticator.map { .curve(plan.keys, $0) } ?? .none,
                    context: context)
                return DirectPeerTransport(node: node, cluster: plan.cluster, carrier: carrier, log: warn)
            } catch {
                throw cannotListen("peers", configuration.peerAddress, error)
            }
        case .http(let files):
            do {
                let carrier = try HTTPPeerCarrier(
                    bindAddress: configuration.peerAddress,
                    security: configuration.isEncrypted ? .tls(files, member: plan.keys.publicKey) : .none, tell: tell)
                return DirectPeerTransport(node: node, cluster: plan.cluster, carrier: carrier, log: warn)
            } catch let error as IOError {
                throw cannotListen(
                    "peers", configuration.peerAddress, ZeroMQError("listen", code: error.errnoCode))
            } catch {
                throw StartFailure("\(error)")
            }
        }
    }

    private static func cannotListen(_ whom: String, _ address: String, _ error: ZeroMQError) -> StartFailure {
        if error.isAddressInUse {
            return StartFailure(
                "cannot listen for \(whom) at \(address): the port is in use. Stop what uses it, or give this server another port."
            )
        }
        return StartFailure("cannot listen for \(whom) at \(address): \(error.text)")
    }
}

typealias OwnedDirectory = LogDirectory<PosixFileSystem>

extension LogDirectory {
    /// - Precondition: the directory is initialised.
    var node: NodeID {
        guard let identity else { preconditionFailure("the directory has been initialised") }
        return identity.node
    }
}
