import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import TupleSpace

public struct GatewayConfiguration: Sendable {
    /// Loopback unless the operator says otherwise.
    public var host: String
    /// 0 for any that is free.
    public var port: Int
    /// Between two signs of life on an event stream.
    public var heartbeat: Duration
    /// How long open requests may take to end once the server stops.
    public var stopTimeout: Duration

    public init(
        host: String = "127.0.0.1", port: Int = 7480, heartbeat: Duration = .seconds(GatewayLimits.heartbeatSeconds),
        stopTimeout: Duration = .seconds(5)
    ) {
        self.host = host
        self.port = port
        self.heartbeat = heartbeat
        self.stopTimeout = stopTimeout
    }
}

/// Why a gateway could not be opened.
public enum GatewayError: Error, Equatable, CustomStringConvertible {
    case portInUse(host: String, port: Int)
    case cannotBind(host: String, port: Int, reason: String)

    public var description: String {
        switch self {
        case .portInUse(let host, let port): "port \(port) of \(host) is in use by another program"
        case .cannotBind(let host, let port, let reason): "cannot listen on \(host):\(port): \(reason)"
        }
    }
}

/// All HTTP doors of one server: the tuplespace for programs, the web page, health and metrics.
public struct GatewayServer: Sendable {
    public let configuration: GatewayConfiguration
    private let responder: GatewayResponder
    private let openRequests: OpenRequests
    private let logger: Logger

    public init(
        store: any SharedTupleStore, cluster: any ClusterView, configuration: GatewayConfiguration = .init(),
        logger: Logger = Logger(label: "starling.http")
    ) throws {
        let openRequests = OpenRequests()
        let positions = LatestPosition()
        let metrics = HTTPMetrics()
        let pages = try WebPages(store: store, cluster: cluster, positions: positions)
        var routes = Routes()
        TupleRoutes(
            store: store, cluster: cluster, openRequests: openRequests, positions: positions,
            heartbeat: configuration.heartbeat
        ).add(to: &routes)
        OperationsRoutes(cluster: cluster, metrics: metrics, openRequests: openRequests).add(to: &routes)
        pages.add(to: &routes)
        self.configuration = configuration
        self.openRequests = openRequests
        self.logger = logger
        responder = GatewayResponder(
            routes: routes, metrics: metrics, positions: positions, logger: logger,
            errorPage: { await pages.errorPage($0) })
    }

    /// Serves until the task is cancelled, then lets requests in progress end and returns.
    /// - onReady: called once with the port on which it listens.
    /// - Throws: `GatewayError` if it cannot listen.
    public func run(onReady: @escaping @Sendable (_ port: Int) async -> Void = { _ in }) async throws {
        var configuration = ServiceGroupConfiguration(services: [application(onReady: onReady)], logger: quietLogger)
        configuration.maximumGracefulShutdownDuration = self.configuration.stopTimeout
        let group = ServiceGroup(configuration: configuration)
        let running = Task { try await group.run() }
        do {
            try await withTaskCancellationHandler {
                try await running.value
            } onCancel: {
                openRequests.stop()
                Task { await group.triggerGracefulShutdown() }
            }
        } catch let error as IOError {
            let (host, port) = (self.configuration.host, self.configuration.port)
            guard error.errnoCode == WallClock.addressInUse else {
                throw GatewayError.cannotBind(host: host, port: port, reason: error.description)
            }
            throw GatewayError.portInUse(host: host, port: port)
        }
    }

    /// Hummingbird's own notices about its start and stop are not for our users.
    private var quietLogger: Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }

    private func application(onReady: @escaping @Sendable (Int) async -> Void) -> some ApplicationProtocol {
        let channel = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionWatch()], idleTimeout: .seconds(Int64(GatewayLimits.idleSeconds)),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: GatewayLimits.headerFieldBytes, maxHeaderListSize: GatewayLimits.headerListBytes,
                maxHeaderFieldCount: GatewayLimits.headerFields))
        return Application(
            responder: responder, server: .http1(configuration: channel),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: "Starling",
                availableConnectionsDelegate: .maximum(GatewayLimits.connections, logger: quietLogger)),
            onServerRunning: { await onReady($0.localAddress?.port ?? 0) }, logger: quietLogger)
    }
}
