import ByteCoding
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// A client knows the cluster's and the servers' ids, and can write any bytes into the log. They must never pass for records of it.
@Suite("Forged records")
struct ForgedRecordsTests {
    /// Headers that would be valid in segment 1 of a directory without a secret.
    private func forgery(term: UInt64, batch: UInt64 = 1 << 40) -> [UInt8] {
        let known = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
        let salt = SegmentHeader.salt(known, id: 1)
        var bytes: [UInt8] = []
        for _ in 0..<4 {
            let header = RecordHeader(
                kind: .hardState, payloadLength: 0, index: 9, term: term, batch: batch, payloadChecksum: 0)
            _ = header.encode(into: &bytes, salt: salt)
        }
        return bytes
    }

    private func forged(_ index: UInt64, term: UInt64) -> Entry {
        Entry(index: LogIndex(index), term: Term(1), kind: .command, payload: forgery(term: term))
    }

    /// Where in segment 1 the payload of the entry is.
    private func place(_ server: Server, of index: UInt64) throws -> Int {
        let inspection = try LogInspection.inspect(testPath, files: server.files)
        let record = inspection.segments[0].records.first { $0.kind == "entry" && $0.index == index }
        return try #require(record).offset + RecordHeader.byteCount
    }

    private func server(secret: UInt64, _ entries: [Entry]) throws -> Server {
        var server = Server()
        server.secret = secret
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(1), vote: NodeID(2)))])
        for entry in entries { try log.append([write([entry])]) }
        server.files.crash(.everything)
        return server
    }

    @Test("a write that never finished is cut, whatever a client wrote in it")
    func torn() throws {
        func open(secret: UInt64) throws -> (mayVote: Bool, entries: [Entry]) {
            let server = try server(secret: secret, [entry(1), forged(2, term: 7)])
            let name = FileNames.segment(1)
            var bytes = try server.contents(name)
            // The forgery reached the disk, and the commit mark behind it did not.
            let end = try place(server, of: 2) + forgery(term: 7).count
            bytes.replaceSubrange(end..., with: [UInt8](repeating: 0, count: bytes.count - end))
            try server.replace(name, bytes)
            let recovered = try server.open().recovered
            return (recovered.mayVote, recovered.entries)
        }
        let safe = try open(secret: 77)
        #expect(safe.mayVote && safe.entries == [entry(1)])
        // Without a secret it looks like damage: the forgery is good enough to show what the secret is for.
        #expect(try !open(secret: 0).mayVote)
    }

    @Test("no term is taken from a client's bytes when the log is damaged")
    func terms() throws {
        func term(secret: UInt64, rotting index: UInt64, forged term: UInt64) throws -> UInt64 {
            let server = try server(secret: secret, [entry(1), forged(2, term: term), entry(3), entry(4)])
            server.files.rot("data/" + FileNames.segment(1), at: try place(server, of: index) + 3)
            let recovered = try server.open().recovered
            #expect(!recovered.mayVote)
            return recovered.hardState.term.rawValue
        }
        // The forgery in a record that is whole, and in the one that rots.
        #expect(try term(secret: 77, rotting: 3, forged: 5_000) == 1)
        #expect(try term(secret: 77, rotting: 2, forged: 5_000) == 1)
        // Without a secret whole records are passed over, and absurd terms are not believed; a possible one is.
        #expect(try term(secret: 0, rotting: 3, forged: 5_000) == 1)
        #expect(try term(secret: 0, rotting: 2, forged: 1 << 61) == 1)
        #expect(try term(secret: 0, rotting: 2, forged: 5_000) == 5_000)
    }

    @Test("a forged commit mark hides nothing that stands behind it")
    func hides() throws {
        let known = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
        var bytes: [UInt8] = []
        let header = RecordHeader(
            kind: .commit, payloadLength: 8_000, index: 1, term: 40, batch: 2, payloadChecksum: 0)
        _ = header.encode(into: &bytes, salt: SegmentHeader.salt(known, id: 1))
        let mark = Entry(index: LogIndex(2), term: Term(1), kind: .command, payload: bytes)
        let server = Server()
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(1)), [entry(1)])])
        try log.append([write([mark])])
        try log.append([write(hardState: HardState(term: Term(9), vote: NodeID(2)))])
        server.files.crash(.everything)
        // The record's own header, so that only the search comes to what is in it.
        server.files.rot("data/" + FileNames.segment(1), at: try place(server, of: 2) - 10)
        #expect(try server.open().recovered.hardState.term == Term(9))
    }

    /// Computed by other means than this program. If this fails, every log of version 2 would be taken for damage.
    @Test("version 2: where the secret is in an identity, and how a segment's checksums begin from it")
    func golden() throws {
        let identity = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0x0102_0304_0506_0708)
        #expect(SegmentHeader.salt(identity, id: 1) == 0xB031_D2AE)
        let golden = GoldenFile(
            FileNames.identity, 82,
            [
                (0, "535441524944454e0200000002000000eeffc00000000000ce110a000000000000000000000000000000000000000000"),
                (48, "000000000000000000000000000000007ec157b808070605040302010d3ce8f77331"),
            ]
        )
        let files = SimulatedFileSystem(seed: 1)
        var directory = try LogDirectory.open(testPath, files: files, holder: "pid 1")
        try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1", secret: identity.secret)
        #expect(try files.contents(of: join(testPath, FileNames.identity)) == golden.bytes)
        directory.close()
        #expect(try LogDirectory.open(testPath, files: files, holder: "pid 1").identity?.secret == identity.secret)
    }

    @Test("a new directory has a secret of its own, and its identity says so by its version")
    func secret() throws {
        func secret() throws -> UInt64 {
            let files = SimulatedFileSystem(seed: 1)
            var directory = try LogDirectory.open(testPath, files: files, holder: "pid 1")
            try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1")
            directory.close()
            let bytes = try files.contents(of: join(testPath, FileNames.identity))
            guard case .valid(let header) = FileHeader.readWithBody(bytes, expecting: .identity).0 else { return 0 }
            #expect(header.version == 2)
            let again = try LogDirectory.open(testPath, files: files, holder: "pid 1")
            #expect(again.identity?.secret == header.secret)
            return header.secret
        }
        let first = try secret()
        #expect(try first != 0 && first != secret())
    }
}
