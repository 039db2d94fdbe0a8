import ByteCoding
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Torn, reordered and rotted bytes")
struct CrashTests {
    /// A small log of four batches, its one segment's bytes, and where each batch ends.
    private func smallLog() throws -> (server: Server, name: String, bytes: [UInt8], ends: [Int]) {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(1), vote: NodeID(1)), [entry(1, bytes: 5)])])
        try log.append([write([entry(2, bytes: 700), entry(3, bytes: 0)])])
        try log.append([write(truncateFrom: 3, [entry(3, term: 2)])])
        try log.append([write([entry(4, term: 2, bytes: 600)]), write([entry(5, term: 2, bytes: 9)])])
        log.close()
        server.files.crash(.nothing)
        let name = FileNames.segment(1)
        let bytes = try server.contents(name)
        let ends = records(bytes).filter { $0.header.kind == .commit }.map { $0.offset + $0.header.byteCountInFile }
        #expect(ends.count == 4)
        return (server, name, bytes, ends)
    }

    private func records(_ bytes: [UInt8]) -> [(offset: Int, header: RecordHeader)] {
        let salt = SegmentHeader.salt(LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0), id: 1)
        var offset = SegmentHeader.recordsBegin
        var found: [(Int, RecordHeader)] = []
        bytes.withUnsafeBytes { raw in
            while let header = RecordHeader.read(raw, at: offset, salt: salt) {
                found.append((offset, header))
                offset += header.byteCountInFile
            }
        }
        return found
    }

    private let whole = [
        entry(1, bytes: 5), entry(2, bytes: 700), entry(3, term: 2), entry(4, term: 2, bytes: 600),
        entry(5, term: 2, bytes: 9),
    ]

    /// A disk of its own with a changed copy of the segment.
    private func recover(_ server: Server, _ name: String, _ bytes: [UInt8]) throws -> (RecoveredLog, OpenReport) {
        let copy = Server(options: tinyOptions)
        copy.files.crash(.nothing)
        try copy.files.createDirectory(testPath)
        _ = try copy.directory()
        copy.files.crash(.nothing)
        try copy.replace(name, bytes)
        let (log, recovered, report) = try copy.open()
        // Whatever was found, the log can be used, and a second opening agrees with the first.
        let next = recovered.entries.last?.index.next ?? recovered.snapshot.index.next
        try log.append([write([entry(next.rawValue, term: 9)])])
        let again = try copy.restart(.everything).recovered
        #expect(again.entries == recovered.entries + [entry(next.rawValue, term: 9)])
        #expect(again.hardState == recovered.hardState)
        #expect(again.mayVote == recovered.mayVote)
        return (recovered, report)
    }

    @Test("a last batch cut at any byte is dropped as a whole, and everything before it stays")
    func everyByteCut() throws {
        let (server, name, bytes, ends) = try smallLog()
        for cut in ends[2]..<ends[3] {
            var torn = bytes
            for offset in cut..<ends[3] { torn[offset] = 0 }
            // A cut in zeros that were written anyway loses nothing.
            if torn == bytes { continue }
            let (recovered, report) = try recover(server, name, torn)
            #expect(recovered.entries == Array(whole.prefix(3)), "cut at \(cut)")
            #expect(recovered.mayVote)
            #expect(report.findings.count == (torn[ends[2]...].allSatisfy { $0 == 0 } ? 0 : 1))
        }
    }

    @Test("whatever subset of a last batch's sectors is missing, all of the batch is dropped and nothing else")
    func everySectorSubset() throws {
        let (server, name, bytes, ends) = try smallLog()
        let first = ends[2] / 512
        let last = (ends[3] - 1) / 512
        #expect(last - first >= 1)
        for subset in 1..<(1 << (last - first + 1)) {
            var torn = bytes
            for sector in first...last where subset & (1 << (sector - first)) != 0 {
                for offset in max(sector * 512, ends[2])..<min((sector + 1) * 512, ends[3]) { torn[offset] = 0 }
            }
            let (recovered, _) = try recover(server, name, torn)
            #expect(recovered.entries == Array(whole.prefix(3)))
            #expect(recovered.mayVote)
        }
    }

    @Test("a rotted bit in any record but the last batch's is damage: nothing is cut silently, and voting stops")
    func rotInTheMiddle() throws {
        let (server, name, bytes, ends) = try smallLog()
        for (offset, header) in records(bytes) where offset < ends[2] {
            let used = Array(0..<RecordHeader.byteCount + header.payloadLength)
            for position in used where position < RecordHeader.byteCount || position % 97 == 0 {
                var rotted = bytes
                rotted[offset + position] ^= 0x10
                let (recovered, report) = try recover(server, name, rotted)
                #expect(!recovered.mayVote, "byte \(position) of the record at \(offset)")
                let batch = ends.firstIndex { offset < $0 } ?? 0
                let start = batch == 0 ? SegmentHeader.recordsBegin : ends[batch - 1]
                guard case .damage(let file, let place, _)? = report.findings.first else {
                    Issue.record("no damage reported")
                    return
                }
                #expect(file == "data/" + name)
                #expect(place == start)
                let kept = [0, 1, 3, 3][batch]
                if batch < 2 {
                    #expect(recovered.entries == Array(whole.prefix(kept)).prefix(recovered.entries.count) + [])
                }
            }
        }
    }

    @Test("a rotted segment header is damage")
    func rotInHeader() throws {
        let (server, name, bytes, _) = try smallLog()
        for position in 0..<FileHeader.byteCount {
            var rotted = bytes
            rotted[position] ^= 0x04
            let (recovered, _) = try recover(server, name, rotted)
            #expect(!recovered.mayVote, "byte \(position)")
        }
    }

    @Test("rot in a segment that others follow is damage even in its last batch; later segments are set aside")
    func rotAcrossSegments() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...150 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        #expect(log.segments == [1, 2, 3])
        log.close()
        server.files.crash(.nothing)
        let second = try server.contents(FileNames.segment(2))
        let lastNonZero = try #require(second.lastIndex { $0 != 0 })
        server.files.rot("data/" + FileNames.segment(2), at: lastNonZero)

        let (again, recovered, report) = try server.open()
        #expect(!recovered.mayVote)
        #expect(recovered.entries.count > 55 && recovered.entries.count < 150)
        #expect(recovered.entries == (1...recovered.entries.count).map { entry(UInt64($0), bytes: 1000) })
        #expect(report.findings.contains(.setAside(file: "data/" + FileNames.segment(3) + ".damaged")))
        #expect(try server.names.contains(FileNames.segment(3) + ".damaged"))
        #expect(again.segments.last == 4)
        // It stays so until somebody says that it is repaired.
        let (third, still, _) = try server.restart()
        #expect(!still.mayVote)
        #expect(still.entries == recovered.entries)
        #expect(third.isRepairPending)
        try third.markRepaired()
        #expect(!third.isRepairPending)
        #expect(try server.restart().recovered.mayVote)
    }

    @Test("a segment that is missing in the middle is damage")
    func missingSegment() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...150 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        log.close()
        server.files.crash(.nothing)
        try server.files.remove("data/" + FileNames.segment(2))
        try server.files.syncDirectory("data")
        let (_, recovered, report) = try server.open()
        #expect(!recovered.mayVote)
        #expect(recovered.entries == (1...recovered.entries.count).map { entry(UInt64($0), bytes: 1000) })
        #expect(report.findings.contains { if case .damage = $0 { true } else { false } })
    }

    @Test("random bytes in a segment never trap and never invent an entry")
    func randomBytes() throws {
        let (server, name, bytes, ends) = try smallLog()
        var chance = Chance(7)
        for _ in 0..<300 {
            var changed = bytes
            let from = Int.random(in: 0..<ends[3], using: &chance)
            let count = Int.random(in: 1...4000, using: &chance)
            for offset in from..<min(from + count, changed.count) {
                changed[offset] = UInt8.random(in: 0...255, using: &chance)
            }
            let (recovered, _) = try recover(server, name, changed)
            for entry in recovered.entries { #expect(whole.contains(entry) || entry.index == LogIndex(3)) }
        }
        for _ in 0..<100 {
            let noise = (0..<Int.random(in: 0...9000, using: &chance)).map { _ in
                UInt8.random(in: 0...255, using: &chance)
            }
            let (recovered, _) = try recover(server, name, noise)
            #expect(recovered.entries == [])
            #expect(!recovered.mayVote)
        }
    }

    @Test("records whose checksums hold and that make no sense are damage and never trap")
    func nonsense() throws {
        let identity = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
        var chance = Chance(3)
        for _ in 0..<200 {
            var encoder = BatchEncoder()
            encoder.begin(batch: 1, salt: SegmentHeader.salt(identity, id: 1))
            for _ in 0..<4 {
                let choices: [UInt64] = [0, 1, 2, 5, .max, .max - 1, 1 << 63]
                let index = choices[Int.random(in: 0..<choices.count, using: &chance)]
                switch Int.random(in: 0..<4, using: &chance) {
                case 0: encoder.add(write([Entry(index: LogIndex(index), term: Term(1), kind: .noop, payload: [])]))
                case 1: encoder.add(write(truncateFrom: index))
                case 2: encoder.add(snapshot(index), detail: UInt8.random(in: 0...3, using: &chance))
                default: encoder.add(HardState(term: Term(index), vote: NodeID(index)))
                }
            }
            encoder.commit()
            let header = SegmentHeader(id: 1, firstBatch: 1, previousID: 0, previousEnd: 0)
            var bytes = header.fileHeader(identity).encoded()
            bytes += [UInt8](repeating: 0, count: SegmentHeader.recordsBegin - bytes.count) + encoder.bytes
            let server = Server()
            _ = try server.directory()
            server.files.crash(.nothing)
            try server.replace(FileNames.segment(1), bytes)
            let recovered = try server.open().recovered
            for (before, after) in zip(recovered.entries, recovered.entries.dropFirst()) {
                #expect(before.index.next == after.index)
            }
            if let first = recovered.entries.first { #expect(first.index <= recovered.snapshot.index.next) }
        }
    }
}
