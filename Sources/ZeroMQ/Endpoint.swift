#if canImport(Glibc)
    import Glibc
#endif

/// `host:port` as users write it, and libzmq's endpoints.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or an IPv4 address; `*` or `0.0.0.0` to listen on every interface.
    public let host: String
    /// 0 asks for any free port.
    public let port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Nil unless the text is `HOST:PORT`.
    public init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        guard !host.isEmpty, host.utf8.allSatisfy(Self.isHostByte), !digits.isEmpty,
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let port = UInt16(digits)
        else { return nil }
        self.init(host: String(host), port: port)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "*"):
            true
        default: false
        }
    }

    public var description: String { "\(host):\(port)" }

    /// For `Socket.connect`. libzmq looks the name up anew at every attempt.
    public var tcp: String { "tcp://\(host):\(port)" }

    /// For `Socket.bind`, which takes addresses and not names: the name is looked up here, once, waiting for the answer.
    public func tcpForBinding() throws(ZeroMQError) -> String {
        if host == "*" { return tcp }
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &found) == 0, let first = found else {
            throw ZeroMQError("find the address of host \(host)", code: EADDRNOTAVAIL)
        }
        defer { freeaddrinfo(first) }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = getnameinfo(
            first.pointee.ai_addr, first.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        guard code == 0 else { throw ZeroMQError("write the address of host \(host)", code: EADDRNOTAVAIL) }
        let numeric = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return "tcp://\(numeric):\(port)"
    }
}
