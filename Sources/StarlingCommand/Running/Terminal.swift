import Glibc

/// Standard output and standard error, unbuffered, so that a log file and a person see each line when it is said.
enum Terminal {
    /// Whether somebody watches the progress.
    static var isWatched: Bool { isatty(STDERR_FILENO) == 1 }

    static func line(_ text: String = "") { write(text + "\n", to: STDOUT_FILENO) }

    /// Standard output without a newline.
    static func text(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// How far something is: standard error, so that no progress gets into a result.
    static func progress(_ text: String) { write(text, to: STDERR_FILENO) }

    static func complain(_ text: String) { write("starling: \(text)\n", to: STDERR_FILENO) }

    /// Standard error, without our name in front: to whoever talks with us.
    static func say(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    static func exit(_ outcome: Outcome) -> Never {
        Glibc.exit(outcome.rawValue)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            // Nobody listens any more: there is nobody to tell.
            guard count > 0 else { return }
            written += count
        }
    }
}
