import Foundation
import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

/// The client in Python, written from the specification alone, against the same servers.
@Suite("The Python client")
struct PythonClientTests {
    private static let python = "/usr/bin/python3"
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appending(path: "../../Examples/python").standardizedFileURL

    /// True where Python has pyzmq.
    private static let isAvailable: Bool = {
        FileManager.default.isExecutableFile(atPath: python)
            && ((try? run(["-c", "import zmq"]))?.status == 0)
    }()

    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-B"] + arguments
        process.currentDirectoryURL = folder
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    private let expected = """
        written: 3
        newest: ['job', 2, {'size': 1.5}]
        working on ['job', 0, {'size': 1.5}]
        working on ['job', 1, {'size': 1.5}]
        working on ['job', 2, {'size': 1.5}]
        left: 0
        nothing: None

        """

    @Test("plays its example, in the clear and encrypted", .enabled(if: isAvailable), arguments: [false, true])
    func example(_ encrypted: Bool) async throws {
        let keys = encrypted ? try CurveKeyPair.generate() : nil
        let cluster = try TestCluster(servers: 2, keys: keys)
        defer { cluster.stop() }
        let key = keys.map { [$0.publicKey.z85] } ?? []
        let result = try await onThread {
            try Self.run(["example.py", cluster.endpoints[0].address.description] + key)
        }
        #expect(result.output == expected)
        #expect(result.status == 0)
        #expect(cluster.machine.sessionCount == 0)
    }

    @Test("is short: the promise of the protocol's page") func length() throws {
        let text = try String(contentsOf: Self.folder.appending(path: "starling_client.py"), encoding: .utf8)
        #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 200)
    }

    @Test("does everything once though much is lost, and gives back what it did not finish", .enabled(if: isAvailable))
    func losses() async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        cluster.setAll { $0.lostReplies = 5 }
        let script = """
            from starling_client import *
            with Starling("\(cluster.endpoints[0])") as space:
                for n in range(40):
                    space.write("s", ["n", n, -5, 2.5, None, True, b"\\0", "\u{e9}", [1, [2]]])
                try:
                    with space.take("s", ["n"] + [ANY] * 8) as held:
                        assert held.tuple == ["n", 0, -5, 2.5, None, True, b"\\0", "\u{e9}", [1, [2]]], held.tuple
                        raise KeyError
                except KeyError: pass
                assert space.count("s", ["n"] + [ANY] * 8) == 40
                try: space.write("", [1])
                except StarlingError as error: print(error.code)
            """
        let result = try await onThread { try Self.run(["-c", script]) }
        #expect(result.output == "invalid-space\n")
        #expect(cluster.machine.tupleCount == 40)
    }
}
