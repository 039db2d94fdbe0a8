import Raft
import Synchronization

/// Keeps what happens again and again from filling a log: each sentence is told at most once a minute.
final class RepeatedTelling: Sendable {
    /// Different sentences that are remembered; beyond that the eldest are told again sooner.
    private static let limit = 64

    private let tell: @Sendable (String) -> Void
    private let told = Mutex<[(sentence: String, at: MonotonicTime)]>([])

    init(_ tell: @escaping @Sendable (String) -> Void) { self.tell = tell }

    func callAsFunction(_ sentence: String, now: MonotonicTime = .current) {
        let isDue = told.withLock { told in
            told.removeAll { now.since($0.at) >= 60_000_000_000 }
            guard !told.contains(where: { $0.sentence == sentence }) else { return false }
            if told.count == Self.limit { told.removeFirst() }
            told.append((sentence, now))
            return true
        }
        if isDue { tell(sentence) }
    }
}
