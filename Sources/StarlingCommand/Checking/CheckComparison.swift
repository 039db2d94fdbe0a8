import Cluster
import Foundation
import Microblog

/// Reads what each server has by itself, and compares.
struct CheckComparison {
    struct Result: Equatable, Sendable {
        /// Posts of this run's writers, the same on all servers.
        var posts: Int
        /// All posts.
        var total: Int
        var acknowledged: Int

        var text: String {
            "the same \(Figures.grouped(posts)) posts of the writers, all \(Figures.grouped(acknowledged)) "
                + "acknowledged ones among them, each once; \(Figures.grouped(total)) posts in all"
        }
    }

    private struct Page: Decodable {
        struct Item: Decodable {
            var id: String
            var tuple: [String]
        }
        var tuples: [Item]
        var more: Bool
    }

    private struct Count: Decodable {
        var count: Int
    }

    let cluster: DemoCluster
    let topic: String

    /// - Parameters:
    ///   - acknowledged: numbers of posts that must be there.
    ///   - sent: no higher number may be there.
    func compare(_ acknowledged: [Int], sent: Int) async throws -> Result {
        try await settle()
        var reference: (name: String, posts: [String], total: Int)?
        for server in cluster.plan.servers {
            let posts = try await posts(at: server.httpAddress)
            let total = try await count(at: server.httpAddress)
            try check(server.name, posts, acknowledged, sent: sent)
            if let reference {
                guard reference.posts == posts, reference.total == total else {
                    throw Complaint(
                        .failed,
                        "servers \(reference.name) and \(server.name) differ: \(reference.posts.count) and "
                            + "\(posts.count) posts of the writers, \(reference.total) and \(total) in all"
                    )
                }
            } else {
                reference = (server.name, posts, total)
            }
        }
        return Result(
            posts: reference?.posts.count ?? 0, total: reference?.total ?? 0, acknowledged: acknowledged.count)
    }

    /// Waits until every server has applied what the leader has committed. Nobody writes any more.
    private func settle() async throws {
        _ = try await cluster.wait(for: "all servers have applied everything") { () -> Bool? in
            var commits: [UInt64] = []
            var applied: [UInt64] = []
            for name in cluster.names {
                guard let own = await cluster.report(from: name)?.own, let commit = own.commitIndex,
                    let index = own.appliedIndex
                else { return nil }
                commits.append(commit)
                applied.append(index)
            }
            let highest = commits.max() ?? 0
            return applied.allSatisfy { $0 == highest } ? true : nil
        }
    }

    /// Each post as `id message`, in the order of their ids.
    private func posts(at address: String) async throws -> [String] {
        var posts: [String] = []
        var after = ""
        while true {
            let template = #"["\#(CheckWriters.user)","\#(topic)",{"type":"string"}]"#
            let body = #"{"template":\#(template),"limit":1000,"order":"oldest"\#(after)}"#
            let response = try await LocalHTTP.ask(
                address, "/v1/spaces/blog/read-all?consistency=local", body: body, within: .seconds(20))
            guard response.status == 200 else { throw DemoStory.unexpected("a page of posts at \(address)", response) }
            let page = try JSONDecoder().decode(Page.self, from: Data(response.body))
            posts += page.tuples.map { "\($0.id) \($0.tuple[2])" }
            guard page.more, let last = page.tuples.last else { return posts }
            after = #","after":"\#(last.id)""#
        }
    }

    private func count(at address: String) async throws -> Int {
        let response = try await LocalHTTP.ask(
            address, "/v1/spaces/blog/count?consistency=local",
            body: #"{"template":[{"type":"string"},{"type":"string"},{"type":"string"}]}"#, within: .seconds(20))
        guard response.status == 200 else { throw DemoStory.unexpected("the count of posts at \(address)", response) }
        return try JSONDecoder().decode(Count.self, from: Data(response.body)).count
    }

    private func check(_ name: String, _ posts: [String], _ acknowledged: [Int], sent: Int) throws(Complaint) {
        var seen = [Int](repeating: 0, count: sent + 1)
        for post in posts {
            guard let number = post.split(separator: " ").last.flatMap({ Int($0) }), (1...sent).contains(number) else {
                throw Complaint(.failed, "server \(name) has \"\(post)\", which nobody posted")
            }
            seen[number] += 1
        }
        if let twice = seen.firstIndex(where: { $0 > 1 }) {
            throw Complaint(.failed, "server \(name) has post \(twice) \(seen[twice]) times")
        }
        let lost = acknowledged.filter { seen[$0] == 0 }
        guard lost.isEmpty else {
            throw Complaint(
                .failed,
                "server \(name) lacks \(lost.count) posts that were acknowledged, such as post \(lost[0])")
        }
    }
}
