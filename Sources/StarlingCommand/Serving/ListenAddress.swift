import Glibc
import ZeroMQ

/// `HOST:PORT` to listen at.
struct ListenAddress: CustomStringConvertible {
    let host: String
    let port: UInt16

    var description: String { "\(host):\(port)" }

    /// - Parameters:
    ///   - name: how complaints call it, such as `--http`.
    ///   - isOpen: whether other machines may reach it.
    /// - Throws: unless the address is on this machine alone, if it is not to be open. There are no accounts yet: whoever reaches the port
    ///   of clients, or that of browsers, may read and write everything.
    init(_ text: String, _ name: String, isOpen: Bool = false) throws(Complaint) {
        guard let endpoint = Endpoint(text) else {
            throw Complaint(.wrongUsage, "\(name): \"\(text)\" is not HOST:PORT, as in 127.0.0.1:7480")
        }
        guard isOpen || endpoint.host == "localhost" || Self.isLoopback(endpoint.host) else {
            throw Complaint(
                .wrongUsage,
                """
                \(name): \(text) is not on this machine alone. There are no accounts yet, and whoever reaches it may read \
                and write everything: say --open if that is right in your network, or use 127.0.0.1:\(endpoint.port).
                """)
        }
        switch endpoint.host {
        case "localhost": host = "127.0.0.1"
        case "*": host = "0.0.0.0"
        default: host = endpoint.host
        }
        port = endpoint.port
    }

    /// 127.0.0.0/8, written as four numbers.
    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether one could listen there now.
    var isFree: Bool {
        // A name is looked up by whoever listens there.
        guard inet_addr(host) != in_addr_t.max else { return true }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        // As servers do: a port in TIME_WAIT is free.
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = LoopbackAddress.make(host, port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 || errno != EADDRINUSE
    }
}

enum LoopbackAddress {
    /// - Precondition: the host is four numbers.
    static func make(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return address
    }
}
