import ByteCoding
import TupleSpace

/// The payload of a `query` request.
public struct QueryRequest {
    public var consistency: Consistency
    /// How long a read that finds nothing waits for a match. Other queries do not wait, whatever it is.
    public var timeout: Timeout
    /// An encoded `Query` that nobody has looked at; it views the frame's memory.
    public var query: UnsafeRawBufferPointer

    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        switch try reader.readByte("consistency") {
        case 0: consistency = .linearizable
        case 1: consistency = .sequential(try Position(fromVarints: &reader))
        case 2: consistency = .local
        case let other: throw MalformedBytes("consistency \(other) is unknown", at: reader.offset - 1)
        }
        timeout = try Timeout(from: &reader)
        query = try reader.readRaw(reader.remaining, "query")
    }

    /// Writes a payload; `query` is an encoded `Query`.
    public static func encode(
        consistency: Consistency, timeout: Timeout, query: UnsafeRawBufferPointer, into writer: inout ByteWriter
    ) {
        switch consistency {
        case .linearizable: writer.write(UInt8(0))
        case .sequential(let position):
            writer.write(UInt8(1))
            position.encodeVarints(into: &writer)
        case .local: writer.write(UInt8(2))
        }
        timeout.encode(into: &writer)
        writer.write(raw: query)
    }
}

/// The payload of a `subscribe` request.
public struct SubscribeRequest: Equatable, Sendable {
    public var space: String
    /// Nil: every tuple of the space.
    public var template: Template?
    /// Only what comes behind it; nil: from now on.
    public var position: Position?

    public init(space: String, template: Template?, position: Position?) {
        self.space = space
        self.template = template
        self.position = position
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(space)
        writer.write(template != nil)
        template?.encode(into: &writer)
        writer.write(position != nil)
        position?.encodeVarints(into: &writer)
    }

    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        space = try reader.readText("space", atMost: Limits.spaceNameBytes)
        template = try reader.readBool("template mark") ? try Template(from: &reader) : nil
        position = try reader.readBool("position mark") ? try Position(fromVarints: &reader) : nil
        try reader.requireEnd("subscribe request")
    }
}

/// The payload of an `events` response.
public enum EventsPayload {
    /// Reads events until the end. Empty: a heartbeat.
    public static func decode(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) -> [Event] {
        var reader = ByteReader(payload)
        var events: [Event] = []
        while !reader.isAtEnd { events.append(try Event(from: &reader)) }
        return events
    }
}

/// A `refused` frame and the payload of an `end` response: a failure or, in an `end`, nothing.
public enum FailurePayload {
    /// - Returns: nil for an empty payload: a subscription that ended as it was asked to.
    public static func decode(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) -> Failure? {
        guard !payload.isEmpty else { return nil }
        var reader = ByteReader(payload)
        let failure = try Failure(from: &reader)
        try reader.requireEnd("failure")
        return failure
    }
}

extension Position {
    /// index varint · ordinal varint
    func encodeVarints(into writer: inout ByteWriter) {
        writer.writeVarint(index)
        writer.writeVarint(UInt64(ordinal))
    }
}
