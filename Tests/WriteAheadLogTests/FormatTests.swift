import Foundation
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// A file as its length and those of its bytes that are not zero.
struct GoldenFile {
    var name: String
    var length: Int
    var runs: [(offset: Int, hexadecimal: String)]

    init(_ name: String, _ length: Int, _ runs: [(Int, String)]) {
        self.name = name
        self.length = length
        self.runs = runs
    }

    private static let run = 40

    init(_ name: String, _ bytes: [UInt8]) {
        self.init(name, bytes.count, [])
        for offset in stride(from: 0, to: bytes.count, by: Self.run) {
            let piece = bytes[offset..<min(offset + Self.run, bytes.count)]
            guard piece.contains(where: { $0 != 0 }) else { continue }
            runs.append((offset, piece.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()))
        }
    }

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        for (offset, text) in runs {
            let digits = Array(text)
            for position in stride(from: 0, to: digits.count, by: 2) {
                bytes[offset + position / 2] = UInt8(String(digits[position...position + 1]), radix: 16) ?? 0
            }
        }
        return bytes
    }

    var source: String {
        let lines = runs.map { "            (\($0.offset), \"\($0.hexadecimal)\"),\n" }.joined()
        return "    GoldenFile(\n        \"\(name)\", \(length),\n        [\n\(lines)        ]),\n"
    }
}

@Suite("Format versions and files that are not ours")
struct FormatTests {
    // MARK: - The golden directory

    private static let noop = Entry(index: LogIndex(1), term: Term(3), kind: .noop, payload: [])
    private static let command = entry(2, term: 3, bytes: 50)
    private static let zeros = Entry(
        index: LogIndex(3), term: Term(3), kind: .command, payload: [UInt8](repeating: 0, count: 9000))
    private static let configured = Entry(index: LogIndex(4), term: Term(4), kind: .configuration, payload: [1, 2, 3])
    private static let more = Entry(
        index: LogIndex(5), term: Term(4), kind: .command, payload: [UInt8](repeating: 0, count: 7000))
    private static let leaving: Member = {
        var member = member(2)
        member.role = .leaving
        return member
    }()
    private static let joint = SnapshotMetadata(
        index: LogIndex(2), term: Term(3),
        configuration: Configuration(
            members: [member(1), leaving, member(4)], outgoingVoters: [NodeID(1), NodeID(2)], featureLevel: 2),
        configurationIndex: LogIndex(1))

    /// Every kind of file and of record.
    private func writeGolden() throws -> Server {
        let server = Server(options: SmallLog.options)
        var directory = try server.directory()
        try directory.hold(testConfiguration)
        directory.close()
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(3), vote: NodeID(2)), [Self.noop])])
        try log.append([write([Self.command, Self.zeros])])
        try server.publish(Self.joint, bytes: 70)
        try log.append([write(snapshot: Self.joint, keepsTail: true, [entry(4, term: 3, bytes: 9)])])
        try log.append([write(hardState: HardState(term: Term(4)), truncateFrom: 4, [Self.configured])])
        try log.append([write([Self.more])])
        #expect(log.segments == [1, 2])
        server.files.crash(.everything)
        directory = try server.directory()
        try directory.demandRepair("of a test", term: Term(6))
        server.files.crash(.everything)
        return server
    }

    private func names(_ server: Server) throws -> [String] {
        try server.names.filter { $0 != FileNames.lock && FileNames.preparedNumber($0) == nil }
    }

    @Test("a directory that format version 1 wrote is read, each file and each record of it")
    func readsVersion1() throws {
        let server = Server(options: SmallLog.options)
        try server.files.createDirectory(testPath)
        for file in goldenVersion1 { try server.replace(file.name, file.bytes) }
        let directory = try LogDirectory.open(testPath, files: server.files, holder: "pid 1")
        #expect(directory.identity == LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0))
        #expect(directory.firstConfiguration == testConfiguration)
        #expect(directory.heldConfiguration == testConfiguration)
        #expect(directory.pendingRepair == "of a test")
        #expect(directory.pendingRepairTerm == Term(6))
        let store = try SnapshotStore(directory)
        #expect(try store.verify(SnapshotPlace(index: LogIndex(2), term: Term(3))) == Self.joint)
        let recovered = try SimulatedLog.open(directory, snapshots: store, options: server.options).recovered
        #expect(recovered.hardState == HardState(term: Term(6)))
        #expect(recovered.snapshot == Self.joint)
        #expect(recovered.entries == [Self.noop, Self.command, Self.zeros, Self.configured, Self.more])
        #expect(!recovered.mayVote)
    }

    /// If this fails, the format has changed. Then it has a new version: raise `FileHeader.supportedVersion`, go on
    /// reading version 1 (and keep its golden directory), and write the new version's beside it with
    /// `STARLING_REWRITE_GOLDEN=1 swift test --filter FormatTests`.
    @Test("this program writes version 1 byte for byte")
    func writesVersion1() throws {
        let server = try writeGolden()
        let written = try names(server).map { GoldenFile($0, try server.contents($0)) }
        if ProcessInfo.processInfo.environment["STARLING_REWRITE_GOLDEN"] == "1" { try rewrite(written) }
        #expect(FileHeader.supportedVersion == 2)
        #expect(written.map(\.name) == goldenVersion1.map(\.name))
        for (new, old) in zip(written, goldenVersion1) { #expect(new.bytes == old.bytes, "\(new.name)") }
    }

    private func rewrite(_ files: [GoldenFile]) throws {
        let text =
            "/// A data directory that format version 1 wrote. It never changes; see `FormatTests`.\n"
            + "let goldenVersion1: [GoldenFile] = [\n" + files.map(\.source).joined() + "]\n"
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("GoldenVersion1.swift")
        try text.write(to: file, atomically: false, encoding: .utf8)
    }

    // MARK: - Newer files

    static let kinds: [(name: String, magic: FileHeader.Magic)] = [
        (FileNames.identity, .identity), (FileNames.genesis, .genesis), (FileNames.held, .genesis),
        (FileNames.repair, .repair), (FileNames.segment(1), .segment), (FileNames.segment(2), .segment),
        (SnapshotPlace(index: LogIndex(2), term: Term(3)).fileName, .snapshot), (FileNames.recovery, .recovery),
    ]

    /// Opens all there is, and says why not.
    private func open(_ server: Server) -> String? {
        defer { server.files.crash(.nothing) }
        do {
            _ = try server.open()
            return nil
        } catch let error as LogDirectoryError {
            return error.description
        } catch let error as LogError {
            return error.description
        } catch {
            return "neither a directory's nor a log's error: \(error)"
        }
    }

    private func golden() throws -> Server {
        let server = Server(options: SmallLog.options)
        try server.files.createDirectory(testPath)
        for file in goldenVersion1 { try server.replace(file.name, file.bytes) }
        return server
    }

    private func change(
        _ server: Server, _ kind: (name: String, magic: FileHeader.Magic), _ body: (inout FileHeader) -> Void
    ) throws {
        if kind.magic == .recovery {
            var header = FileHeader(magic: .recovery, cluster: testCluster, node: testNode, fields: (1, 0, 0, 0))
            body(&header)
            try server.replace(kind.name, header.encoded())
            return
        }
        let old = try server.contents(kind.name)
        guard case .valid(var header) = old.withUnsafeBytes({ FileHeader.read($0, expecting: kind.magic) }) else {
            Issue.record("\(kind.name) has no header")
            return
        }
        body(&header)
        var bytes = header.encoded(body: Array(old[FileHeader.byteCount...].prefix(Int(header.bodyLength))))
        bytes += old[bytes.count...]
        try server.replace(kind.name, bytes)
    }

    @Test("a newer version of any file is refused with its name, its version and ours, and nothing is changed")
    func newer() throws {
        for kind in Self.kinds {
            let server = try golden()
            try change(server, kind) { $0.version = 7 }
            let before = try server.names
            let contents = try before.map { try server.contents($0) }
            let sentence = try #require(open(server), "\(kind.name) was opened")
            #expect(sentence.contains("data/\(kind.name) has format version 7"), "\(sentence)")
            #expect(sentence.contains("this program knows versions up to 2"), "\(sentence)")
            #expect(try server.names.filter { $0 != FileNames.lock } == before)
            for (name, bytes) in zip(before, contents) { #expect(try server.contents(name) == bytes) }
        }
    }

    @Test("version 0, which there never was, is damage and not an older version")
    func versionZero() throws {
        let server = try golden()
        try change(server, Self.kinds[0]) { $0.version = 0 }
        #expect(open(server)?.contains("version 0") == true)
    }

    // MARK: - Foreign files

    @Test("a file of another cluster is refused, whichever it is, and nothing is changed")
    func otherCluster() throws {
        for kind in Self.kinds where kind.magic != .repair && kind.magic != .identity && kind.magic != .recovery {
            let server = try golden()
            try change(server, kind) { $0.cluster = ClusterID(0xBAD) }
            let before = try server.names
            let sentence = try #require(open(server), "\(kind.name) was opened")
            #expect(sentence.contains("data/\(kind.name) belongs to cluster 0000000000000bad"), "\(sentence)")
            #expect(try server.names.filter { $0 != FileNames.lock } == before)
        }
    }

    @Test(
        "a file of another node is refused; a snapshot may come from any, and a demand for repair counts all the same")
    func otherNode() throws {
        for kind in Self.kinds where kind.magic == .genesis || kind.magic == .segment {
            let server = try golden()
            try change(server, kind) { $0.node = NodeID(0xBAD) }
            let sentence = try #require(open(server), "\(kind.name) was opened")
            #expect(sentence.contains("data/\(kind.name) belongs to node 0000000000000bad"), "\(sentence)")
        }
        for kind in Self.kinds where kind.magic == .snapshot || kind.magic == .repair {
            let server = try golden()
            try change(server, kind) { $0.node = NodeID(0xBAD) }
            #expect(try !server.open().recovered.mayVote)
        }
    }

    // MARK: - Truncated files and noise

    /// What a damaged file of each kind comes to.
    private func check(_ server: Server, _ name: String, _ magic: FileHeader.Magic, _ what: String) throws {
        switch magic {
        case .genesis where name == FileNames.held:
            // There is a first configuration: nobody needs the promise to adopt it any more.
            #expect(try server.open().recovered.hardState.term == Term(6), "\(name), \(what)")
        case .identity, .genesis, .recovery:
            let sentence = try #require(open(server), "\(name) was opened, \(what)")
            #expect(sentence.contains("data/\(name) is damaged"), "\(sentence)")
        case .removal: Issue.record("RemovalTests has it")
        case .repair, .segment, .snapshot:
            let (_, recovered, report) = try server.open()
            #expect(!recovered.mayVote, "\(name), \(what)")
            #expect(recovered.hardState.term == Term(6))
            if magic == .snapshot { #expect(report.findings.contains { "\($0)".contains(name) }, "\(name), \(what)") }
        }
    }

    @Test("a file cut short or full of noise is refused by name, or leads to repair; it never traps")
    func cutAndNoise() throws {
        var chance = Chance(11)
        for kind in Self.kinds where kind.magic != .recovery && kind.magic != .repair {
            let whole = try golden().contents(kind.name)
            let used = try #require(whole.lastIndex { $0 != 0 }) + 1
            for cut in [0, 1, 8, 79, 80, 81, used / 2, used - 1] where cut < used {
                let server = try golden()
                try server.replace(kind.name, Array(whole.prefix(cut)))
                try check(server, kind.name, kind.magic, "cut to \(cut)")
            }
            for length in [1, 79, 80, 200, 5000] {
                let server = try golden()
                try server.replace(kind.name, (0..<length).map { _ in UInt8.random(in: 0...255, using: &chance) })
                try check(server, kind.name, kind.magic, "\(length) bytes of noise")
            }
        }
        // A demand for repair counts, whatever has become of it.
        for bytes in [[], [1, 2, 3], [UInt8](repeating: 0xA5, count: 300)] as [[UInt8]] {
            let server = try golden()
            try server.replace(FileNames.repair, bytes)
            #expect(try !server.open().recovered.mayVote)
            let noMarker = try golden()
            try noMarker.replace(FileNames.recovery, bytes)
            try check(noMarker, FileNames.recovery, .recovery, "\(bytes.count) bytes")
        }
    }

    @Test("prepared and reserve files that hold anything but zeros are not used")
    func preparedFiles() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.prepareNextSegment()
        server.files.crash(.nothing)
        for name in try server.names where FileNames.isReserve(name) || FileNames.preparedNumber(name) != nil {
            server.files.rot("data/" + name, at: 9000)
        }
        let (again, _, _) = try server.open()
        for index in 1...40 { try again.append([write([entry(UInt64(index), bytes: 1000)])]) }
        server.files.setCapacity(server.files.usedBytes)
        for term in 2...40 { try again.append([write(hardState: HardState(term: Term(UInt64(term))))]) }
        let (_, recovered, report) = try server.restart(.everything)
        #expect(recovered.entries == (1...40).map { entry($0, bytes: 1000) })
        #expect(!report.findings.contains { if case .damage = $0 { true } else { false } })
    }
}
