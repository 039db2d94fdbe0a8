import ByteCoding
import Raft

/// What servers of a plan tell one another until each has the first configuration: docs/formats/peer-envelope.md.
public struct FirstStartMessage: Equatable, Sendable {
    /// The sender's name in the plan.
    public var name: String
    /// Durable at the sender.
    public var node: NodeID
    /// `ServerPlan.digest`.
    public var plan: UInt64
    /// The first configuration, if the sender has made it durable.
    public var configuration: Configuration?
    /// The sender knows that every server has made the configuration durable.
    public var isFinished: Bool
    /// Wants one of these back.
    public var asks: Bool

    public init(
        name: String, node: NodeID, plan: UInt64, configuration: Configuration?, isFinished: Bool, asks: Bool
    ) {
        self.name = name
        self.node = node
        self.plan = plan
        self.configuration = configuration
        self.isFinished = isFinished
        self.asks = asks
    }

    private static let version: UInt8 = 1

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(name)
        writer.write(node.rawValue)
        writer.write(plan)
        writer.write(UInt8(asks ? 1 : 0) | UInt8(isFinished ? 2 : 0))
        var body = ByteWriter()
        configuration?.encode(into: &body)
        writer.writePrefixed(body.bytes)
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        let version = try reader.readByte("first-start version")
        guard version == Self.version else { throw MalformedBytes("first-start version \(version)", at: 0) }
        name = try reader.readString("server name")
        node = NodeID(try reader.readUInt64("node id"))
        plan = try reader.readUInt64("plan digest")
        let flags = try reader.readByte("flags")
        guard flags <= 3 else { throw MalformedBytes("flags \(flags)", at: reader.offset - 1) }
        asks = flags & 1 != 0
        isFinished = flags & 2 != 0
        let body = try reader.readPrefixed("configuration")
        try reader.requireEnd("first-start message")
        configuration = nil
        if !body.isEmpty {
            var inner = ByteReader(body)
            configuration = try Configuration(from: &inner)
            try inner.requireEnd("configuration")
        }
        guard !isFinished || configuration != nil else { throw MalformedBytes("finished without configuration", at: 0) }
    }
}
