import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// Random histories on a faulty disk against a model that is a few lines long.
@Suite("Random histories with crashes")
struct HistoryTests {
    /// What the log must come to, by the words of `StorageWrite`.
    struct Model: Equatable {
        var hardState = HardState()
        var snapshot = genesis
        var entries: [Entry] = []

        var last: UInt64 { max(entries.last?.index.rawValue ?? 0, snapshot.index.rawValue) }

        mutating func apply(_ write: StorageWrite) {
            if let state = write.hardState { hardState = state }
            if let metadata = write.snapshot {
                snapshot = metadata
                if !write.keepsTail { entries = [] }
            }
            if let index = write.truncateFrom { entries.removeAll { $0.index >= index } }
            entries += write.entries
        }

        /// What is recovered may have more in front, as far as segments have not been removed, and must have all behind
        /// the snapshot.
        func agrees(with recovered: RecoveredLog) -> Bool {
            let kept = entries.filter { $0.index > snapshot.index }
            let found = recovered.entries.filter { $0.index > snapshot.index }
            let front = recovered.entries.filter { $0.index <= snapshot.index }
            return recovered.hardState == hardState && recovered.snapshot == snapshot && found == kept
                && front.allSatisfy { entries.contains($0) }
        }
    }

    /// One run: many lives of one server.
    struct Run {
        let server: Server
        var chance: Chance
        var model = Model()
        var term: UInt64 = 1
        var appended = 0
        var crashes = 0

        init(seed: UInt64) {
            server = Server(seed: seed, options: tinyOptions)
            chance = Chance(seed &* 977)
        }

        mutating func draw(_ range: Range<Int>) -> Int { Int.random(in: range, using: &chance) }

        mutating func makeWrite(_ state: inout Model) throws -> StorageWrite {
            var next = StorageWrite(sequence: .zero)
            switch draw(0..<10) {
            case 0:
                term += 1
                next.hardState = HardState(term: Term(term), vote: draw(0..<2) == 0 ? nil : NodeID(UInt64(draw(1..<4))))
            case 1 where state.last > state.snapshot.index.rawValue:
                next.truncateFrom = LogIndex(
                    UInt64.random(in: state.snapshot.index.rawValue + 1...state.last, using: &chance))
            case 2 where !state.entries.isEmpty:
                let behind = state.entries.filter { $0.index > state.snapshot.index }
                guard let chosen = behind.randomElement(using: &chance) else { break }
                next.snapshot = snapshot(chosen.index.rawValue, term: chosen.term.rawValue, members: [1, term + 1])
                next.keepsTail = true
            case 3 where draw(0..<4) == 0:
                // Received from a peer: beyond what is here.
                next.snapshot = snapshot(state.last + UInt64(draw(1..<20)), term: term)
            default:
                break
            }
            if let metadata = next.snapshot { try server.publish(metadata, bytes: 300) }
            var after = state
            after.apply(next)
            for offset in 0..<draw(0..<5) {
                let index = after.last + 1 + UInt64(offset)
                next.entries.append(entry(index, term: term, bytes: draw(0..<1500)))
            }
            state.apply(next)
            return next
        }

        /// Appends groups until a fault or chance ends the life.
        /// - Returns: what may or may not have become durable.
        mutating func live(_ log: SimulatedLog) throws -> Model? {
            if draw(0..<3) == 0 { server.files.failSync(after: draw(0..<12)) }
            if draw(0..<6) == 0 { server.files.failWrite(after: draw(0..<12)) }
            for _ in 0..<draw(1..<12) {
                var after = model
                var group: [StorageWrite] = []
                do {
                    for _ in 0..<draw(1..<4) { group.append(try makeWrite(&after)) }
                } catch is SnapshotError {
                    return nil
                }
                do {
                    try log.append(group)
                    model = after
                    appended += 1
                    if draw(0..<3) == 0 { try log.prepareNextSegment() }
                    if draw(0..<3) == 0 { try log.compact(before: LogIndex(model.snapshot.index.rawValue + 1)) }
                } catch .diskFull {
                    Issue.record("the disk is not full")
                } catch {
                    return after
                }
            }
            return nil
        }

        mutating func restart(_ maybe: Model?) throws -> SimulatedLog {
            crashes += 1
            let loss = SimulatedFileSystem.CrashLoss.allCases[draw(0..<3)]
            server.files.crash(loss)
            // Sometimes the first opening does not live to its end either.
            if draw(0..<4) == 0 {
                server.files.failSync(after: draw(0..<4))
                _ = try? server.open()
                server.files.crash()
            }
            let (log, recovered, report) = try server.open()
            #expect(recovered.mayVote, "\(report.findings)")
            if let maybe, maybe.agrees(with: recovered) {
                model = maybe
            } else {
                #expect(model.agrees(with: recovered), "\(report.findings)")
            }
            for (a, b) in zip(recovered.entries, recovered.entries.dropFirst()) { #expect(a.index.next == b.index) }
            model.entries = recovered.entries
            return log
        }
    }

    @Test(
        "everything synced is there, nothing is invented, order is kept, whenever the machine stops", arguments: 0..<8)
    func histories(_ part: UInt64) throws {
        for seed in part * 25..<(part + 1) * 25 {
            var run = Run(seed: seed)
            var log = try run.server.open().log
            for _ in 0..<8 {
                let maybe = try run.live(log)
                log = try run.restart(maybe)
            }
            #expect(run.appended > 0)
        }
    }
}
