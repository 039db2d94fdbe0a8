import Glibc
import Simulation
import Testing

@testable import WriteAheadLog

/// What every file system must do for the log. Both pass the same functions.
@Suite("Both file systems keep the same promises")
struct FileSystemConformanceTests {
    @Test("the simulated one")
    func simulated() throws {
        try conformance(SimulatedFileSystem(seed: 1), "place")
    }

    @Test("the machine's")
    func posix() throws {
        try withTemporaryDirectory { path in try conformance(PosixFileSystem(), path + "/place") }
    }

    private func conformance(_ files: some FileSystem, _ path: String) throws {
        try files.createDirectory(path)
        try files.createDirectory(path)
        #expect(try files.list(path) == [])
        try writesAndReads(files, path)
        try names(files, path)
        try allocation(files, path)
        try locks(files, path)
        try errors(files, path)
        #expect(try files.freeBytes(at: path) > 0)
    }

    private func writesAndReads(_ files: some FileSystem, _ path: String) throws {
        let file = try files.open(path + "/a", .create)
        try file.write([1, 2, 3, 4], at: 0)
        try file.write([9], at: 2)
        try file.write([7, 7], at: 10)
        // Of no effect that could be seen.
        try file.writeOut(0..<12)
        try file.syncData()
        let expected: [UInt8] = [1, 2, 9, 4, 0, 0, 0, 0, 0, 0, 7, 7]
        #expect(try file.readAll() == expected)
        #expect(try file.size() == 12)
        #expect(try file.readRange(10, count: 100) == [7, 7])
        #expect(try file.readRange(12, count: 4) == [])
        #expect(try file.readRange(99, count: 4) == [])
        file.close()
        file.close()
        #expect(throws: FileSystemError.self) { try file.write([1], at: 0) }
        let again = try files.open(path + "/a", .update)
        try again.write([5], at: 0)
        try again.write([], at: 5)
        #expect(try files.contents(of: path + "/a") == [5] + expected.dropFirst())
        let emptied = try files.open(path + "/a", .create)
        #expect(try emptied.size() == 0)
        #expect(try files.contents(of: path + "/a") == [])
    }

    private func names(_ files: some FileSystem, _ path: String) throws {
        _ = try files.open(path + "/b", .create)
        try files.publish([42], as: "c", in: path)
        #expect(try files.list(path) == ["a", "b", "c"])
        try files.rename(path + "/c", to: path + "/b")
        try files.syncDirectory(path)
        #expect(try files.list(path) == ["a", "b"])
        #expect(try files.contents(of: path + "/b") == [42])
        let open = try files.open(path + "/b", .read)
        try files.remove(path + "/b")
        #expect(try files.list(path) == ["a"])
        #expect(try open.readAll() == [42])
    }

    private func allocation(_ files: some FileSystem, _ path: String) throws {
        let file = try files.open(path + "/z", .create)
        try file.write([1], at: 0)
        try file.allocate(5000)
        #expect(try file.size() == 5000)
        try file.allocate(100)
        #expect(try file.size() == 5000)
        #expect(try file.readRange(0, count: 2) == [1, 0])
        try file.zeroFill(3 << 20)
        #expect(try file.readAll() == [UInt8](repeating: 0, count: 3 << 20))
        try files.remove(path + "/z")
    }

    private func locks(_ files: some FileSystem, _ path: String) throws {
        let lock = try files.lock(path + "/lock", holder: "pid 12345")
        let error = #expect(throws: FileSystemError.self) { _ = try files.lock(path + "/lock", holder: "me") }
        #expect(error?.code == .locked)
        #expect(try files.contents(of: path + "/lock") == Array("pid 12345".utf8))
        lock.close()
        let second = try files.lock(path + "/lock", holder: "pid 2")
        #expect(try files.contents(of: path + "/lock") == Array("pid 2".utf8))
        second.close()
    }

    private func errors(_ files: some FileSystem, _ path: String) throws {
        for access in [FileAccess.read, .update] {
            let error = #expect(throws: FileSystemError.self) { _ = try files.open(path + "/none", access) }
            #expect(error?.code == .notFound)
        }
        #expect(throws: FileSystemError.self) { _ = try files.open(path + "/none/x", .create) }
        #expect(throws: FileSystemError.self) { try files.remove(path + "/none") }
        #expect(throws: FileSystemError.self) { try files.rename(path + "/none", to: path + "/a") }
        #expect(throws: FileSystemError.self) { _ = try files.list(path + "/none") }
        #expect(throws: FileSystemError.self) { try files.syncDirectory(path + "/none") }
        #expect(throws: FileSystemError.self) { try files.createDirectory(path + "/a") }
    }
}

@Suite("The simulated disk breaks what disks break")
struct SimulatedDiskTests {
    @Test("an unsynced name may vanish and a synced one never does")
    func names() throws {
        var outcomes: Set<[String]> = []
        for seed in 0..<64 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            try files.createDirectory("d")
            try files.publish([1], as: "kept", in: "d")
            let file = try files.open("d/new", .create)
            try file.write([1], at: 0)
            try file.syncData()
            try files.rename("d/new", to: "d/renamed")
            files.crash()
            let names = try files.list("d")
            #expect(names.contains("kept"))
            #expect(!(names.contains("new") && names.contains("renamed")))
            outcomes.insert(names)
            #expect(throws: FileSystemError.self) { try file.write([1], at: 0) }
        }
        #expect(outcomes == [["kept"], ["kept", "new"], ["kept", "renamed"]])
    }

    @Test("unsynced sectors are lost one by one, in any order, and synced ones stay")
    func sectors() throws {
        var survivors: Set<[Bool]> = []
        for seed in 0..<400 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            try files.createDirectory("d")
            let file = try files.open("d/f", .create)
            try file.write([UInt8](repeating: 1, count: 2048), at: 0)
            try file.syncData()
            try files.syncDirectory("d")
            try file.write([UInt8](repeating: 2, count: 1536), at: 512)
            files.crash()
            let bytes = try files.contents(of: "d/f")
            #expect(bytes[..<512].allSatisfy { $0 == 1 })
            survivors.insert(
                (1..<4).map { sector in
                    let part = bytes[sector * 512..<(sector + 1) * 512]
                    #expect(part.allSatisfy { $0 == part.first })
                    return part.first == 2
                })
        }
        #expect(survivors.count == 8)
    }

    @Test("after a failed sync the cache shows what the medium has not, and a later sync changes nothing")
    func failedSync() throws {
        var lost = 0
        for seed in 0..<64 {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            try files.createDirectory("d")
            let file = try files.open("d/f", .create)
            try file.allocate(512)
            try file.syncData()
            try files.syncDirectory("d")
            try file.write([7], at: 0)
            files.failNextSync()
            #expect(throws: FileSystemError.self) { try file.syncData() }
            try file.syncData()
            #expect(try file.readRange(0, count: 1) == [7])
            files.crash()
            if try files.contents(of: "d/f").first == 0 { lost += 1 }
        }
        #expect((10...54).contains(lost))
    }

    @Test("a full disk refuses growth and takes overwriting")
    func full() throws {
        let files = SimulatedFileSystem(seed: 1, capacity: 1000)
        try files.createDirectory("d")
        let file = try files.open("d/f", .create)
        try file.allocate(600)
        let error = #expect(throws: FileSystemError.self) { try file.allocate(1001) }
        #expect(error?.isNoSpace == true)
        #expect(try file.size() == 600)
        try file.write([1], at: 599)
        #expect(try files.freeBytes(at: "d") == 400)
        try files.remove("d/f")
        #expect(try files.freeBytes(at: "d") == 1000)
    }

    @Test("stalls are counted")
    func stalls() throws {
        let files = SimulatedFileSystem(seed: 1)
        try files.createDirectory("d")
        let file = try files.open("d/f", .create)
        files.stallSyncs(2)
        for _ in 0..<3 { try file.syncData() }
        #expect(files.takeStalls() == 2)
        #expect(files.takeStalls() == 0)
    }
}

/// A directory that is gone afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/var/tmp/starling-test-XXXXXX".utf8CString)
    let path = template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    let directory = try #require(path)
    defer { removeTree(directory) }
    try body(directory)
}

private func removeTree(_ path: String) {
    let files = PosixFileSystem()
    for name in (try? files.list(path)) ?? [] {
        if unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
    }
    rmdir(path)
}
