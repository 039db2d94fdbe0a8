import Microblog
import TupleSpace

/// A page of posts as its template sees it.
struct TimelineView: Sendable {
    var frame: Frame
    var heading: String
    var subheading: String?
    var emptyText: String
    var form: PostFormView?
    /// The address of the event stream that tells of newer posts; nil on older pages.
    var stream: String?
    var newestURL: String
    var posts: [PostView]
    var newerURL: String?
    var olderURL: String?
    var topics: [ActivityView]
    var users: [ActivityView]
    // Templates see stored properties only.
    let hasTopics: Bool
    let hasUsers: Bool
    let hasPager: Bool

    init(
        frame: Frame, heading: String, subheading: String?, emptyText: String, form: PostFormView?, stream: String?,
        newestURL: String, posts: [PostView], newerURL: String?, olderURL: String?, topics: [ActivityView],
        users: [ActivityView]
    ) {
        self.frame = frame
        self.heading = heading
        self.subheading = subheading
        self.emptyText = emptyText
        self.form = form
        self.stream = stream
        self.newestURL = newestURL
        self.posts = posts
        self.newerURL = newerURL
        self.olderURL = olderURL
        self.topics = topics
        self.users = users
        hasTopics = !topics.isEmpty
        hasUsers = !users.isEmpty
        hasPager = newerURL != nil || olderURL != nil
    }
}

struct ActivityView: Sendable {
    var name: String
    var url: String
    var count: Int
    var isCurrent: Bool
}

struct PostView: Sendable {
    var id: String
    var user: String
    /// Nil if the name cannot stand in an address, as raw tuples' may.
    var userURL: String?
    var topic: String
    var topicURL: String?
    var avatar: String
    var messageHTML: String
    var isVerbatim: Bool
    var isShortened: Bool
    var iso: String
    var readable: String
    var relative: String

    init(_ post: Post, now: UInt64) {
        let milliseconds = post.id.milliseconds
        let shown = post.message.prefix(GatewayLimits.shownCharacters)
        id = post.id.description
        user = String(post.user.prefix(64))
        userURL = Self.url("users", post.user)
        topic = String(post.topic.prefix(64))
        topicURL = Self.url("topics", post.topic)
        avatar = Avatar.svg(for: post.user)
        messageHTML = MessageHTML.render(String(shown))
        isVerbatim = MessageHTML.isVerbatim(String(shown))
        isShortened = shown.endIndex < post.message.endIndex
        iso = Timestamp.iso8601(milliseconds: milliseconds)
        readable = Timestamp.readable(milliseconds: milliseconds)
        relative = Timestamp.relative(milliseconds: milliseconds, now: now)
    }

    static func url(_ kind: String, _ name: String) -> String? {
        guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= 1_024 else { return nil }
        return "/\(kind)/\(PercentCoding.encode(name))"
    }
}

struct PostFormView: Sendable {
    var key: String
    var back: String
    var user = ""
    var topic = ""
    var message = ""
    var problemsTitle = ""
    var problems: [String] = []
    var hasProblems = false
    var userProblem = false
    var topicProblem = false
    var messageProblem = false
    var topicNames: [String] = []
    let messageLimit = PostRules.messageLength.upperBound

    /// A form nobody has sent yet, with a key that makes it one post however often it is sent.
    init(back: String) {
        var generator = SystemRandomNumberGenerator()
        key = String(generator.next(), radix: 16) + String(generator.next(), radix: 16)
        self.back = back
    }
}
