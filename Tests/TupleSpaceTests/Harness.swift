import ByteCoding
import TupleSpace

/// A state machine with commands made in Swift, one batch each unless told otherwise, and decoded replies.
struct Harness {
    struct Answer: Equatable {
        var session: UInt64
        var sequence: UInt64
        var reply: Reply
    }

    var machine = StateMachine()
    var leaseTime: UInt64 = 1_000
    var wallStamp: UInt64 = 1_700_000_000_000
    private var batch = BatchWriter()
    private var applied = Applied()

    init(sessions: UInt64...) {
        for session in sessions { open(session) }
    }

    mutating func open(_ session: UInt64, caller: String = "") {
        apply(session, 0, .openSession(timeoutMilliseconds: 10_000), caller: caller)
    }

    mutating func add(
        _ session: UInt64, _ sequence: UInt64, _ operation: Operation, caller: String = "", below: UInt64 = 0,
        singles: [UInt64] = []
    ) {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        let header = CommandHeader(
            session: SessionID(session), sequence: sequence, acknowledgedBelow: below, acknowledged: singles,
            caller: caller)
        writer.bytes.withUnsafeBytes { batch.append(header, operation: $0) }
    }

    /// Applies what was added, as one batch.
    @discardableResult
    mutating func commit() -> [Answer] {
        let payload = batch.finish(leaseTime: leaseTime, wallStamp: wallStamp)
        return apply(payload)
    }

    @discardableResult
    mutating func apply(_ payload: [UInt8]) -> [Answer] {
        applied.reset()
        payload.withUnsafeBytes { machine.apply($0, at: machine.appliedIndex + 1, into: &applied) }
        return applied.outcomes.map { outcome in
            let bytes = Array(applied.bytes.bytes[outcome.range])
            return Answer(session: outcome.session.rawValue, sequence: outcome.sequence, reply: decodeReply(bytes))
        }
    }

    @discardableResult
    mutating func apply(
        _ session: UInt64, _ sequence: UInt64, _ operation: Operation, caller: String = "", below: UInt64 = 0,
        singles: [UInt64] = []
    ) -> [Answer] {
        add(session, sequence, operation, caller: caller, below: below, singles: singles)
        return commit()
    }

    /// The only reply; nil if there is none.
    mutating func reply(
        _ session: UInt64, _ sequence: UInt64, _ operation: Operation, caller: String = "", below: UInt64 = 0,
        singles: [UInt64] = []
    ) -> Reply? {
        let answers = apply(session, sequence, operation, caller: caller, below: below, singles: singles)
        return answers.first { $0.session == session && $0.sequence == sequence }?.reply
    }

    var sessionsEnded: [UInt64] { applied.sessionsEnded.map(\.rawValue) }
    var sessionsOpened: [UInt64] { applied.sessionsOpened.map(\.id.rawValue) }

    func events() -> [Event] { machine.events(after: machine.firstResumablePosition, limit: .max) ?? [] }

    func restored(pieceBytes: Int = 1_000) throws -> StateMachine {
        try restore(encoded(machine), pieceBytes: pieceBytes)
    }
}

func encoded(_ machine: StateMachine) -> [UInt8] {
    var bytes: [UInt8] = []
    machine.capture().encode { bytes.append(contentsOf: $0) }
    return bytes
}

func restore(_ bytes: [UInt8], pieceBytes: Int) throws -> StateMachine {
    var restorer = StateMachine.Restorer()
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + pieceBytes)
        try bytes[start..<end].withUnsafeBytes { try restorer.consume($0) }
        start = end
    }
    return try restorer.finish()
}

func decodeReply(_ bytes: [UInt8]) -> Reply {
    bytes.withUnsafeBytes { raw in
        var reader = ByteReader(raw)
        do {
            let reply = try Reply(from: &reader)
            try reader.requireEnd()
            return reply
        } catch {
            fatalError("a reply that does not decode: \(error)")
        }
    }
}

extension Tuple {
    init(_ fields: Value...) { self.init(fields) }
}

extension Template {
    init(_ fields: TemplateField...) { self.init(fields) }
}

extension Value: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByFloatLiteral {
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
}

extension TemplateField: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    public init(integerLiteral value: Int64) { self = .literal(.int(value)) }
    public init(stringLiteral value: String) { self = .literal(.string(value)) }
}

extension Operation {
    static func write(_ fields: Value..., in space: String = "s") -> Operation {
        .write(space: space, tuple: Tuple(fields))
    }

    static func take(
        _ fields: TemplateField..., in space: String = "s", timeout: Timeout = .none, holds: Bool = false
    ) -> Operation {
        .take(space: space, template: Template(fields), timeout: timeout, holds: holds)
    }
}

/// SplitMix64: the same numbers for a seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: UInt64) -> Bool { next() % 100 < percent }
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
