import Raft
import ZeroMQ

/// A server as a plan lists it: everything but its node id, which it makes itself.
public struct PlannedServer: Equatable, Sendable {
    /// 1 to 63 of `a-z 0-9 -`, unique in the cluster.
    public var name: String
    /// `host:port` of the three doors.
    public var peerAddress: String
    public var clientAddress: String
    public var httpAddress: String
    public var publicKey: CurvePublicKey

    public init(
        name: String, peerAddress: String, clientAddress: String, httpAddress: String, publicKey: CurvePublicKey
    ) {
        self.name = name
        self.peerAddress = peerAddress
        self.clientAddress = clientAddress
        self.httpAddress = httpAddress
        self.publicKey = publicKey
    }

    public var peer: PlannedPeer { PlannedPeer(name: name, peerAddress: peerAddress, publicKey: publicKey) }

    /// The voter that this server is in the first configuration, once its id is known.
    public func member(id: NodeID) -> Member {
        Member(
            id: id, name: name, peerAddress: peerAddress, clientAddress: clientAddress, httpAddress: httpAddress,
            publicKey: publicKey.bytes)
    }

    public static func isValid(name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}

/// Where a server shall be reached, as `starling cluster plan --servers` is told.
public struct ServerPlacement: Equatable, Sendable {
    public var name: String
    public var host: String
    public var peerPort: UInt16
    public var clientPort: UInt16
    public var httpPort: UInt16

    public init(name: String, host: String, peerPort: UInt16, clientPort: UInt16? = nil, httpPort: UInt16? = nil) {
        self.name = name
        self.host = host
        self.peerPort = peerPort
        self.clientPort = clientPort ?? peerPort &+ 20
        self.httpPort = httpPort ?? peerPort &+ 40
    }

    public var peerAddress: String { "\(host):\(peerPort)" }
    public var clientAddress: String { "\(host):\(clientPort)" }
    public var httpAddress: String { "\(host):\(httpPort)" }

    /// Reads `a=HOST:PORT,b=HOST:PEER:CLIENT:HTTP,…`. With one port, the clients' is 20 above it and the HTTP port 40.
    public static func parse(list: String) throws(PlanError) -> [ServerPlacement] {
        var placements: [ServerPlacement] = []
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            let placement = try parse(String(item))
            guard !placements.contains(where: { $0.name == placement.name }) else {
                throw PlanError("--servers", "name \(placement.name) is there twice")
            }
            placements.append(placement)
        }
        return placements
    }

    private static func parse(_ item: String) throws(PlanError) -> ServerPlacement {
        let expected = "expected NAME=HOST:PORT or NAME=HOST:PEER:CLIENT:HTTP"
        let halves = item.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        guard halves.count == 2 else { throw PlanError("--servers", "\"\(item)\": \(expected)") }
        guard PlannedServer.isValid(name: halves[0]) else {
            throw PlanError("--servers", "\"\(item)\": a name is 1 to 63 of a-z, 0-9 and -")
        }
        let parts = halves[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 || parts.count == 4 else { throw PlanError("--servers", "\"\(item)\": \(expected)") }
        var ports: [UInt16] = []
        for part in parts.dropFirst() {
            guard let endpoint = Endpoint("\(parts[0]):\(part)"), endpoint.port > 0 else {
                throw PlanError("--servers", "\"\(item)\": \(expected), with ports from 1 to 65535")
            }
            ports.append(endpoint.port)
        }
        if ports.count == 1 {
            guard ports[0] <= 65535 - 40 else {
                throw PlanError("--servers", "\"\(item)\": no room for the HTTP port 40 above \(ports[0])")
            }
            return ServerPlacement(name: halves[0], host: parts[0], peerPort: ports[0])
        }
        return ServerPlacement(
            name: halves[0], host: parts[0], peerPort: ports[0], clientPort: ports[1], httpPort: ports[2])
    }
}

/// What is wrong with a plan: where (file, line or field), and what is expected there.
public struct PlanError: Error, Equatable, Sendable, CustomStringConvertible {
    public var place: String
    public var problem: String

    public init(_ place: String, _ problem: String) {
        self.place = place
        self.problem = problem
    }

    public var description: String { "\(place): \(problem)" }
}
