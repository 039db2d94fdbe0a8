import HTTPTypes
import Hummingbird
import Microblog
import Mustache
import TupleSpace

/// The web page: rendered here, complete without script.
struct WebPages: Sendable {
    let store: any TupleStore
    let cluster: any ClusterView
    let positions: LatestPosition
    let library: MustacheLibrary
    var blog: Blog { Blog(store: store) }

    /// - Throws: if a template does not parse, which no built program does.
    init(store: any TupleStore, cluster: any ClusterView, positions: LatestPosition) throws {
        self.store = store
        self.cluster = cluster
        self.positions = positions
        var library = MustacheLibrary()
        let templates = [
            ("layout", PackageResources.layout_mustache), ("timeline", PackageResources.timeline_mustache),
            ("post", PackageResources.post_mustache), ("postform", PackageResources.postform_mustache),
            ("compose", PackageResources.compose_mustache), ("error", PackageResources.error_mustache),
            ("cluster", PackageResources.cluster_mustache),
        ]
        for (name, bytes) in templates { try library.register(String(decoding: bytes, as: UTF8.self), named: name) }
        self.library = library
    }

    func add(to routes: inout Routes) {
        routes.on(.get, "/") { try await timeline(.everyone, $0) }
        routes.on(.get, "/topics/:topic") { try await timeline(.topic($0.parameter("topic")), $0) }
        routes.on(.get, "/users/:user") { try await timeline(.user($0.parameter("user")), $0) }
        routes.on(.post, "/posts") { try await post($0) }
        routes.on(.get, "/cluster") { try await clusterPage($0) }
        routes.on(.get, "/assets/:name") { exchange in
            guard let asset = Asset.all.first(where: { $0.name == exchange.parameter("name") }) else {
                throw APIError(.notFound, "not-found", "there is nothing at this address")
            }
            return try asset.response(to: exchange)
        }
        routes.on(.get, "/favicon.ico") { try Asset.bird.response(to: $0) }
    }

    func page(_ view: some Sendable, template: String, status: HTTPResponse.Status = .ok) -> Response {
        // The library has every template that a caller names; an empty page would be seen at once in any test.
        let html = library.render(view, withTemplate: template) ?? ""
        return Response(
            status: status,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-cache", .referrerPolicy: "same-origin",
                .contentSecurityPolicy:
                    "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(string: html)))
    }

    // MARK: Timelines

    private func timeline(_ timeline: Timeline, _ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(allowing: "before", "after")
        let cursor = try Self.cursor(query)
        let status = await cluster.snapshot()
        let (page, isStale) = try await readingAnyway(status) { (consistency) async throws(Failure) in
            try await blog.page(of: timeline, from: cursor, limit: GatewayLimits.postsPerPage, consistency: consistency)
        }
        positions.advance(to: page.position)
        let activity = try await blog.activity(inNewest: GatewayLimits.recentPosts)
        return self.page(
            view(timeline, cursor: cursor, page: page, activity: activity, status: status, isStale: isStale),
            template: "timeline")
    }

    private static func cursor(_ query: [String: String]) throws(APIError) -> TimelineCursor {
        switch (query["before"], query["after"]) {
        case (nil, nil): return .newest
        case (let text?, nil):
            guard let id = UInt64(text) else { throw .malformed("'before' is a post's id") }
            return .before(TupleID(id))
        case (nil, let text?):
            guard let id = UInt64(text) else { throw .malformed("'after' is a post's id") }
            return .after(TupleID(id))
        case (.some, .some): throw .malformed("either 'before' or 'after' can be given, not both")
        }
    }

    /// Reads the newest there is; without a majority what this server has, which is better than nothing.
    private func readingAnyway<T>(
        _ status: ClusterStatus, _ read: (Consistency) async throws(Failure) -> T
    ) async throws(Failure) -> (T, isStale: Bool) {
        if status.leader != nil {
            do throws(Failure) {
                return (try await read(.linearizable), false)
            } catch  where [.noLeader, .busy, .outcomeUnknown].contains(error.code) {}
        }
        return (try await read(.local), true)
    }

    private func view(
        _ timeline: Timeline, cursor: TimelineCursor, page: TimelinePage, activity: Activity, status: ClusterStatus,
        isStale: Bool
    ) -> TimelineView {
        let words = TimelineWords(timeline)
        var frame = Frame(
            title: words.title, path: words.path, status: status, banner: isStale ? Frame.staleBanner : nil)
        frame.isHome = timeline == .everyone
        let now = WallClock.now()
        let topics = activity.topics.compactMap { entry in
            Self.view(entry, kind: "topics", isCurrent: timeline == .topic(entry.name))
        }
        let users = activity.users.compactMap { entry in
            Self.view(entry, kind: "users", isCurrent: timeline == .user(entry.name))
        }
        return TimelineView(
            frame: frame, heading: words.heading, subheading: words.subheading, emptyText: words.emptyText,
            form: form(timeline, cursor: cursor, path: words.path, topics: topics),
            stream: cursor == .newest ? Self.stream(timeline, from: page.position) : nil, newestURL: words.path,
            posts: page.posts.map { PostView($0, now: now) },
            newerURL: page.hasNewer ? page.posts.first.map { "\(words.path)?after=\($0.id)" } ?? words.path : nil,
            olderURL: page.hasOlder ? page.posts.last.map { "\(words.path)?before=\($0.id)" } : nil,
            topics: Array(topics.prefix(14)), users: Array(users.prefix(10)))
    }

    private static func view(_ entry: Activity.Entry, kind: String, isCurrent: Bool) -> ActivityView? {
        PostView.url(kind, entry.name).map {
            ActivityView(name: String(entry.name.prefix(64)), url: $0, count: entry.posts, isCurrent: isCurrent)
        }
    }

    private func form(
        _ timeline: Timeline, cursor: TimelineCursor, path: String, topics: [ActivityView]
    ) -> PostFormView? {
        guard cursor == .newest else { return nil }
        var form = PostFormView(back: path)
        form.topicNames = topics.prefix(50).map(\.name)
        switch timeline {
        case .everyone: break
        case .topic(let topic): form.topic = topic
        case .user: return nil
        }
        return form
    }

    private static func stream(_ timeline: Timeline, from position: Position) -> String {
        let template = String(decoding: TemplateJSON.json(timeline.template).bytes, as: UTF8.self)
        return "/v1/spaces/\(Blog.space)/events?template=\(PercentCoding.encode(template))&from=\(position)"
    }
}

/// What a page says about which posts it shows.
private struct TimelineWords {
    var title: String
    var heading: String
    var subheading: String?
    var emptyText: String
    var path: String

    init(_ timeline: Timeline) {
        switch timeline {
        case .everyone:
            title = "Posts"
            heading = "Posts"
            emptyText = "Nobody has said anything yet. You could be the first."
            path = "/"
        case .topic(let topic):
            let name = String(topic.prefix(64))
            title = name
            heading = name
            subheading = "Everything posted in this topic"
            emptyText = "Nobody has said anything about this yet. You could be the first."
            path = PostView.url("topics", topic) ?? "/"
        case .user(let user):
            let name = String(user.prefix(64))
            title = name
            heading = name
            subheading = "Everything posted under this name"
            emptyText = "There are no posts under this name."
            path = PostView.url("users", user) ?? "/"
        }
    }
}
