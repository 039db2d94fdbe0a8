import Foundation
import Synchronization

/// Ports that nobody listens at, below those that the kernel gives to outgoing connections.
enum Ports {
    private static let given = Mutex(Int.random(in: 0..<160))

    /// A base such that base, base + 20 and base + 40, and `count - 1` above each, are free; each time another.
    static func base(for count: Int = 1) -> Int {
        while true {
            let base = given.withLock { given in
                given = (given + 1) % 160
                return 16_000 + given * 100
            }
            let ports = [0, 20, 40].flatMap { offset in (0..<count).map { base + offset + $0 } }
            if ports.allSatisfy({ (try? Listener(port: $0)) != nil }) { return base }
        }
    }

    struct InUse: Error {}

    /// Listens as long as it lives.
    final class Listener {
        private let descriptor: Int32

        init(port: Int) throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var one: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            let bound = Ports.withLoopback(port) { bind(descriptor, $0, $1) }
            guard bound == 0, listen(descriptor, 8) == 0 else {
                close(descriptor)
                throw InUse()
            }
        }

        deinit { close(descriptor) }
    }

    private static func withLoopback<Result>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result)
        -> Result
    {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    /// What an HTTP server on this machine answers to a GET, head and all; empty if nothing.
    static func ask(_ path: String, port: Int, headers: [String] = []) -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard withLoopback(port, { connect(descriptor, $0, $1) }) == 0 else { return "" }
        let request =
            "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n\(headers.map { $0 + "\r\n" }.joined())\r\n"
        guard send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL)) == request.utf8.count else {
            return ""
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }
}
