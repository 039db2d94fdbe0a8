import Glibc
import ZeroMQ

/// The lines that a person types at the demo.
enum DemoConsole {
    /// Somebody can type at us: reading from the terminal in the background would stop this process.
    static var hasPerson: Bool { isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp() }

    /// Ends with the input (Ctrl-D).
    static func lines() -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream<String>.makeStream()
        do throws(ZeroMQError) {
            try startThread(named: "console") {
                while let line = readLine() { continuation.yield(line) }
                continuation.finish()
            }
        } catch {
            continuation.finish()
        }
        return stream
    }
}
