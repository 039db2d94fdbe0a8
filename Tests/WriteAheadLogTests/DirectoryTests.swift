import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("A data directory says whose it is")
struct DirectoryTests {
    private func open(
        _ files: SimulatedFileSystem, cluster: ClusterID? = nil, node: NodeID? = nil
    ) throws -> LogDirectory<SimulatedFileSystem> {
        try LogDirectory.open(testPath, files: files, cluster: cluster, node: node, holder: "pid 77")
    }

    private func failure(_ body: () throws -> Void) -> LogDirectoryError? {
        #expect(throws: LogDirectoryError.self) { try body() }
    }

    @Test("first start: each step is durable and may be repeated, and a crash anywhere repeats harmlessly")
    func firstStart() throws {
        for seed in 0..<40 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            var directory = try open(files)
            #expect(!directory.isInitialised)
            files.crash()
            directory = try open(files)
            try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1")
            files.crash()
            directory = try open(files, cluster: testCluster, node: testNode)
            #expect(directory.identity == LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0))
            #expect(!directory.hasConfiguration)
            try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1")
            #expect(throws: LogError.self) {
                _ = try SimulatedLog.open(directory, snapshots: SnapshotStore(directory))
            }
            try directory.adopt(firstConfiguration: testConfiguration)
            files.crash()
            directory = try open(files)
            #expect(directory.firstConfiguration == testConfiguration)
            try directory.adopt(firstConfiguration: testConfiguration)
            let other = Configuration(members: [member(1)])
            #expect(failure { try directory.adopt(firstConfiguration: other) } == .otherConfiguration(path: testPath))
            let renamed = failure { try directory.initialise(clusterID: testCluster, nodeID: NodeID(5), name: "s1") }
            #expect(renamed?.description.contains("initialised already, as s1") == true)
        }
    }

    @Test("a crash in the middle of making the identity leaves none or all of it")
    func crashWhileInitialising() throws {
        for (write, seed) in zip([0, 1, 2, 0, 1, 2], 0...) {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            var directory = try open(files)
            if write == 0 {
                files.failWrite()
            } else if write == 1 {
                files.failNextSync()
            } else {
                files.failNextDirectorySync()
            }
            #expect(failure { try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1") } != nil)
            files.crash()
            directory = try open(files)
            try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1")
            files.crash()
            #expect(try open(files).isInitialised)
        }
    }

    @Test(
        "another cluster's, another node's and an unknown directory are refused, and nothing is written into the last")
    func foreign() throws {
        let server = Server()
        _ = try server.directory()
        server.files.crash(.nothing)
        let cluster = failure { _ = try open(server.files, cluster: ClusterID(1)) }
        #expect(cluster == .otherCluster(path: testPath, found: testCluster, expected: ClusterID(1)))
        let node = failure { _ = try open(server.files, node: NodeID(1)) }
        #expect(node == .otherNode(path: testPath, found: testNode, expected: NodeID(1)))
        // A refused directory is not left locked.
        _ = try open(server.files)

        let unknown = SimulatedFileSystem(seed: 1)
        try unknown.createDirectory(testPath)
        for name in ["photos", "letters"] { _ = try unknown.open("data/" + name, .create) }
        let refused = failure { _ = try open(unknown) }
        #expect(refused == .notStarling(path: testPath, found: "letters, photos"))
        #expect(try unknown.list(testPath) == ["letters", "photos"])
    }

    @Test(
        "a server that joins may have its plan in its directory, and beside that its certificates and keys, and nothing else"
    )
    func joining() throws {
        for (names, foreign) in [
            (["plan.json"], nil), (["plan.json.tmp"], nil), (["plan.json", "d.cert.pem", "d.key.pem.tmp"], nil),
            (["d.cert.pem"], "d.cert.pem"), (["plan.json", "photo.jpeg"], "photo.jpeg"),
        ] as [([String], String?)] {
            let files = SimulatedFileSystem(seed: 1)
            try files.createDirectory(testPath)
            for name in names { _ = try files.open("\(testPath)/\(name)", .create) }
            guard let foreign else {
                _ = try open(files)
                continue
            }
            let refused = failure { _ = try open(files) }
            #expect(refused == .notStarling(path: testPath, found: foreign), "\(names)")
        }
    }

    @Test("a second process is refused, and told who has the directory")
    func locked() throws {
        let files = SimulatedFileSystem(seed: 1)
        let first = try open(files)
        #expect(failure { _ = try open(files) } == .inUse(path: testPath, holder: "pid 77"))
        first.close()
        _ = try open(files)
    }

    @Test("files of a newer version are refused with a message that says so, and nothing is changed")
    func newer() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        log.close()
        server.files.crash(.nothing)
        for (name, magic) in [
            (FileNames.segment(1), FileHeader.Magic.segment), (FileNames.genesis, .genesis),
            (FileNames.identity, .identity),
        ] {
            let old = try server.contents(name)
            guard case .valid(var header) = old.withUnsafeBytes({ FileHeader.read($0, expecting: magic) }) else {
                Issue.record("no header")
                continue
            }
            header.version = 3
            try server.replace(name, header.encoded() + old[FileHeader.byteCount...])
            let before = try server.names
            let expected = LogDirectoryError.newerVersion(file: "data/" + name, found: 3, supported: 2)
            #expect("\(expected)".contains("has format version 3"))
            do {
                _ = try server.open()
                Issue.record("it was opened")
            } catch let error as LogError {
                #expect(error == .directory(expected))
            } catch let error as LogDirectoryError {
                #expect(error == expected)
            }
            server.files.crash(.nothing)
            #expect(try server.names == before)
            try server.replace(name, old)
        }
        #expect(try server.open().recovered.entries == [entry(1)])
    }

    @Test("a damaged identity is an error, never a new node")
    func damagedIdentity() throws {
        for offset in 0..<(FileHeader.byteCount + 2) {
            let server = Server()
            _ = try server.directory()
            server.files.crash(.nothing)
            #expect(server.files.rot("data/identity", at: offset))
            guard case .damaged(let file, _)? = failure({ _ = try open(server.files) }) else {
                Issue.record("byte \(offset)")
                continue
            }
            #expect(file == "data/identity")
        }
    }

    @Test("a segment copied from another server is refused")
    func foreignSegment() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        log.close()
        server.files.crash(.nothing)
        let other = LogIdentity(cluster: testCluster, node: NodeID(99), name: "x", secret: 0)
        let header = SegmentHeader(id: 2, firstBatch: 1, previousID: 1, previousEnd: 4096)
        try server.replace(FileNames.segment(2), header.fileHeader(other).encoded())
        #expect(
            throws: LogError.directory(
                .otherNode(path: "data/" + FileNames.segment(2), found: NodeID(99), expected: testNode))
        ) { _ = try server.open() }
    }

    @Test("names are checked")
    func badName() throws {
        for name in ["", "a b", "Ä", "UP", String(repeating: "a", count: 64)] {
            var directory = try open(SimulatedFileSystem(seed: 1))
            #expect(
                failure { try directory.initialise(clusterID: testCluster, nodeID: testNode, name: name) }
                    == .badName(name))
        }
    }
}
