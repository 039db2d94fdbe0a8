import Testing

@testable import Raft

@Suite("A follower's progress")
struct ProgressTests {
    private let now = MonotonicTime(nanoseconds: 1000)
    private var settings: Settings {
        var settings = Settings.fixed
        settings.maximumInflightRequests = 2
        settings.maximumInflightBytes = 100
        return settings
    }

    @Test("While it probes one request with entries is out; an acceptance opens the pipeline")
    func probing() {
        var progress = Progress(id: NodeID(2), next: LogIndex(5), now: now)
        #expect(progress.mayTakeEntries(settings))
        progress.noteSent(through: LogIndex(5), bytes: 10)
        #expect(!progress.mayTakeEntries(settings))
        progress.accept(LogIndex(5), sentAt: 1, base: .zero)
        #expect(progress.state == .replicate)
        #expect(progress.next == LogIndex(6))
    }

    @Test("The pipeline is bounded in requests and in bytes, and acceptances make room")
    func window() {
        var progress = Progress(id: NodeID(2), next: LogIndex(1), now: now)
        progress.accept(.zero, sentAt: 1, base: .zero)
        progress.noteSent(through: LogIndex(1), bytes: 1)
        progress.noteSent(through: LogIndex(2), bytes: 1)
        #expect(!progress.mayTakeEntries(settings))
        progress.accept(LogIndex(1), sentAt: 1, base: .zero)
        #expect(progress.mayTakeEntries(settings))
        progress.noteSent(through: LogIndex(3), bytes: 200)
        progress.accept(LogIndex(2), sentAt: 1, base: .zero)
        #expect(progress.inflightRequests == 1)
        #expect(!progress.mayTakeEntries(settings))
        progress.accept(LogIndex(3), sentAt: 1, base: .zero)
        #expect(progress.inflightBytes == 0)
        #expect(progress.mayTakeEntries(settings))
    }

    @Test("Late, repeated and reordered rejections are not believed")
    func rejections() {
        var progress = Progress(id: NodeID(2), next: LogIndex(10), now: now)
        #expect(!progress.believesRejection(of: LogIndex(8), sentAt: 5))
        #expect(progress.believesRejection(of: LogIndex(9), sentAt: 5))
        progress.retreat(to: LogIndex(4))
        #expect(!progress.believesRejection(of: LogIndex(9), sentAt: 5))
        progress.accept(LogIndex(9), sentAt: 6, base: .zero)
        #expect(!progress.believesRejection(of: LogIndex(9), sentAt: 5))
        #expect(!progress.believesRejection(of: LogIndex(8), sentAt: 7))
        #expect(progress.believesRejection(of: LogIndex(9), sentAt: 7))
    }

    @Test("What was sent last and is compacted away is asked for again")
    func lostBehindACompaction() throws {
        var settings = Settings.fixed
        settings.maximumInflightRequests = 1
        var cluster = TestCluster(3, settings: settings)
        cluster.elect(1)
        cluster.partition([[1, 2], [3]])
        for text in ["x", "y", "z"] {
            try cluster.propose(1, text)
            cluster.settle()
        }
        let taken = cluster[1].snapshotMetadata(at: cluster[1].commit)
        cluster.step(1, .snapshotTaken(taken, keepFrom: taken.index.next))
        cluster.heal()
        cluster.wait(1, milliseconds: 60)
        cluster.settle()
        // The heartbeat could not ask for what was sent last, and went behind it; the next one leads to the snapshot.
        cluster.wait(1, milliseconds: 60)
        cluster.settle()
        #expect(cluster.snapshotsAsked.map(\.to) == [NodeID(3)])
    }
}
