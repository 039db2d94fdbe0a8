import Crypto
import HTTPTypes
import Hummingbird
import Microblog
import TupleSpace

/// The post form: a redirect back when the post is made, else the form again with everything that was typed.
extension WebPages {
    private struct Entered {
        var key: String
        var back: String
        var user: String
        var topic: String
        var message: String
    }

    func post(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        try OriginCheck.check(exchange.request)
        guard exchange.mediaType == "application/x-www-form-urlencoded" else {
            throw APIError(.unsupportedMediaType, "unsupported-media-type", "a form must be sent URL-encoded")
        }
        let body = try await exchange.body(upTo: GatewayLimits.formBytes)
        guard let text = String(validating: body, as: UTF8.self), let pairs = PercentCoding.pairs(text) else {
            throw APIError.malformed("the form is not URL-encoded UTF-8")
        }
        let entered = Self.entered(pairs)
        let problems = PostRules.problems(user: entered.user, topic: entered.topic, message: entered.message)
        guard problems.isEmpty else { return await refused(entered, problems) }
        do throws(Failure) {
            let post = Post.tuple(user: entered.user, topic: entered.topic, message: entered.message)
            let result = try await store.write(post, to: Blog.space, key: Self.idempotencyKey(entered))
            positions.advance(to: result.position)
        } catch {
            return await failed(entered, error)
        }
        return Response(status: .seeOther, headers: [.location: Self.destination(entered), .cacheControl: "no-store"])
    }

    private static func entered(_ pairs: [(name: String, value: String)]) -> Entered {
        func value(_ name: String) -> String { pairs.first { $0.name == name }?.value ?? "" }
        return Entered(
            key: value("key"), back: value("back"), user: trimmed(value("user")), topic: trimmed(value("topic")),
            // Browsers send the line ends of old terminals; people see and count one character.
            message: value("message").replacing("\r\n", with: "\n"))
    }

    private static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    private static func idempotencyKey(_ entered: Entered) -> IdempotencyKey? {
        guard (8...64).contains(entered.key.utf8.count), entered.key.allSatisfy(\.isHexDigit) else { return nil }
        var hash = SHA256()
        // Lengths first, so that no two forms are one text.
        for field in [entered.user, entered.topic, entered.message] {
            hash.update(data: Array("\(field.utf8.count):\(field)".utf8))
        }
        return IdempotencyKey(key: "web-\(entered.key)", digest: Array(hash.finalize()))
    }

    /// Back to a page of ours on which the post shows.
    private static func destination(_ entered: Entered) -> String {
        guard entered.back.hasPrefix("/topics/") else { return "/" }
        return PostView.url("topics", entered.topic) ?? "/"
    }

    // MARK: The form again

    private func refused(_ entered: Entered, _ problems: [PostProblem]) async -> Response {
        var form = form(entered, key: entered.key)
        form.problemsTitle = problems.count == 1 ? "One thing is not right yet:" : "Some things are not right yet:"
        form.problems = problems.map { Self.sentence($0.description) }
        form.userProblem = problems.contains { $0.field == .user }
        form.topicProblem = problems.contains { $0.field == .topic }
        form.messageProblem = problems.contains { $0.field == .message }
        return await page(form, heading: "Not posted yet", status: .unprocessableContent)
    }

    private func failed(_ entered: Entered, _ failure: Failure) async -> Response {
        var form = form(entered, key: entered.key)
        let error = APIError(failure)
        switch failure.code {
        case .idempotencyMismatch:
            // The reader went back and changed what was posted: a post of its own, with a key of its own.
            form = self.form(entered, key: PostFormView(back: entered.back).key)
            form.problemsTitle = "This form was used before"
            form.problems = ["What you wrote then is posted. Press Post again to make this another post."]
        case .outcomeUnknown, .sessionExpired:
            form.problemsTitle = "It is not certain that this was posted"
            form.problems = ["Press Post again: it will not appear twice."]
        case .noLeader:
            form.problemsTitle = "Not posted: a majority of the servers is missing"
            form.problems = [
                "A post is kept only when more than half of the servers have it. Your text is still here.",
                "Wait until enough servers are back, or try another server of the cluster, and press Post again.",
            ]
        default:
            form.problemsTitle = "Not posted"
            form.problems = [Self.sentence(failure.message), "Your text is still here. Press Post to try again."]
        }
        var response = await page(form, heading: "Not posted yet", status: error.status)
        for field in error.headers { response.headers[field.name] = field.value }
        return response
    }

    private func form(_ entered: Entered, key: String) -> PostFormView {
        var form = PostFormView(back: entered.back.hasPrefix("/topics/") ? entered.back : "/")
        form.key = key.isEmpty ? form.key : key
        form.user = entered.user
        form.topic = entered.topic
        form.message = entered.message
        return form
    }

    private func page(_ form: PostFormView, heading: String, status: HTTPResponse.Status) async -> Response {
        var form = form
        form.hasProblems = true
        let frame = Frame(title: heading, path: "/", status: await cluster.snapshot())
        return page(ComposeView(frame: frame, heading: heading, form: form), template: "compose", status: status)
    }

    static func sentence(_ text: String) -> String {
        let end = text.last.map { ".!?".contains($0) } == true ? "" : "."
        return text.prefix(1).uppercased() + text.dropFirst() + end
    }
}

struct ComposeView: Sendable {
    var frame: Frame
    var heading: String
    var form: PostFormView
}

/// Whether a form was sent from a page of ours. Browsers say where a form comes from; programs need not.
enum OriginCheck {
    static func check(_ request: Request) throws(APIError) {
        let refusal = APIError(
            .forbidden, "foreign-origin", "this form was sent from another site, so it was not taken")
        if let origin = request.headers[.origin] {
            guard let host = request.head.authority, origin == "http://\(host)" || origin == "https://\(host)" else {
                throw refusal
            }
        } else if let site = request.headers[.secFetchSite] {
            guard site == "same-origin" || site == "none" else { throw refusal }
        }
    }
}
