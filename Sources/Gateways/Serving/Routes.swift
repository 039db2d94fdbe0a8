import HTTPTypes
import Hummingbird

/// Which handler answers which method and path. A table, because it also has to say which methods a path would allow.
struct Routes: Sendable {
    typealias Handler = @Sendable (Exchange) async throws -> Response

    private struct Route: Sendable {
        var method: HTTPRequest.Method
        /// As it was written, for the metrics.
        var pattern: String
        /// A component `:name` takes any one component that is not empty.
        var components: [Substring]
        var handler: Handler
    }

    enum Match: Sendable {
        case found(pattern: String, parameters: [String: String], Handler)
        case methodNotAllowed(allowed: [HTTPRequest.Method])
        case notFound
        /// The path is not percent-encoded UTF-8.
        case malformed
    }

    private var routes: [Route] = []

    /// As they were written.
    var patterns: [String] { routes.map(\.pattern) }

    /// The pattern begins with `/`. HEAD comes with GET.
    mutating func on(_ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler) {
        routes.append(Route(method: method, pattern: pattern, components: Self.components(pattern), handler: handler))
    }

    /// One slash at the end makes no difference.
    private static func components(_ path: some StringProtocol) -> [Substring] {
        var components = Substring(path).split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if components.last?.isEmpty == true { components.removeLast() }
        return Array(components)
    }

    func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let components = Self.components(path)
        let sought = method == .head ? .get : method
        var allowed: [HTTPRequest.Method] = []
        for route in routes {
            guard Self.fits(route.components, components) else { continue }
            guard route.method == sought else {
                allowed.append(route.method)
                continue
            }
            guard let parameters = Self.parameters(route.components, components) else { return .malformed }
            return .found(pattern: route.pattern, parameters: parameters, route.handler)
        }
        if allowed.isEmpty { return .notFound }
        if allowed.contains(.get) { allowed.append(.head) }
        return .methodNotAllowed(allowed: allowed)
    }

    private static func fits(_ pattern: [Substring], _ path: [Substring]) -> Bool {
        pattern.count == path.count
            && zip(pattern, path).allSatisfy { $0.hasPrefix(":") ? !$1.isEmpty : $0 == $1 }
    }

    private static func parameters(_ pattern: [Substring], _ path: [Substring]) -> [String: String]? {
        var parameters: [String: String] = [:]
        for (name, component) in zip(pattern, path) where name.hasPrefix(":") {
            guard let decoded = PercentCoding.decode(component) else { return nil }
            parameters[String(name.dropFirst())] = decoded
        }
        return parameters
    }
}
