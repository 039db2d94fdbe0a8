import StarlingClient
import Synchronization
import TupleSpace

/// A queue that lives as long as the load: jobs are numbered, so that one that is lost or done twice is seen.
final class JobQueue: Sendable {
    static let space = "chaos-jobs"
    private static let anyJob = Template([.literal(.string("job")), .any, .any])
    /// So that a log segment is full within seconds, and another is needed, for which a full disk has no room.
    private static let payload = Value.string(String(repeating: "x", count: 16_384))

    private struct Ledger {
        var next = 0
        /// Written for certain.
        var written: Set<Int> = []
        /// Perhaps written.
        var perhaps: Set<Int> = []
        var done: [Int: Int] = [:]
        /// Nobody knows whether the completion was done: a job of these may be gone, and may come again.
        var uncertain: Set<Int> = []

        /// Written for certain, not done, and to be had.
        var missing: [Int] { written.filter { done[$0] == nil && !uncertain.contains($0) }.sorted() }
    }

    private let ledger = Mutex(Ledger())

    func produce(_ client: StarlingClient, until end: ContinuousClock.Instant) async {
        while ContinuousClock.now < end {
            let number = ledger.withLock { ledger in
                ledger.next += 1
                return ledger.next
            }
            do throws(Failure) {
                _ = try await client.write(Tuple([.string("job"), .int(Int64(number)), Self.payload]), to: Self.space)
                _ = ledger.withLock { $0.written.insert(number) }
            } catch {
                if error.code == .outcomeUnknown { _ = ledger.withLock { $0.perhaps.insert(number) } }
            }
            // 50 jobs a second, each 16 KiB: some MiB of log within the time that a disk is full.
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    func consume(_ client: StarlingClient, until end: ContinuousClock.Instant) async {
        while ContinuousClock.now < end { await takeOne(client, timeout: .milliseconds(500)) }
    }

    /// By reservations, some of which it leaves to their end: then the job comes again.
    func consumeReserving(_ client: StarlingClient, until end: ContinuousClock.Instant) async {
        while ContinuousClock.now < end {
            do throws(Failure) {
                let reserved = try await client.reserve(
                    Self.anyJob, from: Self.space, timeout: .milliseconds(500), for: 3_000
                ).reserved
                guard let job = reserved, let number = Load.value(job.stored.tuple) else { continue }
                switch Int.random(in: 0..<20) {
                case 0: continue
                case 1: _ = try await client.release(job.reservation)
                case 2, 3:
                    guard try await client.extend(job.reservation, milliseconds: 6_000).isThere else { continue }
                    await complete(number, job.reservation, client)
                default: await complete(number, job.reservation, client)
                }
            } catch {
                // It comes back, if it was reserved.
                continue
            }
        }
    }

    /// The job is done when its completion is.
    private func complete(_ number: Int, _ reservation: ReservationID, _ client: StarlingClient) async {
        do throws(Failure) {
            let isThere = try await client.complete(reservation).isThere
            if isThere { ledger.withLock { $0.done[number, default: 0] += 1 } }
        } catch {
            if error.code == .outcomeUnknown { _ = ledger.withLock { $0.uncertain.insert(number) } }
        }
    }

    /// - Returns: false if there is none; nil if nobody knows.
    @discardableResult
    private func takeOne(_ client: StarlingClient, timeout: Timeout) async -> Bool? {
        do throws(Failure) {
            guard let held = try await client.take(Self.anyJob, from: Self.space, timeout: timeout) else {
                return false
            }
            if let number = Load.value(held.stored.tuple) { ledger.withLock { $0.done[number, default: 0] += 1 } }
            await held.acknowledge()
            return true
        } catch {
            // It is given back, if it was taken.
            return nil
        }
    }

    /// Takes what is left, for as long as it takes, and says what is wrong.
    func settle(_ client: StarlingClient) async -> (jobs: Int, violations: [String]) {
        // Takes that were given up are given back within a session's time-out.
        var emptySince: ContinuousClock.Instant?
        let deadline = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < deadline {
            let isFound = await takeOne(client, timeout: .none)
            if isFound == false {
                let isComplete = ledger.withLock { ledger in ledger.missing.isEmpty }
                let since = emptySince ?? ContinuousClock.now
                emptySince = since
                if isComplete, ContinuousClock.now - since > .seconds(2) { break }
                // Given back by a session's end, seconds from now: nothing is gained by asking more often.
                try? await Task.sleep(for: .milliseconds(200))
            } else if isFound == true {
                emptySince = nil
            }
        }
        return ledger.withLock { ledger in
            var violations: [String] = []
            for (number, times) in ledger.done.sorted(by: { $0.key < $1.key }) {
                if times > 1 { violations.append("job \(number) was done \(times) times") }
                if !ledger.written.contains(number), !ledger.perhaps.contains(number) {
                    violations.append("job \(number) was done, and was never written")
                }
            }
            for number in ledger.missing {
                violations.append("job \(number) was written, and is lost")
            }
            return (ledger.done.count, violations)
        }
    }
}
