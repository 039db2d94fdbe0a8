/// What sessions leave behind when they end without having said so.
struct FailureTuples: Sendable {
    struct Testament: Sendable {
        /// As the command bore it that left this: see `Credential`.
        var credential: [UInt8]
        var tuples: [FailureTuple]
        var byteCount: Int
    }

    private var testaments: [UInt64: Testament] = [:]
    /// Of all sessions.
    private(set) var byteCount = 0

    var sessions: [UInt64] { testaments.keys.sorted() }

    subscript(session: UInt64) -> Testament? { testaments[session] }

    mutating func set(_ testament: Testament?, of session: UInt64) {
        byteCount -= testaments[session]?.byteCount ?? 0
        byteCount += testament?.byteCount ?? 0
        testaments[session] = testament
    }

    mutating func remove(_ session: UInt64) -> Testament? {
        let testament = testaments[session]
        set(nil, of: session)
        return testament
    }
}
