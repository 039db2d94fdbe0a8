import HTTPTypes
import Hummingbird

/// The cluster page and the pages that tell of errors.
extension WebPages {
    func clusterPage(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        return page(ClusterPageView(await cluster.snapshot(), now: WallClock.now()), template: "cluster")
    }

    func errorPage(_ error: APIError) async -> Response {
        let status = await cluster.snapshot()
        let (heading, paragraphs) = Self.words(error, status: status)
        let view = ErrorView(
            frame: Frame(title: heading, path: "/", status: status), status: error.status.code, heading: heading,
            paragraphs: paragraphs)
        return page(view, template: "error", status: error.status)
    }

    private static func words(_ error: APIError, status: ClusterStatus) -> (String, [String]) {
        switch error.status {
        case .notFound:
            return ("There is nothing here", ["Perhaps the address has a slip of the pen, or what was here has moved."])
        case .serviceUnavailable where status.leader == nil || error.code == "no-leader":
            let reachable = status.members.filter(\.isReachable).count
            let needed = status.members.count / 2 + 1
            return (
                "A majority of the servers is missing",
                [
                    "This server reaches \(reachable) of \(status.members.count) servers; it takes \(needed) to agree on anything.",
                    "Nothing that was posted is lost. Start the missing servers, or wait for the network, and try again.",
                ]
            )
        case .serviceUnavailable:
            return ("Too much at once", [sentence(error.message), "Please try again in a moment."])
        case .gatewayTimeout:
            return ("No answer in time", [sentence(error.message)])
        case .internalServerError:
            return ("Something went wrong here", [sentence(error.message)])
        default:
            return ("That did not work", [sentence(error.message)])
        }
    }
}

struct ErrorView: Sendable {
    var frame: Frame
    var status: Int
    var heading: String
    var paragraphs: [String]
}
