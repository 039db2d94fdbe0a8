import Foundation
import Testing
import TupleSpace

@testable import Gateways

@Suite("The description of the HTTP API")
struct OpenAPITests {
    /// Streams and operations are told of in words.
    private static let undescribed = ["/v1/spaces/:space/events"]

    @Test("names every route under /v1, and no other")
    func routes() async throws {
        try await withServer { client in
            let reply = try await client.get("/openapi.json")
            #expect(reply.status == 200 && reply.headers["content-type"] == "application/json")
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(reply.body.utf8)) as? [String: Any])
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            for (path, operations) in paths {
                let address = path.replacing("{space}", with: "s").replacing("{id}", with: "1")
                // What is described is there, and takes nothing else.
                for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                    let reply = try await client.request(method, address)
                    let isThere = operations[method.lowercased()] != nil
                    #expect((reply.status != 405) == isThere, "\(method) \(path): \(reply.status)")
                }
            }
            let described = Set(
                paths.keys.map { $0.replacing("{space}", with: ":space").replacing("{id}", with: ":id") })
            var routes = Routes()
            TupleRoutes(
                store: InMemoryTupleStore(), cluster: FakeCluster(), openRequests: OpenRequests(),
                positions: LatestPosition(),
                heartbeat: .seconds(1)
            ).add(to: &routes)
            let known = Set(routes.patterns).subtracting(Self.undescribed)
            #expect(described == known)
        }
    }
}
