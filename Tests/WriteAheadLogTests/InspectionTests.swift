import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Inspecting a log")
struct InspectionTests {
    @Test("records and verdicts are shown, also of a damaged log, and nothing is changed")
    func inspect() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...100 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        // It takes no lock: the log is still open.
        let clean = try LogInspection.inspect(testPath, files: server.files)
        #expect(clean.segments.map(\.verdict) == ["complete", "clean"])
        let entries = clean.segments.flatMap(\.records).filter { $0.kind == "entry" }
        #expect(entries.map(\.index) == Array(1...100))
        #expect(
            clean.segments.first?.records.prefix(4).map(\.kind) == [
                "hard state", "snapshot mark", "entry", "commit mark",
            ])
        #expect(!clean.isDamaged)

        let third = try #require(entries.first { $0.index == 3 })
        server.files.rot(testPath + "/" + FileNames.segment(1), at: third.offset + 50)
        let names = try server.names
        let damaged = try LogInspection.inspect(testPath, files: server.files)
        #expect(damaged.isDamaged)
        #expect(damaged.segments.first?.verdict.hasPrefix("damage: batch 3 is unreadable") == true)
        #expect(try server.names == names)
        #expect(throws: LogError.self) { _ = try LogInspection.inspect("nowhere", files: server.files) }
    }
}
