import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Servers that were removed")
struct RemovalTests {
    private func removed(at index: LogIndex?) throws -> Server {
        var server = Server(options: tinyOptions)
        server.node = NodeID(1)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1), entry(2)])])
        server.files.crash(.everything)
        let directory = try server.directory()
        #expect(directory.removal == nil)
        try directory.noteRemoval(at: index)
        server.files.crash(.nothing)
        return server
    }

    private func removal(_ server: Server) throws -> LogDirectory<SimulatedFileSystem>.Removal? {
        let directory = try LogDirectory.open(testPath, files: server.files, holder: "pid 1")
        defer { directory.close() }
        return directory.removal
    }

    @Test("that it was removed outlives a crash, with the place if it is known", arguments: [nil, 7])
    func durable(_ index: UInt64?) throws {
        let place = index.map { LogIndex($0) }
        #expect(try removal(removed(at: place)) == .init(index: place))
    }

    @Test("another cluster's, another node's and an unreadable word say nothing; a newer one is refused")
    func doubtful() throws {
        func change(_ body: (inout FileHeader) -> Void) throws -> Server {
            let server = try removed(at: LogIndex(7))
            let old = try server.contents(FileNames.removed)
            guard case .valid(var header) = FileHeader.readWithBody(old, expecting: .removal).0 else { throw GaveUp() }
            body(&header)
            try server.replace(FileNames.removed, header.encoded())
            return server
        }
        #expect(try removal(change { _ in }) != nil)
        #expect(try removal(change { $0.cluster = ClusterID(1) }) == nil)
        #expect(try removal(change { $0.node = NodeID(99) }) == nil)
        #expect(throws: LogDirectoryError.self) { try removal(change { $0.version = 7 }) }
        for noise in [[], [1, 2, 3], [UInt8](repeating: 0xA5, count: 300)] as [[UInt8]] {
            let server = try removed(at: nil)
            try server.replace(FileNames.removed, noise)
            #expect(try removal(server) == nil)
        }
    }

    private struct GaveUp: Error {}

    @Test("a recovery by the operator tells of it, and then it counts no more")
    func recovered() throws {
        let server = try removed(at: LogIndex(7))
        let recovery = try OfflineRecovery(testPath, files: server.files, holder: "pid 5", options: server.options)
        #expect(recovery.survey.removal == .init(index: LogIndex(7)))
        _ = try recovery.perform(newCluster: ClusterID(0xBEEF))
        recovery.close()
        #expect(try removal(server) == nil)
        #expect(try server.names.contains { $0.hasPrefix("before-") && $0.hasSuffix("-" + FileNames.removed) })
    }
}
