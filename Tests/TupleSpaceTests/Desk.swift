import ByteCoding

@testable import TupleSpace

/// A harness that counts sequence numbers itself. Sessions 1 to 3 were opened by nobody in particular, so that everybody may use them.
struct Desk {
    var harness = Harness(sessions: 1, 2, 3)
    /// Of the last command.
    private(set) var sequence: UInt64 = 0
    private(set) var answers: [Harness.Answer] = []

    /// - level: what the leader has told the state machine.
    init(level: UInt32 = FeatureLevels.rights) { harness.apply(0, 0, .raiseLevel(level)) }

    var machine: StateMachine { harness.machine }
    /// Of all events so far.
    var kinds: [Event.Kind] { harness.events().map(\.kind) }

    /// - Returns: nil if the command waits.
    @discardableResult
    mutating func send(
        _ operation: Operation, as caller: String = "", session: UInt64 = 1, below: UInt64 = 0, singles: [UInt64] = []
    ) -> Reply? {
        sequence += 1
        answers = harness.apply(session, sequence, operation, caller: caller, below: below, singles: singles)
        return answers.first { $0.session == session && $0.sequence == sequence }?.reply
    }

    /// What the state machine remembers of a command; nil if it waits still.
    func outcome(_ sequence: UInt64, session: UInt64 = 1) -> Reply? {
        var writer = ByteWriter()
        guard machine.cachedReply(SessionID(session), sequence, into: &writer) else { return nil }
        return decodeReply(writer.bytes)
    }

    /// An entry in which nobody asks for anything.
    mutating func pass(milliseconds: UInt64) {
        harness.leaseTime += milliseconds
        answers = harness.commit()
    }

    /// - Returns: the sequence number of a command that waits.
    mutating func wait(_ operation: Operation, as caller: String = "", session: UInt64 = 1) -> UInt64 {
        guard send(operation, as: caller, session: session) == nil else { fatalError("it was to wait: \(operation)") }
        return sequence
    }

    @discardableResult
    mutating func write(_ fields: Value..., in space: String = "s", as caller: String = "") -> TupleID {
        guard case .written(let id, _)? = send(.write(space: space, tuple: Tuple(fields)), as: caller, session: 2)
        else {
            fatalError("it was to be written: \(fields)")
        }
        return id
    }

    /// Whatever is there.
    mutating func reserve(for milliseconds: UInt64 = 5_000, as caller: String = "") -> ReservationID {
        guard case .reserved(let id, _, _)? = send(.reserve(milliseconds), as: caller) else {
            fatalError("there was to be something")
        }
        return id
    }

    /// - Returns: the credential of somebody who has a token.
    mutating func know(_ user: String, roles: [String] = [], token: UInt8? = nil) -> String {
        let digest = TokenDigest.test(token ?? user.utf8.first ?? 0)
        guard send(.setToken(TokenRecord(digest: digest, user: user, roles: roles)), as: "!", session: 3) == .done
        else {
            fatalError("an operator was to set a token")
        }
        return Credential.token(digest).text
    }

    mutating func setPolicy(_ policy: Policy?, of space: String = "s") {
        guard send(.setPolicy(space: space, policy), as: "!", session: 3) == .done else {
            fatalError("an operator was to set a policy")
        }
    }

    func count(in space: String = "s") -> Reply {
        machine.answer(.count(space: space, template: Template(.any)), as: .operator)
    }
}

extension TokenDigest {
    static func test(_ number: UInt8) -> TokenDigest {
        guard let digest = TokenDigest(sha256: [UInt8](repeating: number, count: 32)) else { fatalError("32 bytes") }
        return digest
    }
}

extension Operation {
    /// Anything of one field, from the space s.
    static func reserve(_ milliseconds: UInt64, timeout: Timeout = .none) -> Operation {
        .reserve(space: "s", template: Template(.any), timeout: timeout, reservationMilliseconds: milliseconds)
    }
}

extension Reply {
    var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }

    /// The first field of what was found or reserved.
    var first: Value? {
        switch self {
        case .found(let stored, _), .reserved(_, let stored, _): stored.tuple.fields.first
        default: nil
        }
    }

    var reservation: ReservationID? { if case .reserved(let id, _, _) = self { id } else { nil } }
}

/// A snapshot taken apart, to be put together otherwise.
struct SnapshotBlocks {
    var preamble: [UInt8]
    var blocks: [(kind: ImageBlock, bytes: [UInt8])] = []

    init(_ machine: StateMachine) {
        let bytes = encoded(machine)
        let start = ImageFormat.magic.count + 4
        preamble = Array(bytes[..<start])
        var rest = bytes[start...]
        while rest.count >= 5, let first = rest.first, let kind = ImageBlock(rawValue: first) {
            let length = rest.dropFirst().prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            blocks.append((kind, Array(rest.dropFirst(5).prefix(length))))
            rest = rest.dropFirst(5 + length)
        }
    }

    /// The only block of a kind.
    subscript(_ kind: ImageBlock) -> [UInt8] {
        get { blocks.first { $0.kind == kind }?.bytes ?? [] }
        set {
            guard let place = blocks.firstIndex(where: { $0.kind == kind }) else { fatalError("no block \(kind)") }
            blocks[place].bytes = newValue
        }
    }

    var bytes: [UInt8] {
        blocks.reduce(into: preamble) { bytes, block in
            bytes.append(block.kind.rawValue)
            bytes += withUnsafeBytes(of: UInt32(block.bytes.count).littleEndian) { Array($0) }
            bytes += block.bytes
        }
    }

    func restored() throws -> StateMachine { try restore(bytes, pieceBytes: 1 << 20) }
}

func bytes(_ encode: (inout ByteWriter) -> Void) -> [UInt8] {
    var writer = ByteWriter()
    encode(&writer)
    return writer.bytes
}

extension Operation {
    /// Why it is refused before anybody is asked; nil if it is not.
    var refusal: Failure? {
        do throws(Failure) {
            try validate()
            return nil
        } catch { return error }
    }
}
