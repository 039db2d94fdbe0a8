import StarlingClient
import TupleSpace

/// Clients that do whatever can be judged, each with a connection of its own, and write down what they see.
struct Load {
    /// A space is used for so long, by all clients.
    static let roundMilliseconds: UInt64 = 500
    static let operationsPerRound = 5

    let history: History
    let began: ContinuousClock.Instant
    let end: ContinuousClock.Instant

    private var now: UInt64 {
        let parts = (ContinuousClock.now - began).components
        return UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds / 1_000_000_000)
    }

    func run(_ client: StarlingClient, number: Int) async {
        var random = SystemRandomNumberGenerator()
        var round: UInt64 = .max
        var left = 0
        var written = 0
        var known = Known()
        while ContinuousClock.now < end {
            let current = now / (Self.roundMilliseconds * 1_000_000)
            if current != round { (round, left, known) = (current, Self.operationsPerRound, Known()) }
            if left > 0 {
                left -= 1
                written += 1
                var operation = History.Operation(
                    client: number, space: "chaos-\(round)", kind: kind(&random, known),
                    value: number * 10_000_000 + written, began: now)
                await perform(&operation, client, &known)
            }
            // So that the operations of a round overlap now so, now otherwise.
            try? await Task.sleep(for: .milliseconds(Int.random(in: 5...40, using: &random)))
        }
    }

    /// What a client was told of in this round.
    private struct Known {
        var tuple: TupleID?
        var reservation: ReservationID?
    }

    private func kind(_ random: inout some RandomNumberGenerator, _ known: Known) -> History.Kind {
        if known.reservation != nil, Bool.random(using: &random) {
            return Int.random(in: 0..<10, using: &random) < 6 ? .complete : .release
        }
        if known.tuple != nil, Int.random(in: 0..<10, using: &random) < 3 {
            return Bool.random(using: &random) ? .takeByID : .replace
        }
        switch Int.random(in: 0..<100, using: &random) {
        case ..<40: return .write
        case ..<55: return .take
        case ..<65: return .reserve
        case ..<72: return .exchange
        case ..<76: return .takeAll
        case ..<93: return .read
        default: return .count
        }
    }

    private func perform(_ operation: inout History.Operation, _ client: StarlingClient, _ known: inout Known) async {
        do throws(Failure) {
            try await begin(&operation, client, &known)
            operation.ended = now
        } catch {
            // Certainly not done: then it says nothing.
            if error.code != .outcomeUnknown { return }
        }
        history.add(operation)
    }

    private func begin(
        _ operation: inout History.Operation, _ client: StarlingClient, _ known: inout Known
    ) async throws(Failure) {
        let (space, value, anything) = (operation.space, operation.value ?? 0, Verdict.anything)
        switch operation.kind {
        case .write:
            known.tuple = try await client.write(Verdict.tuple(value), to: space).id
            operation.id = known.tuple?.rawValue
        case .take:
            // Under a key a take is final at once: held and given back, it would be two operations.
            let key = IdempotencyKey(key: "take-\(value)", digest: [UInt8](repeating: 1, count: 32))
            operation.found = Self.value(try await client.take(anything, from: space, key: key)?.stored.tuple)
        case .takeByID, .replace: try await change(&operation, client, &known)
        case .takeAll:
            let taken = try await client.takeAll(anything, from: space, page: Verdict.page)
            operation.all = taken.tuples.compactMap { Self.value($0.tuple) }
            operation.found = taken.more ? 1 : 0
        case .exchange:
            let done = try await client.run(Verdict.exchange(value, in: space)).done
            if case .found(let stored, _)? = done?.results.first { operation.found = Self.value(stored.tuple) }
        case .reserve:
            let reserved = try await client.reserve(anything, from: space, for: Limits.reservationMilliseconds).reserved
            (known.reservation, operation.id) = (reserved?.reservation, reserved?.reservation.rawValue)
            operation.found = Self.value(reserved?.stored.tuple)
        case .complete, .release: try await conclude(&operation, client, &known)
        case .read: operation.found = Self.value(try await client.read(anything, from: space).tuple?.tuple)
        case .count: operation.found = Int(try await client.count(anything, in: space).count)
        }
    }

    private func change(
        _ operation: inout History.Operation, _ client: StarlingClient, _ known: inout Known
    ) async throws(Failure) {
        guard let id = known.tuple else { return }
        operation.target = id.rawValue
        if operation.kind == .takeByID {
            known.tuple = nil
            operation.found = Self.value(try await client.take(id, from: operation.space).tuple?.tuple)
        } else {
            let tuple = Verdict.tuple(operation.value ?? 0)
            operation.id = try await client.replace(id, in: operation.space, with: tuple)?.id.rawValue
        }
    }

    private func conclude(
        _ operation: inout History.Operation, _ client: StarlingClient, _ known: inout Known
    ) async throws(Failure) {
        guard let id = known.reservation else { return }
        (known.reservation, operation.target) = (nil, id.rawValue)
        let isThere =
            operation.kind == .complete
            ? try await client.complete(id).isThere : try await client.release(id).isThere
        operation.found = isThere ? 1 : 0
    }

    static func value(_ tuple: Tuple?) -> Int? {
        guard let tuple, tuple.fields.count >= 2, case .int(let value) = tuple.fields[1] else { return nil }
        return Int(value)
    }
}
