import Foundation
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// A small log that was written and crashed on a simulated disk, as bytes that can be damaged and opened again.
///
/// Segment 1 has three batches and behind them the remains of one that was never finished; segment 2 has four batches,
/// of which the last is longer than four sectors.
struct SmallLog {
    /// Where a batch stands, and which of its bytes no checksum covers.
    struct Batch {
        var segment: Int
        var range: Range<Int>
        var padding: Set<Int>
        /// The last entry's index once it counts.
        var last: UInt64
        var headers: [Range<Int>]
    }

    static let identity = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
    static let options: LogOptions = {
        var options = tinyOptions
        options.reserveFiles = 0
        options.preparedSegments = 0
        return options
    }()

    /// The two segments' bytes.
    var segments: [[UInt8]] = []
    var batches: [Batch] = []
    private var small: [String: [UInt8]] = [:]

    static let entries = [
        entry(1, bytes: 5), entry(2, bytes: 300), entry(3, term: 2, bytes: 0), entry(4, term: 3, bytes: 60),
        entry(5, term: 3, bytes: 700), entry(6, term: 3, bytes: 13), entry(7, term: 3, bytes: 2300),
    ]

    init() throws {
        for seed in 1... {
            let server = Server(seed: UInt64(seed), options: Self.options)
            var (log, _, _) = try server.open()
            let e = Self.entries
            try log.append([write(hardState: HardState(term: Term(1), vote: NodeID(1)), [e[0]])])
            try log.append([write([e[1]])])
            try log.append([write(hardState: HardState(term: Term(2)), [e[2]])])
            server.files.failNextSync()
            _ = try? log.append([write([entry(4, term: 2, bytes: 900)])])
            let (again, recovered, _) = try server.restart()
            guard recovered.entries.count == 3, again.segments == [1, 2] else { continue }
            log = again
            try log.append([write(hardState: HardState(term: Term(3), vote: NodeID(2)), [e[3]])])
            for index in 4...6 { try log.append([write([e[index]])]) }
            server.files.crash(.everything)
            segments = [try server.contents(FileNames.segment(1)), try server.contents(FileNames.segment(2))]
            for name in [FileNames.identity, FileNames.genesis] { small[name] = try server.contents(name) }
            break
        }
        for segment in segments.indices { findBatches(segment) }
    }

    private mutating func findBatches(_ segment: Int) {
        let salt = SegmentHeader.salt(Self.identity, id: UInt64(segment + 1))
        segments[segment].withUnsafeBytes { raw in
            var offset = SegmentHeader.recordsBegin
            var start = offset
            var padding: Set<Int> = []
            var headers: [Range<Int>] = []
            // Segment 1's unfinished batch is behind its third commit mark.
            while let header = RecordHeader.read(raw, at: offset, salt: salt), batches.count < 3 || segment == 1 {
                headers.append(offset..<offset + RecordHeader.byteCount)
                let used = offset + RecordHeader.byteCount + header.payloadLength
                offset += header.byteCountInFile
                padding.formUnion(used..<offset)
                guard header.kind == .commit else { continue }
                let last = UInt64(batches.count + 1)
                batches.append(
                    Batch(segment: segment, range: start..<offset, padding: padding, last: last, headers: headers))
                start = offset
                padding = []
                headers = []
            }
        }
    }

    var end: Int { batches.last?.range.upperBound ?? 0 }

    /// Opens a disk with these segments.
    func open(_ segments: [[UInt8]]) throws -> (recovered: RecoveredLog, report: OpenReport) {
        var files: [String: [UInt8]] = [:]
        for (position, bytes) in segments.enumerated() { files[FileNames.segment(UInt64(position + 1))] = bytes }
        return try open(files)
    }

    func open(_ segments: [String: [UInt8]]) throws -> (recovered: RecoveredLog, report: OpenReport) {
        let server = Server(options: Self.options)
        try server.files.createDirectory(testPath)
        for (name, bytes) in small.merging(segments, uniquingKeysWith: { $1 }) { try server.replace(name, bytes) }
        let (log, recovered, report) = try server.open()
        log.close()
        return (recovered, report)
    }
}

@Suite("The decision table for opening a log")
struct DecisionTableTests {
    typealias Row = OpeningDecision.Row

    let log: SmallLog
    let sound: RecoveredLog

    init() throws {
        log = try SmallLog()
        try #require(log.batches.count == 7)
        sound = try log.open(log.segments).recovered
        try #require(sound.entries == SmallLog.entries)
        try #require(sound.hardState == HardState(term: Term(3), vote: NodeID(2)))
    }

    /// What must be found, by the place of the damage and nothing else.
    private struct Expected {
        var rows: [Row]
        /// The last entry that counts.
        var last: UInt64
        var mayVote: Bool
    }

    private static func expectation(_ log: SmallLog, segment: Int, offset: Int) -> Expected {
        let nothing = Expected(rows: [.successorAgrees, .onlyZerosFollow], last: 7, mayVote: true)
        if offset < FileHeader.byteCount {
            return segment == 0
                ? Expected(rows: [.headerIsDamaged], last: 0, mayVote: false)
                : Expected(rows: [.successorIsDamaged], last: 3, mayVote: false)
        }
        if offset < SegmentHeader.recordsBegin { return nothing }
        if let batch = log.batches.first(where: { $0.segment == segment && $0.range.contains(offset) }) {
            if batch.padding.contains(offset) { return nothing }
            if segment == 0 { return Expected(rows: [.successorDisagrees], last: batch.last - 1, mayVote: false) }
            return batch.last < 7
                ? Expected(rows: [.successorAgrees, .laterBatchFollows], last: batch.last - 1, mayVote: false)
                // The assumption that is stated: rot in the very last batch looks like a write that never finished.
                : Expected(rows: [.successorAgrees, .somethingFollows], last: 6, mayVote: true)
        }
        if segment == 0 { return nothing }
        return Expected(rows: [.successorAgrees, .somethingFollows], last: 7, mayVote: true)
    }

    private func check(_ found: (recovered: RecoveredLog, report: OpenReport), _ expected: Expected, _ place: String) {
        #expect(found.report.rows == expected.rows, "\(place)")
        #expect(found.recovered.mayVote == expected.mayVote, "\(place)")
        #expect(found.recovered.entries == Array(SmallLog.entries.prefix(Int(expected.last))), "\(place)")
        #expect(found.recovered.snapshot == genesis, "\(place)")
        if !expected.mayVote {
            #expect(found.report.findings.contains { if case .damage = $0 { true } else { false } }, "\(place)")
            // Terms that stand behind the damage are known all the same.
            #expect(found.recovered.hardState.term == Term(3), "\(place)")
        }
        if expected.last == 7 { #expect(found.recovered.hardState == sound.hardState, "\(place)") }
    }

    @Test("every single damaged byte leads to exactly the row that its place calls for", arguments: 0..<8)
    func everyByte(_ part: Int) throws {
        var rows: Set<String> = []
        for segment in 0..<2 {
            let end = segment == 0 ? (log.batches.first { $0.last == 3 }?.range.upperBound ?? 0) : log.end
            let unused = stride(from: FileHeader.byteCount, to: SegmentHeader.recordsBegin, by: 509)
            let behind = stride(from: end, to: log.segments[segment].count, by: 211)
            let places =
                Array(0..<FileHeader.byteCount) + Array(unused) + Array(SegmentHeader.recordsBegin..<end)
                + Array(behind)
            for offset in places where offset % 8 == part {
                var damaged = log.segments
                damaged[segment][offset] ^= UInt8(1 << (offset / 8 % 8))
                let expected = Self.expectation(log, segment: segment, offset: offset)
                check(try log.open(damaged), expected, "byte \(offset) of segment \(segment + 1)")
                rows.formUnion(expected.rows.map(\.rawValue))
            }
        }
        #expect(rows.count == 7)
    }

    /// What a damaged sector leaves: zeros, noise, or what it was with every bit inverted.
    @Test(
        "every damaged sector leads to the row that it calls for, and cuts nothing but the very last bytes of the log")
    func everySector() throws {
        var chance = Chance(5)
        for segment in 0..<2 {
            for sector in 0..<log.segments[segment].count / 512 {
                for kind in 0..<3 {
                    let range = sector * 512..<(sector + 1) * 512
                    var damaged = log.segments
                    for offset in range {
                        let noise = UInt8.random(in: 0...255, using: &chance)
                        damaged[segment][offset] = kind == 0 ? 0 : kind == 1 ? noise : ~damaged[segment][offset]
                    }
                    let found = try log.open(damaged)
                    checkSector(found, damaged, segment, range)
                }
            }
        }
    }

    private func checkSector(
        _ found: (recovered: RecoveredLog, report: OpenReport), _ damaged: [[UInt8]], _ segment: Int,
        _ range: Range<Int>
    ) {
        let place = "sector at \(range.lowerBound) of segment \(segment + 1)"
        let isAltered = damaged != log.segments
        let touched = log.batches.filter { $0.segment == segment && $0.range.overlaps(range) }
        guard isAltered, let first = touched.first else {
            let header = isAltered && range.lowerBound == 0
            #expect(found.recovered.mayVote == !header, "\(place)")
            #expect(header || found.recovered.entries == SmallLog.entries, "\(place)")
            return
        }
        #expect(found.recovered.entries == Array(SmallLog.entries.prefix(Int(first.last) - 1)), "\(place)")
        let later = log.batches.filter { $0.segment == segment && $0.last > first.last }
        // One header of a later batch is enough to know that the damaged one was synced.
        let isProven = segment == 0 || later.contains { $0.headers.contains { !$0.overlaps(range) } }
        #expect(found.recovered.mayVote == !isProven, "\(place)")
        if !isProven { #expect(found.report.rows.last != .laterBatchFollows, "\(place)") }
    }

    @Test("every subset of the sectors of an unsynced last batch leaves all of it or nothing, and all before it")
    func everySubsetOfTheLastBatch() throws {
        let last = try #require(log.batches.last)
        let sectors = Array(last.range.lowerBound / 512...(last.range.upperBound - 1) / 512)
        #expect(sectors.count >= 5)
        for subset in 0..<(1 << sectors.count) {
            var torn = log.segments
            for (position, sector) in sectors.enumerated() where subset & (1 << position) == 0 {
                for offset in max(sector * 512, last.range.lowerBound)..<min((sector + 1) * 512, last.range.upperBound)
                {
                    torn[1][offset] = 0
                }
            }
            let isWhole = torn == log.segments
            let isGone = torn[1][last.range].allSatisfy { $0 == 0 }
            let row: Row = isWhole || isGone ? .onlyZerosFollow : .somethingFollows
            check(
                try log.open(torn), Expected(rows: [.successorAgrees, row], last: isWhole ? 7 : 6, mayVote: true),
                "subset \(subset)")
        }
    }

    @Test("every subset of the sectors of a new segment's first batch leaves all of it or nothing")
    func everySubsetOfAFirstBatch() throws {
        let first = try #require(log.batches.first { $0.segment == 1 })
        let sectors = Array(first.range.lowerBound / 512...(first.range.upperBound - 1) / 512)
        var fresh = log.segments
        for offset in first.range.upperBound..<fresh[1].count { fresh[1][offset] = 0 }
        for subset in 0..<(1 << sectors.count) {
            var torn = fresh
            for (position, sector) in sectors.enumerated() where subset & (1 << position) == 0 {
                for offset in max(
                    sector * 512, first.range.lowerBound)..<min((sector + 1) * 512, first.range.upperBound)
                {
                    torn[1][offset] = 0
                }
            }
            let isWhole = torn == fresh
            let isGone = torn[1][first.range].allSatisfy { $0 == 0 }
            let found = try log.open(torn)
            #expect(found.recovered.entries == Array(SmallLog.entries.prefix(isWhole ? 4 : 3)))
            #expect(found.recovered.hardState.term == Term(isWhole ? 3 : 2))
            #expect(found.recovered.mayVote)
            #expect(found.report.rows.last == (isWhole || isGone ? .onlyZerosFollow : .somethingFollows))
        }
    }

    // MARK: - Each row, once more by name

    @Test("each row of the table is reached through files, with its decision", arguments: Row.allCases)
    func eachRow(_ row: Row) throws {
        let (segments, mayVote) = try files(row)
        let (recovered, report) = try log.open(segments)
        #expect(report.rows.contains(row))
        #expect(recovered.mayVote == mayVote)
        let isReported = report.findings.contains { if case .damage = $0 { true } else { false } }
        #expect(isReported == !mayVote)
        #expect(
            report.findings.contains { if case .tornTail = $0 { true } else { false } } == (row == .somethingFollows))
        #expect(SmallLog.entries.starts(with: recovered.entries))
    }

    /// - Returns: the segments by name, and whether the server may vote.
    private func files(_ row: Row) throws -> ([String: [UInt8]], mayVote: Bool) {
        var (one, two) = (log.segments[0], log.segments[1])
        let second = try #require(log.batches.first { $0.segment == 1 })
        var successor = 2
        switch row {
        case .onlyZerosFollow, .successorAgrees: break
        case .headerIsDamaged: one[9] ^= 1
        case .successorIsDamaged: two[9] ^= 1
        case .somethingFollows: two[log.end + 100] = 1
        case .laterBatchFollows: two[second.range.lowerBound + 3] ^= 1
        case .successorDisagrees: one[SegmentHeader.recordsBegin + 3] ^= 1
        case .contentsMakeNoSense: two = Array(two.prefix(100))
        case .successorIsMissing:
            successor = 3
            let stranger = SegmentHeader(id: 3, firstBatch: 9, previousID: 2, previousEnd: 8000)
            two.replaceSubrange(0..<FileHeader.byteCount, with: stranger.fileHeader(SmallLog.identity).encoded())
        }
        let isGood = row == .onlyZerosFollow || row == .successorAgrees || row == .somethingFollows
        return ([FileNames.segment(1): one, FileNames.segment(UInt64(successor)): two], isGood)
    }

    @Test("the documentation has the very same table")
    func documented() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/formats/write-ahead-log.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for row in Row.allCases {
            let words = row.words
            let cells = [words.followedBy, words.behind, words.decision].map { $0.isEmpty ? "" : $0 + " " }
            #expect(text.contains("| \(cells[0])| \(cells[1])| \(cells[2])|"), "\(row)")
        }
    }
}
