import StarlingClient
import TupleSpace

/// Clients that write, take, read and count, each with a connection of its own, and write down what they see.
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
        while ContinuousClock.now < end {
            let current = now / (Self.roundMilliseconds * 1_000_000)
            if current != round { (round, left) = (current, Self.operationsPerRound) }
            if left > 0 {
                left -= 1
                written += 1
                await perform(
                    Self.kind(Int.random(in: 0..<100, using: &random)), client, number, space: "chaos-\(round)",
                    value: number * 10_000_000 + written)
            }
            // So that the operations of a round overlap now so, now otherwise.
            try? await Task.sleep(for: .milliseconds(Int.random(in: 5...40, using: &random)))
        }
    }

    private static func kind(_ draw: Int) -> History.Kind {
        switch draw {
        case ..<45: .write
        case ..<75: .take
        case ..<92: .read
        default: .count
        }
    }

    private func perform(
        _ kind: History.Kind, _ client: StarlingClient, _ number: Int, space: String, value: Int
    ) async {
        let anything = Verdict.anything
        var operation = History.Operation(
            client: number, space: space, kind: kind, value: kind == .write ? value : nil, began: now)
        do throws(Failure) {
            switch kind {
            case .write: _ = try await client.write(Verdict.tuple(value), to: space)
            case .take:
                // Under a key a take is final at once: held and given back, it would be two operations.
                let key = IdempotencyKey(key: "take-\(value)", digest: [UInt8](repeating: 1, count: 32))
                operation.found = Self.value(try await client.take(anything, from: space, key: key)?.stored.tuple)
            case .read: operation.found = Self.value(try await client.read(anything, from: space).tuple?.tuple)
            case .count: operation.found = Int(try await client.count(anything, in: space).count)
            }
            operation.ended = now
        } catch {
            // Certainly not done: then it says nothing.
            if error.code != .outcomeUnknown { return }
        }
        history.add(operation)
    }

    static func value(_ tuple: Tuple?) -> Int? {
        guard let tuple, tuple.fields.count >= 2, case .int(let value) = tuple.fields[1] else { return nil }
        return Int(value)
    }
}
