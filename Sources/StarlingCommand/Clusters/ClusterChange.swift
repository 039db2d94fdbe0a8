import Raft
import StarlingClient
import TupleSpace

/// A change of the members or of the leader, asked for until it is known to be done, or refused.
struct ClusterChange {
    let client: StarlingClient
    private static let patience = Duration.seconds(60)
    /// Between two tries: what stands in the way, an election or another change, takes about as long.
    private static let pause = Duration.milliseconds(300)
    /// A server that does not lead shows a change some heartbeats later; one that is cut off, never.
    private static let settlesWithin = Duration.seconds(5)

    /// - Parameter isDone: whether the cluster is as wanted already: asked when nobody knows what came of a request.
    /// - Throws: exits 4 for who is no operator, 5 if no outcome came in time.
    func perform(
        _ request: ClusterRequest, isDone: (ClusterReport) throws -> Bool
    ) async throws -> ClusterOutcome? {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.patience
        var told = ""
        while true {
            let trouble: Complaint
            switch try await attempt(request) {
            case .done(let outcome):
                try await settle(isDone)
                return outcome
            case .uncertain(let sentence):
                trouble = Complaint(.unavailable, sentence)
                // What it may have done must be seen before it is asked for again.
                if let report = try? await client.report(), try isDone(report) { return nil }
            case .notNow(let sentence): trouble = Complaint(.unavailable, sentence)
            }
            guard clock.now < deadline else { throw trouble }
            if told != trouble.text {
                told = trouble.text
                Terminal.progress("not yet: \(told)\n")
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// So that the next command, or the person who looks, sees it too.
    private func settle(_ isDone: (ClusterReport) throws -> Bool) async throws {
        let deadline = ContinuousClock.now + Self.settlesWithin
        while ContinuousClock.now < deadline {
            if let report = try? await client.report(), try isDone(report) { return }
            try await Task.sleep(for: ClusterReport.renewedEvery)
        }
    }

    private enum Attempt {
        case done(ClusterOutcome)
        case uncertain(String)
        /// Certainly not done, and over in a moment.
        case notNow(String)
    }

    private func attempt(_ request: ClusterRequest) async throws -> Attempt {
        let outcome: ClusterOutcome
        do throws(Failure) {
            outcome = try await client.cluster(request)
        } catch {
            switch error.code {
            case .outcomeUnknown: return .uncertain(error.message)
            case .noLeader, .busy: return .notNow(error.message)
            default: throw error
            }
        }
        switch outcome {
        case .changed, .transferred: return .done(outcome)
        case .unknown(let sentence): return .uncertain(sentence)
        case .refused(let code, let sentence):
            if Self.passing.contains(code) { return .notNow(sentence) }
            throw Complaint(.failed, "the cluster refused it, and nothing was changed: \(sentence)")
        }
    }

    private static let passing: Set<String> = [
        "not-ready", "change-under-way", "transferring", "no-leader", "busy", "not-leader",
    ]
}

extension ClusterReport {
    /// A server makes its view anew ten times a second: looking more often shows nothing new.
    static let renewedEvery = Duration.milliseconds(100)
}

extension StarlingClient {
    func report() async throws -> ClusterReport { try ClusterReport(json: Array(try await status().utf8)) }
}
