import StarlingClient
import Synchronization
import TupleSpace

/// Tuples with leases that nobody takes: none may go before its time, and in the end all must.
///
/// Lease time stands still without a leader, and is never ahead of real time: a lease ends so many milliseconds after it was asked for, or
/// later.
final class LeaseBook: Sendable {
    static let space = "chaos-leases"

    private let violations = Mutex<[String]>([])
    private let next = Mutex(Int64(0))

    func run(_ client: StarlingClient, until end: ContinuousClock.Instant) async {
        while ContinuousClock.now < end {
            let number = next.withLock { next in
                next += 1
                return next
            }
            // One that nobody can say anything of is left to its end.
            try? await watch(number, client)
        }
    }

    private func watch(_ number: Int64, _ client: StarlingClient) async throws {
        let template = Template([.literal(.string("lease")), .literal(.int(number))])
        var lease = UInt64.random(in: 500...3_000)
        // Until then it is there.
        var least = ContinuousClock.now + .milliseconds(Int64(lease))
        let id = try await client.write(
            Tuple([.string("lease"), .int(number)]), to: Self.space, lease: lease
        ).id
        for _ in 0..<Int.random(in: 1...3) {
            try await Task.sleep(for: .milliseconds(Int.random(in: 10...600)))
            lease = UInt64.random(in: 300...2_000)
            let renewed = ContinuousClock.now + .milliseconds(Int64(lease))
            let renews = Bool.random()
            let isThere =
                renews
                ? try await client.renew(id, in: Self.space, lease: .milliseconds(lease)).isThere
                : try await client.read(template, from: Self.space).tuple != nil
            if !isThere {
                if ContinuousClock.now < least {
                    let left = least - ContinuousClock.now
                    violations.withLock { $0.append("leased tuple \(number) was gone \(left) before its lease ended") }
                }
                return
            }
            if renews { least = renewed }
        }
    }

    /// When nobody writes any more all must go.
    func settle(_ client: StarlingClient) async -> [String] {
        let deadline = ContinuousClock.now + .seconds(60)
        var left: UInt64?
        while ContinuousClock.now < deadline {
            left = (try? await client.count(Template([.any, .any]), in: Self.space))?.count
            if left == 0 { return violations.withLock { $0 } }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return violations.withLock {
            $0 + ["\(left.map(String.init) ?? "nobody knows how many") leased tuples have not gone"]
        }
    }
}
