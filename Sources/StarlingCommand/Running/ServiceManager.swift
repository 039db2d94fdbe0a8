import Glibc

/// What started this program, if it wants to be told how it goes: systemd, with `Type=notify` and `WatchdogSec` (sd_notify(3)).
struct ServiceManager: Sendable {
    private let socketPath: String
    /// How often it must hear that this program is well, or it ends it; nil: it does not ask.
    let watchdog: Duration?

    /// - Returns: nil if nobody wants to be told.
    init?(_ environment: [String: String], pid: Int32 = getpid()) {
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@"),
            path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path)
        else { return nil }
        socketPath = path
        // Meant for another process of the service unless it names this one.
        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(pid) } ?? true
        watchdog =
            isForUs
            ? environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil } : nil
    }

    /// One datagram. Whether it was heard is not known.
    func tell(_ lines: String...) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(socketPath.utf8)
        // An abstract name begins with a zero byte, and is as long as it is said to be.
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (bytes[0] == 0 ? 0 : 1))
        let text = Array(lines.joined(separator: "\n").utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    /// Says again and again that this program is well, as long as it is, until the task is cancelled.
    func keepTelling(whileWell isWell: @Sendable () async -> Bool) async {
        guard let watchdog else { return }
        while !Task.isCancelled {
            if await isWell() { tell("WATCHDOG=1") }
            // sd_watchdog_enabled(3) asks for half of it; a third bears a late wake-up.
            try? await Task.sleep(for: watchdog / 3)
        }
    }
}
