import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// Each defence of storage, with what it defends against: the same run finds nothing while the defence is there, and
/// finds a violation within a few seeds when it is switched off.
@Suite("Defences of storage, and what happens without them")
struct MutationTests {
    struct Defence: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var mutation: StorageMutations
        /// What went wrong in one run; nil if nothing did.
        var violation: @Sendable (StorageMutations, UInt64) throws -> String?

        init(
            _ name: String, _ mutation: StorageMutations,
            _ violation: @escaping @Sendable (StorageMutations, UInt64) throws -> String?
        ) {
            testDescription = name
            self.mutation = mutation
            self.violation = violation
        }
    }

    static let seeds: ClosedRange<UInt64> = 1...40

    static let defences = [
        Defence("Scenario 2: a snapshot is durable before it is marked", .snapshotNotSynced, snapshotAndMark),
        Defence("Scenario 3: a segment's name is durable before an entry counts", .directoryNotSynced, segmentName),
        Defence("Scenario 16: term and vote outlive the segments they stood in", .hardStateNotRestated, hardState),
        Defence("Scenario 22: a part of a snapshot is checked before it is resumed", .partialSnapshotBelieved, partial),
        Defence("Scenario 26: a failed sync is final", .syncRetried, failedSync),
        Defence("Scenario 26: the page cache is not believed", .lastBatchNotRewritten, pageCache),
        Defence("Scenario 27: votes have room on a full disk", .nothingReserved, fullDisk),
        Defence("Scenario 28: a torn batch is not part of the log", .tornTailIncluded, tornTail),
        Defence("Scenario 28: a truncated segment is not written again", .tornSegmentReused, reusedSegment),
        Defence("Scenario 29: a gap between snapshot and log is not bridged", .gapAccepted, gap),
        Defence("damage in the middle is not cut", .damageIsCut, damageInTheMiddle),
        Defence("the terms behind damage are not forgotten", .termOfDamageForgotten, termBehindDamage),
    ]

    @Test("with its defence, the scenario finds nothing", arguments: defences)
    func defended(_ defence: Defence) throws {
        for seed in Self.seeds { #expect(try defence.violation([], seed) == nil, "seed \(seed)") }
    }

    @Test("mutated: without its defence, the scenario finds a violation", arguments: defences)
    func mutated(_ defence: Defence) throws {
        let found = try Self.seeds.first { try defence.violation(defence.mutation, $0) != nil }
        #expect(found != nil)
    }

    // MARK: - The runs

    private static func server(_ mutations: StorageMutations, _ seed: UInt64) -> Server {
        var options = tinyOptions
        options.mutations = mutations
        return Server(seed: seed, options: options)
    }

    @Sendable static func snapshotAndMark(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        for index in 1...40 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        try server.publish(snapshot(40), bytes: 3000)
        try log.append([write(snapshot: snapshot(40), keepsTail: true)])
        try log.compact(before: LogIndex(41))
        let recovered = try server.restart(.everything).recovered
        return recovered.snapshot == snapshot(40) && recovered.mayVote ? nil : "the state is gone"
    }

    @Sendable static func segmentName(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        var appended: UInt64 = 0
        while log.segments.count < 3 {
            appended += 1
            try log.append([write([entry(appended, bytes: 5000)])])
        }
        let recovered = try server.restart().recovered
        return recovered.entries.count == Int(appended) ? nil : "\(recovered.entries.count) of \(appended) are there"
    }

    @Sendable static func hardState(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        let voted = HardState(term: Term(5), vote: NodeID(3))
        try log.append([write(hardState: voted)])
        for index in 1...40 { try log.append([write([entry(UInt64(index), term: 5, bytes: 1000)])]) }
        try server.publish(snapshot(40, term: 5))
        try log.append([write(snapshot: snapshot(40, term: 5), keepsTail: true)])
        try log.compact(before: LogIndex(41))
        let recovered = try server.restart().recovered
        return recovered.hardState == voted ? nil : "it would vote again in term 5"
    }

    @Sendable static func partial(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let metadata = snapshot(40)
        let sender = Server()
        _ = try sender.directory()
        try sender.publish(metadata, bytes: 900_000)
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let file = try sender.contents(place.fileName)

        let server = server(mutations, seed)
        var receiver = try SnapshotStore(server.directory(), mutations: mutations).receiver(place)
        try receiver.receive(Array(file.prefix(800_000)), at: 0)
        server.files.crash()
        receiver = try SnapshotStore(server.directory(), mutations: mutations).receiver(place)
        let offset = Int(receiver.offset)
        guard offset > 0 else { return nil }
        let kept = try server.contents(FileNames.receiving(place)).prefix(offset)
        return Array(kept) == Array(file.prefix(offset)) ? nil : "\(offset) bytes are believed and are not right"
    }

    @Sendable static func failedSync(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        server.files.failNextSync()
        do {
            try log.append([write([entry(2, bytes: 2000)])])
        } catch {
            return nil
        }
        return try server.restart(.everything).recovered.entries.count == 2 ? nil : "what was acknowledged is gone"
    }

    @Sendable static func pageCache(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        server.files.failNextSync()
        _ = try? log.append([write([entry(2, bytes: 2000)])])
        let shown = try server.restart(.nothing).recovered.entries
        return try server.restart(.everything).recovered.entries == shown ? nil : "what was shown is gone"
    }

    @Sendable static func fullDisk(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        server.files.setCapacity(server.files.usedBytes)
        var index: UInt64 = 1
        while (try? log.append([write([entry(index, bytes: 900)])])) != nil { index += 1 }
        guard log.poison == nil else { return "the log was given up" }
        do {
            for term in 2...100 { try log.append([write(hardState: HardState(term: Term(UInt64(term))))]) }
        } catch {
            return "a vote was refused: \(error)"
        }
        return nil
    }

    @Sendable static func tornTail(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        server.files.failNextSync()
        _ = try? log.append([write([entry(2, bytes: 600), entry(3, bytes: 600), entry(4, bytes: 600)])])
        let count = try server.restart().recovered.entries.count
        return count == 1 || count == 4 ? nil : "\(count) entries of a batch that is there or not"
    }

    @Sendable static func reusedSegment(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        server.files.failNextSync()
        _ = try? log.append([write([entry(2, bytes: 3000)])])
        let (again, _, report) = try server.restart()
        guard report.findings.contains(where: { if case .tornTail = $0 { true } else { false } }) else { return nil }
        let before = try server.contents(FileNames.segment(1))
        try again.append([write([entry(2, term: 2)])])
        return try server.contents(FileNames.segment(1)) == before ? nil : "it was written over a torn tail"
    }

    @Sendable static func gap(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        for index in 1...80 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        for place in [20, 70] as [UInt64] {
            try server.publish(snapshot(place))
            try log.append([write(snapshot: snapshot(place), keepsTail: true)])
        }
        try log.compact(before: LogIndex(70))
        server.files.rot("data/" + SnapshotPlace(index: LogIndex(70), term: Term(1)).fileName, at: 200)
        let recovered = try server.restart().recovered
        guard let first = recovered.entries.first else { return recovered.mayVote ? "it votes with nothing" : nil }
        return first.index <= recovered.snapshot.index.next
            ? nil : "entry \(first.index) behind the snapshot at \(recovered.snapshot.index)"
    }

    @Sendable static func damageInTheMiddle(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        for index in 1...5 { try log.append([write([entry(UInt64(index), bytes: 600)])]) }
        server.files.rot("data/" + FileNames.segment(1), at: SegmentHeader.recordsBegin + 1_400 + Int(seed) * 8)
        let recovered = try server.restart().recovered
        return recovered.entries.count == 5 || !recovered.mayVote ? nil : "it votes without what it acknowledged"
    }

    @Sendable static func termBehindDamage(_ mutations: StorageMutations, _ seed: UInt64) throws -> String? {
        let server = server(mutations, seed)
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(3)), [entry(1, term: 3, bytes: 600)])])
        try log.append([write(hardState: HardState(term: Term(9), vote: NodeID(2)))])
        try log.append([write([entry(2, term: 3, bytes: 600)])])
        server.files.rot("data/" + FileNames.segment(1), at: SegmentHeader.recordsBegin + 300 + Int(seed))
        let (_, recovered, _) = try server.restart()
        guard !recovered.mayVote else { return nil }
        // And a second restart, while repair is pending, says the same.
        let again = try server.restart().recovered
        return recovered.hardState.term == Term(9) && again.hardState == recovered.hardState
            ? nil : "a leader of term \(recovered.hardState.term.next) could repair what was lost in term 9"
    }
}
