import Hummingbird

/// Health and metrics, for orchestrators and Prometheus.
struct OperationsRoutes: Sendable {
    let cluster: any ClusterView
    let metrics: HTTPMetrics
    let openRequests: OpenRequests

    func add(to routes: inout Routes) {
        routes.on(.get, "/livez") { exchange in
            let isVerbose = try Self.isVerbose(exchange)
            return Self.response([await cluster.liveness()], isVerbose: isVerbose)
        }
        routes.on(.get, "/readyz") { exchange in
            let isVerbose = try Self.isVerbose(exchange)
            var checks = await cluster.readiness()
            checks.append(
                HealthCheck(
                    name: "not-stopping", isOK: !openRequests.isStopping,
                    detail: openRequests.isStopping ? "this server is stopping" : ""))
            return Self.response(checks, isVerbose: isVerbose)
        }
        routes.on(.get, "/health") { _ in
            let failed = (await cluster.readiness()).first { !$0.isOK }
            let json = JSON.object([
                .init("health", .string(failed == nil ? "true" : "false")),
                .init("reason", .string(failed.map { "\($0.name): \($0.detail)" } ?? "")),
            ])
            return .json(json, status: failed == nil ? .ok : .serviceUnavailable)
        }
        routes.on(.get, "/metrics") { _ in
            let counts = openRequests.counts
            let families =
                await cluster.metrics() + metrics.families(openStreams: counts.streams, waitingRequests: counts.waits)
            return .text(PrometheusText.render(families), type: PrometheusText.contentType)
        }
    }

    private static func isVerbose(_ exchange: Exchange) throws(APIError) -> Bool {
        switch try exchange.query(allowing: "verbose")["verbose"] {
        case nil, "false", "0": return false
        case "", "true", "1": return true
        case let other?: throw .malformed("verbose is true or false, not '\(other.prefix(64))'")
        }
    }

    /// `ok`, or which checks failed; with `verbose` each check on a line, as `[+]name ok` or `[-]name failed: why`.
    private static func response(_ checks: [HealthCheck], isVerbose: Bool) -> Response {
        let isOK = checks.allSatisfy(\.isOK)
        let shown = checks.filter { isVerbose || !$0.isOK }
        let lines = shown.map { check in
            let detail = check.detail.isEmpty ? "" : ": \(check.detail)"
            return check.isOK ? "[+]\(check.name) ok\(detail)\n" : "[-]\(check.name) failed\(detail)\n"
        }
        return .text(
            lines.joined() + (isOK ? "ok\n" : "not ok\n"), status: isOK ? .ok : .serviceUnavailable)
    }
}
