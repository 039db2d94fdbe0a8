import Crypto
import HTTPTypes
import Hummingbird
import TupleSpace

extension Exchange {
    /// Who asks, by the token that they show (RFC 6750).
    func credential() throws(APIError) -> Credential {
        let fields = request.headers[values: .authorization]
        guard let field = fields.first else { return .anonymous }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard fields.count == 1, parts.count == 2, parts[0].lowercased() == "bearer",
            let digest = TokenDigest(sha256: SHA256.hash(data: Array(parts[1].utf8)))
        else {
            throw .unauthorized("malformed", "the Authorization header is 'Bearer' and a token")
        }
        return .token(digest)
    }
}

extension APIError {
    static func unauthorized(_ code: String, _ message: String) -> APIError {
        APIError(.unauthorized, code, message, headers: [.wwwAuthenticate: "Bearer"])
    }
}
