import ByteCoding
import Testing

@testable import TupleSpace

@Suite("Leases, and tuples by their ids")
struct LeaseTests {
    private func write(
        _ harness: inout Harness, _ sequence: UInt64, _ value: Value, lease: UInt64, in space: String = "s"
    ) -> TupleID {
        let answers = harness.apply(
            1, sequence, .writeLeased(space: space, tuple: Tuple([value]), leaseMilliseconds: lease))
        guard case .written(let id, _)? = answers.last?.reply else { return TupleID(0) }
        return id
    }

    private func count(_ harness: Harness) -> Reply {
        harness.machine.answer(.count(space: "s", template: Template([.any])))
    }

    @Test("A tuple goes by an entry when its lease has ended, though nobody reads it, and not before")
    func expiry() {
        var harness = Harness(sessions: 1)
        let id = write(&harness, 1, .int(1), lease: 500)
        #expect(harness.machine.nextDeadline == harness.leaseTime + 500)
        harness.leaseTime += 499
        harness.commit()
        #expect(count(harness) == .count(1))
        harness.leaseTime += 1
        harness.commit()
        #expect(count(harness) == .count(0))
        #expect(harness.events().map(\.kind) == [.write, .expire])
        #expect(harness.events().last?.tuple.id == id)
        #expect(harness.machine.nextDeadline == nil)
        #expect(harness.apply(1, 2, .renew(space: "s", id: id, lease: .milliseconds(5)))[0].reply == .noMatch)
    }

    @Test("A lease that is over at once makes a write and an expiry, and nobody gets the tuple")
    func over() {
        var harness = Harness(sessions: 1)
        harness.apply(1, 1, .take(.any, in: "s", timeout: .forever))
        _ = write(&harness, 2, .int(1), lease: 0)
        #expect(harness.events().map(\.kind) == [.write, .expire])
        #expect(harness.machine.waiterCount == 1)
    }

    @Test("Renewing counts from now, ends, or takes the lease away; elsewhere it finds nothing")
    func renewing() {
        var harness = Harness(sessions: 1)
        let id = write(&harness, 1, .int(1), lease: 500)
        harness.leaseTime += 400
        #expect(harness.apply(1, 2, .renew(space: "s", id: id, lease: .milliseconds(300)))[0].reply == .done)
        #expect(harness.machine.nextDeadline == harness.leaseTime + 300)
        #expect(harness.apply(1, 3, .renew(space: "t", id: id, lease: .milliseconds(300)))[0].reply == .noMatch)
        #expect(harness.apply(1, 4, .renew(space: "s", id: id, lease: .forever))[0].reply == .done)
        #expect(harness.machine.nextDeadline == nil)
        #expect(harness.apply(1, 5, .renew(space: "s", id: id, lease: .milliseconds(7)))[0].reply == .done)
        #expect(harness.machine.nextDeadline == harness.leaseTime + 7)
        #expect(harness.apply(1, 6, .renew(space: "s", id: id, lease: .none))[0].reply == .done)
        #expect(count(harness) == .count(0))
        let tooLong = harness.apply(
            1, 7, .renew(space: "s", id: id, lease: .milliseconds(Limits.leaseMilliseconds + 1)))
        guard case .failed(let failure) = tooLong[0].reply else { return #expect(Bool(false)) }
        #expect(failure.message.contains("\(Limits.leaseMilliseconds)"))
    }

    @Test("A held tuple whose lease ends stays with its holder; given back it goes, acknowledged it is the holder's")
    func held() throws {
        for givesBack in [true, false] {
            var harness = Harness(sessions: 1)
            let id = write(&harness, 1, .int(1), lease: 500)
            harness.apply(1, 2, .take(.any, in: "s", timeout: .none, holds: true))
            #expect(harness.apply(1, 3, .renew(space: "s", id: id, lease: .forever))[0].reply == .noMatch, "it is held")
            harness.leaseTime += 600
            harness.commit()
            #expect(harness.machine.heldCount == 1 && harness.machine.nextDeadline == nil)
            // A server that begins with a snapshot of it does the same.
            harness.machine = try restore(encoded(harness.machine), pieceBytes: 1_000)
            harness.apply(1, 4, givesBack ? .release(sequence: 2) : .acknowledge, singles: givesBack ? [] : [2])
            #expect(harness.machine.heldCount == 0)
            #expect(count(harness) == .count(0))
            #expect(harness.events().map(\.kind) == (givesBack ? [.write, .take, .expire] : [.write, .take]))
        }
    }

    @Test("One entry ends so many leases, the next one the rest, and what is overdue cannot be renewed meanwhile")
    func manyAtOnce() {
        var harness = Harness(sessions: 1)
        let total = Limits.expiriesPerEntry + 10
        var last = TupleID(0)
        for i in 0..<total {
            last = write(&harness, UInt64(i + 1), .int(Int64(i)), lease: 100)
            harness.apply(1, UInt64(total + i + 1), .acknowledge, below: UInt64(i + 2))
        }
        harness.leaseTime += 200
        harness.add(1, UInt64(3 * total), .renew(space: "s", id: last, lease: .forever))
        #expect(harness.commit()[0].reply == .noMatch)
        #expect(count(harness) == .count(10))
        harness.commit()
        #expect(count(harness) == .count(0))
    }

    @Test("Take-all takes as one, in order, what the page allows, and says whether there is more")
    func takeAll() {
        var harness = Harness(sessions: 1)
        for i in 1...7 { harness.apply(1, UInt64(i), .write(.int(Int64(i)), in: "s")) }
        func numbers(_ answers: [Harness.Answer]) -> ([Value], Bool)? {
            guard case .tuples(let tuples, let more)? = answers.last?.reply else { return nil }
            return (tuples.map { $0.tuple.fields[0] }, more)
        }
        let template = Template([.any])
        let first = harness.apply(1, 10, .takeAll(space: "s", template: template, page: Page(limit: 3)))
        #expect(numbers(first)! == ([1, 2, 3], true))
        #expect(
            numbers(harness.apply(1, 10, .takeAll(space: "s", template: template, page: Page(limit: 3))))! == (
                [1, 2, 3], true
            ), "the same again")
        let newest = harness.apply(
            1, 11, .takeAll(space: "s", template: template, page: Page(limit: 9, order: .newest)))
        #expect(numbers(newest)! == ([7, 6, 5, 4], false))
        #expect(
            numbers(harness.apply(1, 12, .takeAll(space: "s", template: template, page: Page(limit: 9))))! == (
                [], false
            ))
        #expect(harness.events().suffix(7).allSatisfy { $0.kind == .take })
    }

    @Test("Take-all is bounded in bytes, and by what the session keeps")
    func takeAllBytes() {
        var harness = Harness(sessions: 1)
        var sequence: UInt64 = 0
        let value = Value.bytes([UInt8](repeating: 1, count: 300_000))
        for _ in 0..<80 {
            sequence += 1
            harness.apply(1, sequence, .write(value, in: "s"))
        }
        var taken = 0
        var failure: Failure?
        while failure == nil, taken < 80 {
            sequence += 1
            let page = Page(limit: 1_000)
            let answers = harness.apply(1, sequence, .takeAll(space: "s", template: Template([.any]), page: page))
            switch answers[0].reply {
            case .tuples(let tuples, let more):
                #expect(tuples.count == 3 && more)
                taken += tuples.count
            case .failed(let refused): failure = refused
            default: break
            }
        }
        #expect(failure?.code == .sessionWindowFull && taken == 57)
        // What is acknowledged is kept no longer.
        let answers = harness.apply(
            1, sequence + 1, .takeAll(space: "s", template: Template([.any]), page: Page(limit: 1_000)), below: sequence
        )
        guard case .tuples(let tuples, _) = answers[0].reply else { return #expect(Bool(false)) }
        #expect(tuples.count == 3)
    }

    @Test("A replaced tuple keeps its id, place and lease, and goes to whoever waits for what it is now")
    func replace() {
        var harness = Harness(sessions: 1)
        let first = write(&harness, 1, .int(1), lease: 500)
        let second = write(&harness, 2, .int(2), lease: 900)
        harness.apply(1, 3, .take(.literal(.string("wanted")), in: "s", timeout: .forever))
        let position = harness.apply(1, 4, .replace(space: "s", id: first, tuple: Tuple([.string("other")])))
        guard case .written(first, _) = position[0].reply else { return #expect(Bool(false)) }
        #expect(harness.machine.answer(.read(space: "s", template: Template([.literal(.int(1))]))) == .noMatch)
        guard case .found(let stored, _) = harness.machine.answer(.read(space: "s", template: Template([.any]))) else {
            return #expect(Bool(false))
        }
        #expect(stored == StoredTuple(id: first, tuple: Tuple([.string("other")])))
        #expect(harness.machine.nextDeadline == harness.leaseTime + 500)
        harness.apply(1, 5, .replace(space: "s", id: second, tuple: Tuple([.string("wanted")])))
        #expect(harness.machine.waiterCount == 0)
        #expect(harness.events().suffix(3).map(\.kind) == [.replace, .replace, .take])
        #expect(harness.apply(1, 6, .replace(space: "s", id: second, tuple: Tuple([.null])))[0].reply == .noMatch)
        #expect(harness.apply(1, 7, .takeByID(space: "s", id: second))[0].reply == .noMatch)
        guard case .found = harness.apply(1, 8, .takeByID(space: "s", id: first))[0].reply else {
            return #expect(Bool(false))
        }
        #expect(harness.machine.tupleCount == 0 && harness.machine.leaseCount == 0)
    }
}

@Suite("The store of records")
struct SlabStoreTests {
    /// Small ones and big ones side by side, in one another's places, with trailers and without.
    @Test("gives back what was put in, however often it was rewritten", arguments: 0..<8 as Range<UInt64>)
    func rewriting(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var store = SlabStore()
        var model: [UInt64: (bytes: [UInt8], trailer: UInt64?)] = [:]
        var nextID: UInt64 = 1
        func bytes() -> [UInt8] {
            let size =
                random.chance(5) ? random.below(1 << 20) : random.chance(20) ? random.below(40_000) : random.below(200)
            return [UInt8](repeating: UInt8(truncatingIfNeeded: random.below(256)), count: size)
        }
        for step in 0..<1_000 {
            let trailer: UInt64? = random.chance(40) ? UInt64(random.below(1_000_000)) : nil
            switch random.below(10) {
            case 0..<4:
                let new = bytes()
                new.withUnsafeBytes { store.append(nextID, label: 3, $0, trailer: trailer) }
                model[nextID] = (new, trailer)
                nextID += 1
            case 4..<8:
                guard let id = model.keys.sorted().randomElement(using: &random), let place = store.place(of: id) else {
                    continue
                }
                let new = bytes()
                store.rewrite(place, new, trailer: trailer)
                model[id] = (new, trailer)
            default:
                guard let id = model.keys.sorted().randomElement(using: &random), let place = store.place(of: id) else {
                    continue
                }
                store.remove(place)
                model[id] = nil
            }
            guard step % 125 == 0 else { continue }
            #expect(store.count == model.count)
            var seen: [UInt64] = []
            store.forEach { id, label, held, record, trailer in
                seen.append(id)
                #expect(label == 3 && !held)
                let known = model[id]
                #expect(known?.trailer == trailer && known?.bytes == [UInt8](record))
            }
            #expect(seen == model.keys.sorted())
            for id in seen {
                guard let place = store.place(of: id) else {
                    Issue.record("\(id) is not found")
                    continue
                }
                #expect(store.trailer(place) == model[id]?.trailer)
                #expect(store.withBytes(place) { [UInt8]($0) } == model[id]?.bytes)
            }
        }
    }
}
