import HTTPTypes
import Hummingbird
import TupleSpace

extension TupleRoutes {
    func spaces(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(allowing: "after", "limit")
        let limit = try query["limit"].map { text throws(APIError) in
            guard let limit = Int(text) else { throw .malformed("'limit' is a number, not '\(text.prefix(64))'") }
            return limit
        }
        if let after = query["after"] { try SpaceName.validate(after) }
        let result = try await store.spaces(after: query["after"], limit: limit ?? Limits.pageTuples)
        let spaces = result.spaces.map { space in
            JSON.object([
                .init("name", .string(space.name)), .init("tuples", .int(Int64(clamping: space.tuples))),
                .init("policy", .bool(space.hasPolicy)),
            ])
        }
        return respond(
            .object([.init("spaces", .array(spaces)), .init("more", .bool(result.more))]), position: result.position)
    }

    /// - space: nil means all that have none of their own.
    func policy(of space: String?, _ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let result = try await store.policy(of: space)
        guard let policy = result.policy else {
            throw APIError(
                .notFound, "no-match", "there is no such policy",
                headers: [.starlingPosition: result.position.description])
        }
        return respond(PolicyJSON.json(policy), position: result.position)
    }

    func setPolicy(of space: String?, _ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let body = try JSONParser.parse(try await jsonBody(exchange))
        let policy: Policy
        do {
            policy = try PolicyJSON.policy(body)
        } catch {
            throw APIError(error, code: "malformed")
        }
        return respond(PolicyJSON.json(policy), position: try await store.setPolicy(policy, of: space))
    }

    func removePolicy(of space: String?, _ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        return respond(.object([]), position: try await store.setPolicy(nil, of: space))
    }
}
