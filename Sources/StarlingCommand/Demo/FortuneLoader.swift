import Foundation
import Microblog
import StarlingClient
import TupleSpace

/// Posts Debian's fortunes: each file a topic, each quotation a post, long ones as several numbered posts. Loading
/// again adds only what is not there.
struct FortuneLoader: Sendable {
    static let standardDirectory = "/usr/share/games/fortunes"
    static let user = "fortune"
    /// Topics loaded at one time. Within a topic the order of the file holds.
    private static let topicsAtOnce = 32

    struct Summary: Sendable {
        var topics = 0
        var quotations = 0
        /// Quotations that were split, and the posts that came of them.
        var split = 0
        var parts = 0
        /// Posts made now, and those that were there already.
        var posted = 0
        var present = 0
        /// What could not be loaded, or not as it stands: where and why.
        var refused: [String] = []
        var altered: [String] = []

        var posts: Int { posted + present }
    }

    private struct Topic: Sendable {
        var name: String
        var messages: [String]
    }

    let directory: String
    let store: any TupleStore
    private let topics: [Topic]
    private var found = Summary()

    /// Reads the files.
    init(directory: String, store: any TupleStore) throws(Complaint) {
        self.directory = directory
        self.store = store
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw Complaint(
                .failed,
                "there are no fortunes in \(directory). Install Debian's package fortunes, or name a directory of such "
                    + "files with --fortunes, or say --no-load."
            )
        }
        var topics: [Topic] = []
        var summary = Summary()
        for name in names.sorted() where FortuneFile.isFortuneFile(name) {
            var isDirectory: ObjCBool = false
            let path = "\(directory)/\(name)"
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue else {
                continue
            }
            guard let bytes = FileManager.default.contents(atPath: path) else {
                summary.refused.append("\(path): cannot be read")
                continue
            }
            topics.append(Self.topic(FortuneFile(name: name, bytes: Array(bytes)), path, &summary))
        }
        guard !topics.isEmpty else {
            throw Complaint(.failed, "there are no fortune files in \(directory)")
        }
        // The longest first: the load ends sooner, and the newest posts are of many topics.
        self.topics = topics.sorted { $0.messages.count > $1.messages.count }
        found = summary
    }

    private static func topic(_ file: FortuneFile, _ path: String, _ summary: inout Summary) -> Topic {
        summary.altered += file.problems.map { "\(path), \($0)" }
        guard let problem = PostRules.problem(topic: file.topic) else {
            summary.topics += 1
            summary.quotations += file.quotations.count
            return Topic(name: file.topic, messages: messages(file, path, &summary))
        }
        summary.refused.append("\(path): \(file.quotations.count) quotations: \(problem)")
        return Topic(name: file.topic, messages: [])
    }

    private static func messages(_ file: FortuneFile, _ path: String, _ summary: inout Summary) -> [String] {
        let splitter = MessageSplitter()
        var messages: [String] = []
        for (index, quotation) in file.quotations.enumerated() {
            let parts = splitter.split(quotation)
            let problem = parts.lazy.compactMap { PostRules.problem(message: $0) }.first
            if let problem {
                summary.refused.append("\(path), quotation \(index + 1): \(problem)")
                continue
            }
            if parts.count > 1 {
                summary.split += 1
                summary.parts += parts.count
            }
            messages += parts
        }
        return messages
    }

    /// Posts that a complete load makes.
    var total: Int { topics.reduce(0) { $0 + $1.messages.count } }

    /// - Parameter progress: told as often as it likes how many of `total` are there.
    func load(progress: @escaping @Sendable (Int) -> Void) async throws -> Summary {
        let done = Counter()
        var summary = found
        try await withThrowingTaskGroup(of: (posted: Int, present: Int).self) { group in
            for (index, topic) in topics.enumerated() {
                if index >= Self.topicsAtOnce, let counts = try await group.next() { summary.add(counts) }
                group.addTask {
                    try await load(topic) { count in progress(done.add(count)) }
                }
            }
            for try await counts in group { summary.add(counts) }
        }
        return summary
    }

    private func load(
        _ topic: Topic, progress: @Sendable (Int) -> Void
    ) async throws -> (posted: Int, present: Int) {
        let blog = Blog(store: store)
        var present = try await presentMessages(topic)
        var counts = (posted: 0, present: 0)
        for message in topic.messages {
            // Quotations may be there twice, so what is present is counted and not only known.
            let key = Array(message.utf8)
            if let count = present[key], count > 0 {
                present[key] = count - 1
                counts.present += 1
            } else {
                try Task.checkCancellation()
                _ = try await blog.post(user: Self.user, topic: topic.name, message: message)
                counts.posted += 1
            }
            progress(1)
        }
        return counts
    }

    /// How often each message of the topic is there.
    private func presentMessages(_ topic: Topic) async throws -> [[UInt8]: Int] {
        let template = Template([.literal(.string(Self.user)), .literal(.string(topic.name)), .type(.string)])
        var present: [[UInt8]: Int] = [:]
        var page = Page(limit: Limits.pageTuples)
        while true {
            let (tuples, more, _) = try await store.readAll(
                template, from: Blog.space, page: page, consistency: .linearizable)
            for post in tuples.compactMap(Post.init) { present[Array(post.message.utf8), default: 0] += 1 }
            guard more, let last = tuples.last else { return present }
            page.after = last.id
        }
    }
}

extension FortuneLoader.Summary {
    fileprivate mutating func add(_ counts: (posted: Int, present: Int)) {
        posted += counts.posted
        present += counts.present
    }

    /// What a person wants to know of it, a line each.
    var lines: [String] {
        if posted == 0, present > 0, refused.isEmpty {
            return ["all \(Figures.grouped(present)) posts were there already"]
        }
        var lines = [
            "\(Figures.count(posted, "post")) from \(Figures.count(quotations, "quotation")) under "
                + "\(Figures.count(topics, "topic"))"
                + (present > 0 ? " (\(Figures.grouped(present)) more were there already)" : ""),
            "\(Figures.count(split, "quotation")) too long for one post, so in \(Figures.count(parts, "numbered post"))",
        ]
        if !altered.isEmpty {
            lines.append(
                "\(Figures.count(altered.count, "line")) with characters replaced to be readable; the first: "
                    + "\(altered[0])"
            )
        }
        if !refused.isEmpty { lines.append("NOT loaded: \(refused.count)") }
        return lines + refused.prefix(10).map { "  " + $0 }
    }
}
