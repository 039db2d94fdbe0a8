import ZeroMQ

/// The lines that a person types at the demo.
enum DemoConsole {
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
