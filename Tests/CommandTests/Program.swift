import Foundation
import Testing

/// The built program, run as a process.
struct Program {
    struct Result {
        var code: Int32
        var output: String
        var errors: String

        /// The output as JSON; its `trace_hash` is our `traceHash`.
        func json<Shape: Decodable>(_ shape: Shape.Type) throws -> Shape {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(shape, from: Data(output.utf8))
        }
    }

    /// Programs stand beside the bundle of the tests.
    static func executable(_ name: String = "starling") throws -> URL {
        let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let url = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(name)
        try #require(
            FileManager.default.isExecutableFile(atPath: url.path),
            "build the program first: swift build --product \(name)")
        return url
    }

    /// Without this user's own settings.
    static func environment(_ more: [String: String], home: String) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("STARLING_") }
        environment["HOME"] = home
        environment["XDG_CONFIG_HOME"] = home + "/config"
        environment["XDG_DATA_HOME"] = home + "/data"
        environment["XDG_STATE_HOME"] = home + "/state"
        return environment.merging(more) { $1 }
    }

    /// Runs a command to its end, which comes in time or is a failure.
    static func run(
        _ arguments: [String], in directory: TemporaryDirectory, environment: [String: String] = [:],
        input: String = "",
        within seconds: Double = 30
    ) async throws -> Result {
        let process = Process()
        process.executableURL = try executable()
        process.arguments = arguments
        process.environment = Self.environment(environment, home: directory.path)
        process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
        // Files and not pipes: nothing blocks, however much is said.
        let name = UUID().uuidString
        let outputPath = directory.path + "/out-\(name)"
        let errorsPath = directory.path + "/errors-\(name)"
        let inputPath = directory.path + "/in-\(name)"
        try Data(input.utf8).write(to: URL(fileURLWithPath: inputPath))
        for path in [outputPath, errorsPath] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardOutput = try open(FileHandle(forWritingAtPath: outputPath))
        process.standardError = try open(FileHandle(forWritingAtPath: errorsPath))
        process.standardInput = try open(FileHandle(forReadingAtPath: inputPath))
        try process.run()
        try await waitForEnd(process, within: seconds, arguments)
        return Result(
            code: process.terminationStatus, output: try String(contentsOfFile: outputPath, encoding: .utf8),
            errors: try String(contentsOfFile: errorsPath, encoding: .utf8))
    }

    static func waitForEnd(_ process: Process, within seconds: Double, _ arguments: [String]) async throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while process.isRunning {
            if Date() > deadline {
                kill(process.processIdentifier, SIGKILL)
                Issue.record("starling \(arguments.joined(separator: " ")) did not end within \(seconds) s")
                return
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

struct CannotOpen: Error {}

func open(_ handle: FileHandle?) throws -> FileHandle {
    guard let handle else { throw CannotOpen() }
    return handle
}

/// Removed with its last owner.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("starling-tests-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }
}
