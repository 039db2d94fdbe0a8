import CZeroMQ

/// A failed call of libzmq: what was tried, and libzmq's error number with its text.
public struct ZeroMQError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, in words: "bind to tcp://127.0.0.1:7440".
    public var operation: String
    /// An `errno` value, or one of libzmq's own.
    public var code: Int32

    public init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// The error of the call that has just failed on this thread.
    static func last(_ operation: String) -> ZeroMQError { ZeroMQError(operation, code: zmq_errno()) }

    /// True when the context was shut down: the thread that sees it should close its sockets and end.
    public var isTermination: Bool { code == terminated }

    /// True when another process, or another socket of this one, has the address.
    public var isAddressInUse: Bool { code == EADDRINUSE }

    public var text: String { String(cString: zmq_strerror(code)) }
    public var description: String { "cannot \(operation): \(text)" }
}

/// ETERM, which is written in C as a sum that Swift does not import.
let terminated: Int32 = 156_384_712 + 53
