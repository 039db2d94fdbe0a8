import Synchronization

/// Counts what the HTTP server answers. The route is the pattern, never the path, and methods outside the known ones
/// are one: strangers cannot make new series.
final class HTTPMetrics: Sendable {
    private struct Key: Hashable {
        var method: String
        var route: String
        var status: Int
    }

    private struct Counts {
        var requests: [Key: UInt64] = [:]
        var durations: [String: MetricFamily.Histogram] = [:]
    }

    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    private static let knownMethods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    private let counts = Mutex(Counts())

    func record(method: String, route: String, status: Int, seconds: Double) {
        let key = Key(method: Self.knownMethods.contains(method) ? method : "other", route: route, status: status)
        counts.withLock {
            $0.requests[key, default: 0] += 1
            $0.durations[route, default: MetricFamily.Histogram(bounds: Self.bounds)].record(seconds)
        }
    }

    func families(openStreams: Int, waitingRequests: Int) -> [MetricFamily] {
        let counts = counts.withLock { $0 }
        let requests = counts.requests.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        return [
            MetricFamily(
                name: "starling_http_requests_total", help: "HTTP requests answered.", kind: .counter,
                series: requests.map { key, count in
                    .init(
                        labels: [
                            .init("method", key.method), .init("route", key.route), .init("status", String(key.status)),
                        ],
                        value: .number(Double(count)))
                }),
            MetricFamily(
                name: "starling_http_request_duration_seconds",
                help: "Time from a request's head to its response, waiting included.", kind: .histogram,
                series: counts.durations.sorted { $0.key < $1.key }.map { route, histogram in
                    .init(labels: [.init("route", route)], value: .histogram(histogram))
                }),
            .gauge("starling_http_streams", "Event streams open.", Double(openStreams)),
            .gauge("starling_http_waiting_requests", "Reads and takes that wait for a tuple.", Double(waitingRequests)),
        ]
    }
}
