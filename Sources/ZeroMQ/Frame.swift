import CZeroMQ

/// One received frame. Made once and received into again and again: then receiving allocates nothing in Swift.
///
/// Belongs to one thread.
public final class Frame {
    @usableFromInline let pointer: UnsafeMutablePointer<zmq_msg_t>

    /// What libzmq knows about the connection that a frame came over.
    public enum Property: Sendable {
        /// What the `ZAPAuthenticator` answered: the Z85 text of the peer's authenticated CURVE public key.
        case userID
        /// The peer's IP address, without port.
        case peerAddress
        case socketType

        var name: StaticString {
            switch self {
            case .userID: "User-Id"
            case .peerAddress: "Peer-Address"
            case .socketType: "Socket-Type"
            }
        }
    }

    public init() {
        pointer = .allocate(capacity: 1)
        zmq_msg_init(pointer)
    }

    deinit {
        zmq_msg_close(pointer)
        pointer.deallocate()
    }

    /// Bytes in the frame.
    @inlinable public var count: Int { zmq_msg_size(pointer) }

    /// True when the same message goes on in another frame.
    @inlinable public var more: Bool { zmq_msg_more(pointer) == 1 }

    /// The frame's bytes, which stay valid until the next receive into this object.
    @inlinable
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: zmq_msg_data(pointer), count: zmq_msg_size(pointer)))
    }

    /// A copy of the frame's bytes.
    public var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    /// - Returns: nil when the connection has no such property.
    public func property(_ property: Property) -> String? { withProperty(property) { $0.map { String(cString: $0) } } }

    /// True when the property is there and its bytes are these. Makes no String: for the check of every message.
    public func has(_ property: Property, equalTo expected: [UInt8]) -> Bool {
        withProperty(property) { text in
            guard let text else { return false }
            for (offset, byte) in expected.enumerated() where UInt8(bitPattern: text[offset]) != byte || byte == 0 {
                return false  // A shorter text ends in 0, which differs from every byte that may be expected.
            }
            return text[expected.count] == 0
        }
    }

    private func withProperty<Result>(_ property: Property, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
        property.name.withUTF8Buffer { name in
            name.withMemoryRebound(to: CChar.self) { name in
                // A StaticString's memory ends in 0, and is not empty here, so that it has a base address.
                body(name.baseAddress.flatMap { zmq_msg_gets(pointer, $0) })
            }
        }
    }
}

@available(*, unavailable)
extension Frame: Sendable {}
