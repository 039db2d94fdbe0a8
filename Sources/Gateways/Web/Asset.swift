import Crypto
import HTTPTypes
import Hummingbird

/// A file that every page refers to. Its address carries its digest, so browsers keep it for good and still get a new
/// one at once.
struct Asset: Sendable {
    let name: String
    let mediaType: String
    let bytes: [UInt8]
    let digest: String

    init(_ name: String, _ mediaType: String, _ bytes: [UInt8]) {
        self.name = name
        self.mediaType = mediaType
        self.bytes = bytes
        digest = SHA256.hash(data: bytes).prefix(8).map { byte in
            let hex = String(byte, radix: 16)
            return hex.count == 1 ? "0" + hex : hex
        }.joined()
    }

    var url: String { "/assets/\(name)?v=\(digest)" }

    static let stylesheet = Asset("starling.css", "text/css; charset=utf-8", PackageResources.starling_css)
    static let script = Asset("starling.js", "text/javascript; charset=utf-8", PackageResources.starling_js)
    static let bird = Asset("starling.svg", "image/svg+xml", PackageResources.starling_svg)
    static let all = [stylesheet, script, bird]

    /// The bird within a page, where the stylesheet colours it.
    static let inlineBird = String(decoding: bird.bytes, as: UTF8.self)
        .replacing("<svg ", with: "<svg aria-hidden=\"true\" focusable=\"false\" ", maxReplacements: 1)

    func response(to exchange: Exchange) throws -> Response {
        let version = try exchange.query(allowing: "v")["v"]
        let tag = "\"\(digest)\""
        let headers: HTTPFields = [
            .contentType: mediaType, .eTag: tag,
            .cacheControl: version == digest ? "public, max-age=31536000, immutable" : "no-cache",
        ]
        let known = exchange.request.headers[.ifNoneMatch] ?? ""
        if known == "*" || known.split(separator: ",").contains(where: { $0.contains(tag) }) {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
