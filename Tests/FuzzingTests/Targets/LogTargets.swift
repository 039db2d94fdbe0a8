import ByteCoding
import Raft
import Simulation

@testable import WriteAheadLog

extension FuzzTarget {
    static let logs = [
        FuzzTarget(
            "log",
            decoders: [
                "WriteAheadLog.LogReplay.apply(_:in:)", "WriteAheadLog.SnapshotMetadata.init(index:term:body:)",
                "WriteAheadLog.RecordHeader.read(_:at:salt:)",
                "WriteAheadLog.SegmentScanner.highestTerm(in:salt:certain:)",
            ],
            factor: 256, base: 4 << 20, seeds: LogScript.seeds
        ) { bytes, tamper in
            var script = LogScript(bytes)
            return try script.run(tamper)
        },
        FuzzTarget(
            "data-directory",
            decoders: [
                "WriteAheadLog.FileHeader.read(_:expecting:)", "WriteAheadLog.FileHeader.readWithBody(_:expecting:)",
            ], factor: 256, base: 1 << 20,
            seeds: directorySeeds, check: checkDirectory),
        FuzzTarget(
            "snapshot-file", decoders: [], factor: 256, base: 2 << 20, seeds: SnapshotFileScript.seeds
        ) { bytes, tamper in
            var script = try SnapshotFileScript(bytes)
            return try script.run(tamper)
        },
    ]

    // MARK: Small files

    private static let smallFiles: [(name: String, magic: FileHeader.Magic)] = [
        (FileNames.identity, .identity), (FileNames.genesis, .genesis), (FileNames.held, .genesis),
        (FileNames.repair, .repair),
    ]

    /// For each file what it begins with: nothing (it is not there), a header with checksums that hold, or the bytes
    /// as they are.
    private static func checkDirectory(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        var script = Script(bytes)
        try checkNames(String(decoding: script.part(atMost: 64), as: UTF8.self))
        let files = SimulatedFileSystem(seed: 1)
        try files.createDirectory("d")
        for (name, magic) in smallFiles {
            let kind = script.below(3)
            if kind == 0 { continue }
            let body = [UInt8](script.part())
            try put(kind == 1 ? header(magic, &script).encoded(body: body) : body, "d/" + name, files)
        }
        guard let first = try? LogDirectory.open("d", files: files, holder: "a") else { return .refused }
        first.close()
        guard let second = try? LogDirectory.open("d", files: files, holder: "b") else {
            throw Finding("a data directory opens once, and not again")
        }
        second.close()
        try require(describe(first) == tamper(describe(second)), "a data directory is read as something else")
        return first.identity == nil ? .refused : .accepted
    }

    private static func header(_ magic: FileHeader.Magic, _ script: inout Script) -> FileHeader {
        let version = UInt32(script.below(3))
        return FileHeader(
            magic: magic, version: version, cluster: ClusterID(script.near(7)), node: NodeID(script.near(1)))
    }

    private static func describe(_ directory: LogDirectory<SimulatedFileSystem>) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(directory.identity?.cluster.rawValue ?? 0)
        writer.write(directory.identity?.node.rawValue ?? 0)
        writer.write(directory.identity?.name ?? "")
        directory.firstConfiguration?.encode(into: &writer)
        directory.heldConfiguration?.encode(into: &writer)
        writer.write(directory.pendingRepair ?? "")
        return writer.bytes
    }

    private static func checkNames(_ name: String) throws {
        if let id = FileNames.segmentID(name) { try require(FileNames.segment(id) == name, "segment \(name)") }
        if let place = FileNames.snapshotPlace(name) {
            try require(FileNames.snapshot(index: place.index, term: place.term) == name, "snapshot \(name)")
        }
        if let number = FileNames.preparedNumber(name) {
            try require(FileNames.prepared(number) == name, "file \(name)")
        }
        _ = FileNames.segmentID(name, damaged: true)
    }

    static func put(_ bytes: [UInt8], _ path: String, _ files: SimulatedFileSystem) throws {
        let file = try files.open(path, .create)
        try file.write(bytes, at: 0)
        file.close()
    }

    private static func directorySeeds() -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        let names = [
            "segment-00000000000000ff", "snapshot-0000000000000009-0000000000000003", "prepared-000000000000000a",
        ]
        for (number, configuration) in Samples.configurations.enumerated() {
            var writer = ScriptWriter()
            writer.part(Array(names[number % 3].utf8))
            for body in [
                Array("a".utf8), Samples.encoded(configuration), Samples.encoded(configuration), [UInt8](1...9),
            ] {
                writer.step(1)
                writer.part(body)
                writer.step(1, 0, 0)
            }
            seeds.append(writer.bytes)
        }
        return seeds
    }
}
