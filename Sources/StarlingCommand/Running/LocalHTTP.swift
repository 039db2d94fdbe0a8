import Glibc
import ZeroMQ

/// Asks an HTTP door on this machine. One request a connection; for the demo, which must ask one certain server and no
/// other.
enum LocalHTTP {
    struct Response: Sendable {
        var status: Int
        var body: [UInt8]
    }

    struct Problem: Error, Sendable, CustomStringConvertible {
        var description: String
    }

    /// - Parameters:
    ///   - address: `127.0.0.1:7480`.
    ///   - body: JSON, sent by POST; nil asks by GET.
    static func ask(
        _ address: String, _ path: String, body: String? = nil, within time: Duration = .seconds(5)
    ) async throws(Problem) -> Response {
        let seconds = Int(time.components.seconds)
        return try await blocking { () throws(Problem) in
            let descriptor = try connect(address, seconds: max(1, seconds))
            defer { close(descriptor) }
            let payload = body ?? ""
            let head = """
                \(body == nil ? "GET" : "POST") \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: \(payload.utf8.count)\r\n\r\n
                """
            try send(descriptor, Array((head + payload).utf8))
            return try parse(try receive(descriptor))
        }
    }

    private static func connect(_ address: String, seconds: Int) throws(Problem) -> Int32 {
        // A name is looked up.
        guard let endpoint = Endpoint(address), let numeric = try? endpoint.tcpForBinding(),
            let found = Endpoint(String(numeric.dropFirst("tcp://".count)))
        else { throw Problem(description: "\(address) is no address") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw problem("make a socket") }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var target = LoopbackAddress.make(found.host, found.port)
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let problem = problem("connect to \(address)")
            close(descriptor)
            throw problem
        }
        return descriptor
    }

    private static func send(_ descriptor: Int32, _ bytes: [UInt8]) throws(Problem) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw problem("send a request") }
            sent += count
        }
    }

    private static func receive(_ descriptor: Int32) throws(Problem) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw problem("receive the response") }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    private static func parse(_ bytes: [UInt8]) throws(Problem) -> Response {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
            throw Problem(description: "the response has no end of its head")
        }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let status = Int(words[1]) else {
            throw Problem(description: "the response has no status line")
        }
        for line in lines.dropFirst() where line.lowercased().hasPrefix("content-length:") {
            let length = Int(line.dropFirst("content-length:".count).filter { $0 != " " })
            guard length == bytes.count - end.upperBound else {
                throw Problem(description: "the response is cut short")
            }
        }
        return Response(status: status, body: Array(bytes[end.upperBound...]))
    }

    private static func problem(_ what: String) -> Problem {
        Problem(description: "cannot \(what): \(String(cString: strerror(errno)))")
    }
}
