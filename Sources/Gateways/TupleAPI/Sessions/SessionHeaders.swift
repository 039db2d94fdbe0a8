import HTTPTypes
import Hummingbird
import TupleSpace

extension HTTPField.Name {
    // The names are tokens, so each of these is there.
    static let starlingSession = HTTPField.Name("Starling-Session")!
    static let starlingSequence = HTTPField.Name("Starling-Sequence")!
    static let starlingAcknowledged = HTTPField.Name("Starling-Acknowledged")!
}

/// Where a request stands in a session, as its headers say it.
extension Exchange {
    /// The place of a request that may be in a session; nil if it is in none.
    func placeInSession() throws(APIError) -> CommandHeader? {
        guard let text = request.headers[.starlingSession] else {
            for name in [HTTPField.Name.starlingSequence, .starlingAcknowledged] where request.headers[name] != nil {
                throw .malformed("\(name) is about a session: name it in Starling-Session")
            }
            return nil
        }
        guard let session = Self.sessionID(text) else { throw .malformed(Self.notASession("Starling-Session", text)) }
        guard request.headers[.idempotencyKey] == nil else {
            throw .malformed(
                "in a session Starling-Sequence is what makes a request be done once: leave the Idempotency-Key away")
        }
        return try numbered(in: session)
    }

    /// The place of a request that changes something in the session that its address names.
    func numbered(in session: SessionID) throws(APIError) -> CommandHeader {
        guard let text = request.headers[.starlingSequence] else {
            let range = CommandHeader.sequences
            throw .malformed(
                "Starling-Sequence is missing: the request's own number in its session, \(range.lowerBound) to \(range.upperBound)"
            )
        }
        let sequence = try Self.sequence(text, named: "Starling-Sequence")
        let below = try acknowledgedBelow()
        guard below <= sequence else {
            throw .malformed(
                "Starling-Acknowledged is \(below - 1), and must be less than Starling-Sequence, which is \(sequence)")
        }
        return CommandHeader(session: session, sequence: sequence, acknowledgedBelow: below)
    }

    /// The place of a request in the session that its address names of which nothing is remembered.
    func passing(in session: SessionID, acknowledged: [UInt64] = []) throws(APIError) -> CommandHeader {
        try refuse(.starlingSequence, "this request needs no number of its own: leave Starling-Sequence away")
        return .passing(in: session, acknowledgedBelow: try acknowledgedBelow(), acknowledged: acknowledged)
    }

    /// The session that the address names.
    func sessionInPath() throws(APIError) -> SessionID {
        try refuse(.starlingSession, "the address names the session: leave Starling-Session away")
        let text = parameter("id")
        guard let session = Self.sessionID(text) else { throw .malformed(Self.notASession("a session's id", text)) }
        return session
    }

    func refuse(_ name: HTTPField.Name, _ sentence: String) throws(APIError) {
        guard request.headers[name] == nil else { throw .malformed(sentence) }
    }

    private func acknowledgedBelow() throws(APIError) -> UInt64 {
        guard let text = request.headers[.starlingAcknowledged], text != "0" else { return 0 }
        return try Self.sequence(text, named: "Starling-Acknowledged", orZero: true) + 1
    }

    private static func sequence(
        _ text: String, named name: String, orZero: Bool = false
    ) throws(APIError) -> UInt64 {
        let range = CommandHeader.sequences
        guard let number = UInt64(text), String(number) == text, range.contains(number) else {
            throw .malformed(
                "\(name) is a number from \(orZero ? 0 : range.lowerBound) to \(range.upperBound), not '\(text.prefix(64))'"
            )
        }
        return number
    }

    /// Nil if it is no decimal number, or 0, which is nobody's.
    private static func sessionID(_ text: String) -> SessionID? {
        guard let id = UInt64(text), id > 0, String(id) == text else { return nil }
        return SessionID(id)
    }

    private static func notASession(_ name: String, _ text: String) -> String {
        "\(name) is a decimal number from 1 to \(UInt64.max), not '\(text.prefix(64))'"
    }
}
