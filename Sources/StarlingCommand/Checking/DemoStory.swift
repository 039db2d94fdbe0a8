import Cluster
import Foundation
import Glibc
import Microblog
import StarlingClient
import TupleSpace

/// The steps of `demo --check`, in order. Each throws if what it should prove does not hold.
struct DemoStory {
    let cluster: DemoCluster
    let fortunes: String?
    let kills: Int
    /// Posts of this run, apart from those of earlier ones in the same directory.
    private let topic = "check-\(UInt32.random(in: 1 ... .max))"
    private let marks = CheckMarks()
    private let clock = ContinuousClock()

    init(cluster: DemoCluster, fortunes: String?, kills: Int) {
        self.cluster = cluster
        self.fortunes = fortunes
        self.kills = kills
    }

    func play() async throws {
        try await start(then: "servers \(cluster.names.joined(separator: ", ")) started")
        if let fortunes { try await load(fortunes) }
        try await postAtEach()
        let writers = CheckWriters(topic: topic, cluster: cluster)
        try await writers.begin()
        do {
            try await killLeaders(under: writers)
        } catch {
            await writers.end()
            throw error
        }
        await writers.end()
        let figures = writers.figures
        marks.done(
            "writers stopped: \(Figures.grouped(figures.acknowledged)) posts acknowledged, "
                + "\(Figures.grouped(figures.unknown)) of unknown outcome; the longest any waited was "
                + "\(Figures.text(figures.longest))"
        )
        let comparison = CheckComparison(cluster: cluster, topic: topic)
        let before = try await comparison.compare(writers.acknowledged, sent: figures.sent)
        marks.done("all \(cluster.names.count) servers have \(before.text)")
        try await stop()
        try await start(then: "all started again on \(Figures.grouped(before.total)) posts")
        let after = try await comparison.compare(writers.acknowledged, sent: figures.sent)
        guard after == before else {
            throw Complaint(.failed, "after the restart the servers have \(after.text), and had \(before.text)")
        }
        marks.done("all \(cluster.names.count) servers still have \(after.text)")
        try await stop()
    }

    // MARK: Steps

    private func start(then text: String) async throws {
        let began = clock.now
        for name in cluster.names { try cluster.start(name) }
        let leader = try await cluster.wait(for: "a leader is elected") { await cluster.leader() }
        let elected = clock.now - began
        try await cluster.waitUntilReady()
        marks.done(
            "\(text): leader \(leader) after \(Figures.text(elected)), all ready after "
                + "\(Figures.text(clock.now - began))"
        )
    }

    private func stop() async throws {
        let began = clock.now
        let problems = await cluster.stopAll()
        guard problems.isEmpty else {
            throw Complaint(.failed, "not every server ended in order: \(problems.joined(separator: "; "))")
        }
        marks.done("all stopped in order after \(Figures.text(clock.now - began))")
    }

    private func load(_ directory: String) async throws {
        let began = clock.now
        let client = try ClusterAddress(cluster).client()
        let loader = try FortuneLoader(directory: directory, store: client)
        let summary = try await loader.load { _ in }
        await client.close()
        guard summary.refused.isEmpty, summary.posts == loader.total else {
            throw Complaint(.failed, "not all was loaded: \(summary.lines.joined(separator: "; "))")
        }
        let rate = Double(summary.posted) / (Figures.milliseconds(clock.now - began) / 1_000)
        marks.done("\(summary.lines.joined(separator: "; ")); \(Figures.grouped(Int(rate))) posts a second")
    }

    /// Posts at each server over HTTP and reads at every one.
    private func postAtEach() async throws {
        for name in cluster.names {
            let message = "posted at \(name)"
            guard let server = cluster.server(name) else { continue }
            let tuple = #"["check","\#(topic)-doors","\#(message)"]"#
            let response = try await LocalHTTP.ask(
                server.httpAddress, "/v1/spaces/blog/tuples", body: #"{"tuple":\#(tuple)}"#)
            guard response.status == 201 else { throw Self.unexpected("a post at \(name)", response) }
            for reader in cluster.plan.servers {
                let found = try await LocalHTTP.ask(
                    reader.httpAddress, "/v1/spaces/blog/read", body: #"{"template":\#(tuple)}"#)
                guard found.status == 200 else { throw Self.unexpected("\"\(message)\" read at \(reader.name)", found) }
            }
        }
        marks.done("a post at each server was read at all of them at once")
    }

    static func unexpected(_ what: String, _ response: LocalHTTP.Response) -> Complaint {
        Complaint(
            .failed, "\(what): HTTP \(response.status), \(String(decoding: response.body.prefix(500), as: UTF8.self))")
    }

    // MARK: Killing

    private func killLeaders(under writers: CheckWriters) async throws {
        var worst = Duration.zero
        for round in 1...kills {
            let took = try await killLeader(round, under: writers)
            worst = max(worst, took)
        }
        guard worst < .milliseconds(1_500) else {
            throw Complaint(
                .failed,
                "after a kill -9 of the leader writes succeeded again after \(Figures.text(worst)), and not within 1.5 "
                    + "s"
            )
        }
        if kills > 1 {
            marks.done("\(kills) leaders killed: writes succeeded again within \(Figures.text(worst)) each time")
        }
    }

    /// - Returns: from the kill to the first acknowledgement of a post that was begun after it.
    private func killLeader(_ round: Int, under writers: CheckWriters) async throws -> Duration {
        try await Task.sleep(for: .milliseconds(400))
        let leader = try await cluster.wait(for: "a leader is known") { await cluster.leader() }
        let killed = clock.now
        await cluster.kill(leader)
        let first = try await writers.firstSuccess(at: cluster.names.filter { $0 != leader })
        let took = first - killed
        let next = try await cluster.wait(for: "another leader is known") { await cluster.leader() }
        // Let the others get ahead, so that there is something to catch up with.
        try await Task.sleep(for: .milliseconds(400))
        let restarted = clock.now
        try cluster.start(leader)
        let behind = try await catchUp(leader)
        marks.done(
            "\(kills > 1 ? "kill \(round): " : "")leader \(leader) killed with -9 under load, \(next) leads; writes "
                + "succeed again after \(Figures.text(took)); \(leader) started again and caught up "
                + "\(Figures.grouped(behind)) entries after \(Figures.text(clock.now - restarted))"
        )
        return took
    }

    /// Waits until the server has applied what was committed when it came back.
    /// - Returns: how many entries it was behind when it could first be asked.
    private func catchUp(_ name: String) async throws -> Int {
        let others = cluster.names.filter { $0 != name }
        let target = try await cluster.wait(for: "the others' commit index is known") {
            var highest: UInt64?
            for other in others {
                if let commit = await cluster.report(from: other)?.own?.commitIndex {
                    highest = max(highest ?? 0, commit)
                }
            }
            return highest
        }
        var behind: Int?
        return try await cluster.wait(for: "server \(name) has caught up", within: .seconds(60)) {
            guard let applied = await cluster.report(from: name)?.own?.appliedIndex else { return nil }
            behind = behind ?? Int(target > applied ? target - applied : 0)
            guard applied >= target, await cluster.isReady(name) else { return nil }
            return behind
        }
    }
}
