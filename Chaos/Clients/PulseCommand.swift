import ArgumentParser
import Foundation
import StarlingClient
import Synchronization
import TupleSpace

/// For `script/bench failover`: writes without pause, and notes when each write began and was acknowledged.
struct PulseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pulse",
        abstract: "Write without pause until standard input ends; a line a write on standard output.",
        discussion: "A line: began ended ok|failed, nanoseconds of the monotonic clock.")

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Writers, each with a connection of its own.")
    var writers = 8

    func run() async throws {
        let connected = try cluster.connect(writers)
        let lines = Lines()
        let writing = Task {
            await withTaskGroup(of: Void.self) { group in
                for (number, client) in connected.enumerated() {
                    group.addTask { await Self.write(client, number, lines) }
                }
            }
        }
        await endOfStandardInput()
        writing.cancel()
        await writing.value
        for client in connected { await client.close() }
        lines.flush()
    }

    private static func write(_ client: StarlingClient, _ writer: Int, _ lines: Lines) async {
        var number: Int64 = 0
        while !Task.isCancelled {
            number += 1
            let tuple = Tuple([.string("pulse"), .int(Int64(writer)), .int(number)])
            let began = monotonicNanoseconds()
            // Shielded, so that what was sent is awaited.
            let isDone = await Task { (try? await client.write(tuple, to: "pulse")) != nil }.value
            lines.add("\(began) \(monotonicNanoseconds()) \(isDone ? "ok" : "failed")\n")
        }
    }

    /// Standard output, many lines at a time.
    private final class Lines: Sendable {
        private let text = Mutex("")

        func add(_ line: String) {
            text.withLock { text in
                text += line
                if text.utf8.count > 1 << 16 { Self.print(&text) }
            }
        }

        func flush() { text.withLock { Self.print(&$0) } }

        private static func print(_ text: inout String) {
            FileHandle.standardOutput.write(Data(text.utf8))
            text = ""
        }
    }
}
