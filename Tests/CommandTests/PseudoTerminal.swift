import Foundation
import Testing

/// The built program at a terminal of its own, with somebody who types. Everything that it ever showed is kept as text.
final class PseudoTerminal {
    /// TIOCSPTLCK, TIOCGPTN and POSIX_SPAWN_SETSID, which Swift's Glibc module does not have.
    private enum Linux {
        static let unlockTerminal: UInt = 0x4004_5431
        static let terminalNumber: UInt = 0x8004_5430
        static let spawnInNewSession: Int16 = 0x80
    }

    private let master: Int32
    private let process: pid_t
    /// With the terminal's control sequences.
    private(set) var shown = ""
    /// Of `shown`: what was awaited before.
    private var seen: String.Index

    init(_ arguments: [String], in directory: TemporaryDirectory, environment: [String: String]) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (locked, number): (Int32, UInt32) = (0, 0)
        try #require(
            ioctl(master, Linux.unlockTerminal, &locked) == 0 && ioctl(master, Linux.terminalNumber, &number) == 0)
        var size = winsize(ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
        let name = "/dev/pts/\(number)"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that the leader of a session opens is its own: Ctrl-C is a signal to it.
        posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Linux.spawnInNewSession)
        let path = try Program.executable().path
        var variables = Program.environment(environment, home: directory.path)
        variables["TERM"] = "xterm"
        let words = ([path] + arguments).map { strdup($0) } + [nil]
        let pairs = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + pairs { free(text) } }
        var process: pid_t = 0
        try #require(posix_spawn(&process, path, &actions, &attributes, words, pairs) == 0)
        self.process = process
        seen = shown.startIndex
    }

    deinit {
        kill(process, SIGKILL)
        close(master)
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// Waits until the text is shown, behind what was awaited before.
    func wait(for text: String, within seconds: Double = 15, _ place: SourceLocation = #_sourceLocation) {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            if let found = shown[seen...].range(of: text) {
                seen = found.upperBound
                return
            }
            guard Date() < deadline, read(until: deadline) else {
                Issue.record("\"\(text)\" was not shown; what was: \(shown[seen...])", sourceLocation: place)
                return
            }
        }
    }

    /// The program's own end.
    /// - Returns: its exit code.
    func waitForEnd(within seconds: Double = 15) async throws -> Int32? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while read(until: deadline), Date() < deadline {}
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 {
            guard Date() < deadline else { return nil }
            try await Task.sleep(for: .milliseconds(10))
        }
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : nil
    }

    /// - Returns: false when nobody has the terminal open any more, or nothing came in time.
    private func read(until deadline: Date) -> Bool {
        var item = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&item, 1, Int32(max(0, deadline.timeIntervalSinceNow) * 1_000)) > 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(master, &bytes, bytes.count)
        guard count > 0 else { return false }
        let offset = shown.utf8.distance(from: shown.startIndex, to: seen)
        shown += String(decoding: bytes[..<count], as: UTF8.self)
        seen = shown.utf8.index(shown.startIndex, offsetBy: offset)
        return true
    }
}
