import ByteCoding
import TupleSpace

/// What is measured, and the report that it goes to.
struct Measurements {
    private(set) var report = Report()

    mutating func measureAll(resident: Int) {
        report.add("resident", Double(resident))
        // First, while this process's memory is still its own.
        var grown = measureGrowth(to: resident)
        measureSnapshot(&grown)
        measureBatches()
        measurePairs("none", resident: 0)
        measurePairs("ten_thousand", resident: 10_000)
        measurePairs("resident", resident: resident)
        measureTakes("none", resident: 0)
        measureTakes("resident", resident: resident)
        measureReads(resident: resident)
        measureWaiters(10_000)
    }

    /// Pairs a second: of commands as they come from clients, and of tuples, so that encoding both commands counts too.
    mutating func measureRate(resident count: Int, pairs: Int) {
        var (applying, encoding) = (Driver(), Driver())
        applying.fill(count)
        encoding.fill(count)
        var spent = (applying: Duration.zero, encoding: Duration.zero)
        for first in stride(from: 0, to: pairs, by: 500) {
            let numbers = first..<min(pairs, first + 500)
            let commands = numbers.flatMap { number in
                [Driver.write(Driver.pairTuple(number)), Driver.take(Driver.pairTemplate(number))].map {
                    applying.command($0)
                }
            }
            let tuples = numbers.map { Driver.pairTuple($0) }
            let started = ContinuousClock.now
            for command in commands { applying.apply(command) }
            let applied = ContinuousClock.now
            for tuple in tuples { encoding.writeAndTake(tuple) }
            spent.applying += applied - started
            spent.encoding += ContinuousClock.now - applied
        }
        precondition(
            applying.machine.tupleCount == count && encoding.machine.tupleCount == count, "pairs take what they wrote")
        report.add("resident", Double(count))
        report.add("pairs", Double(pairs))
        report.add("rate", Double(pairs) * 1e9 / spent.applying.nanoseconds)
        report.add("rate_with_encoding", Double(pairs) * 1e9 / spent.encoding.nanoseconds)
    }

    mutating func measurePairs(_ name: String, resident count: Int) {
        var driver = Driver()
        driver.fill(count)
        var writes = Samples()
        var pairs = Samples()
        for i in 0..<200_000 {
            let write = driver.command(Driver.write(Driver.pairTuple(i)))
            let take = driver.command(Driver.take(Driver.pairTemplate(i)))
            let started = ContinuousClock.now
            driver.apply(write)
            let written = ContinuousClock.now
            driver.apply(take)
            let taken = ContinuousClock.now
            writes.add(written - started)
            pairs.add(taken - started)
        }
        precondition(driver.machine.tupleCount == count, "every pair takes what it wrote")
        report.add("\(name)_write", writes)
        report.add("\(name)_pair", pairs)
    }

    mutating func measureBatches() {
        var driver = Driver()
        let rounds = 200
        let perBatch = 1_000
        var total = Duration.zero
        for round in 0..<rounds {
            let batch = driver.batch((0..<perBatch).map { Driver.write(Driver.tuple(round * perBatch + $0)) })
            let started = ContinuousClock.now
            driver.apply(batch)
            total += ContinuousClock.now - started
        }
        report.add("write_in_batches_of_1000_mean", total.nanoseconds / Double(rounds * perBatch))
    }

    mutating func measureTakes(_ name: String, resident count: Int) {
        var driver = Driver()
        driver.fill(count)
        var takes = Samples()
        for i in 0..<100_000 {
            driver.apply(driver.command(Driver.write(Driver.pairTuple(i))))
            let take = driver.command(Driver.take(Driver.pairTemplate(i)))
            let started = ContinuousClock.now
            driver.apply(take)
            takes.add(ContinuousClock.now - started)
        }
        report.add("\(name)_take_by_three_literals", takes)
    }

    /// A machine in which so many takes wait for what nobody writes.
    private func waiting(_ count: Int) -> Driver {
        var driver = Driver()
        driver.acknowledges = false
        for i in 0..<count {
            if i % 4_000 == 0 { driver.openSession() }
            driver.apply(driver.command(Driver.take(Driver.waiterTemplate(i), forever: true)))
        }
        precondition(driver.machine.waiterCount == count, "nothing matches them")
        driver.openSession()
        driver.acknowledges = true
        return driver
    }

    /// In turn, a hundred writes here and a hundred there.
    mutating func compareWaiters(_ count: Int, writes: Int) {
        var (among, without) = (waiting(count), Driver())
        var spent = (among: Duration.zero, without: Duration.zero)
        for first in stride(from: 0, to: writes, by: 100) {
            spent.among += Self.write(first..<min(writes, first + 100), to: &among)
            spent.without += Self.write(first..<min(writes, first + 100), to: &without)
        }
        report.add("waiters", Double(count))
        report.add("write_among_waiters", spent.among.nanoseconds / Double(writes))
        report.add("write_among_none", spent.without.nanoseconds / Double(writes))
        report.add("ratio", spent.among.nanoseconds / spent.without.nanoseconds)
    }

    private static func write(_ numbers: Range<Int>, to driver: inout Driver) -> Duration {
        let commands = numbers.map { driver.command(Driver.write(Driver.tuple($0))) }
        let started = ContinuousClock.now
        for command in commands { driver.apply(command) }
        return ContinuousClock.now - started
    }

    mutating func measureWaiters(_ count: Int) {
        var driver = waiting(count)
        var writes = Samples()
        for i in 0..<100_000 {
            let write = driver.command(Driver.write(Driver.tuple(i)))
            let started = ContinuousClock.now
            driver.apply(write)
            writes.add(ContinuousClock.now - started)
        }
        report.add("write_among_\(count)_waiters", writes)
    }

    @discardableResult
    mutating func measureGrowth(to count: Int) -> Driver {
        var driver = Driver()
        let before = Memory.residentBytes()
        var slowest = Duration.zero
        var slowestAt = 0
        for i in 0..<count {
            let write = driver.command(Driver.write(Driver.tuple(i)))
            let started = ContinuousClock.now
            driver.apply(write)
            let took = ContinuousClock.now - started
            if took > slowest { (slowest, slowestAt) = (took, i) }
        }
        report.add("slowest_write_while_growing", slowest.nanoseconds)
        report.add("slowest_write_at_tuple", Double(slowestAt))
        report.add("bytes_per_resident_tuple", Double(Memory.residentBytes() - before) / Double(count))
        return driver
    }

    mutating func measureSnapshot(_ driver: inout Driver) {
        let started = ContinuousClock.now
        let image = driver.machine.capture()
        report.add("capture", (ContinuousClock.now - started).nanoseconds)
        var writes = Samples()
        for i in 0..<20_000 {
            let write = driver.command(Driver.write(Driver.pairTuple(i)))
            let take = driver.command(Driver.take(Driver.oldTemplate(i * 40)))
            let started = ContinuousClock.now
            driver.apply(write)
            driver.apply(take)
            writes.add(ContinuousClock.now - started)
        }
        report.add("write_and_take_old_while_captured", writes)
        var pieces: [[UInt8]] = []
        let encoding = ContinuousClock.now
        image.encode { pieces.append([UInt8]($0)) }
        report.add("encode_ms", (ContinuousClock.now - encoding).nanoseconds / 1e6)
        let restoring = ContinuousClock.now
        var restorer = StateMachine.Restorer()
        do {
            for piece in pieces { try piece.withUnsafeBytes { try restorer.consume($0) } }
            let machine = try restorer.finish()
            report.add("restore_ms", (ContinuousClock.now - restoring).nanoseconds / 1e6)
            report.add("restored_tuples", Double(machine.tupleCount))
        } catch {
            fatalError("what was captured is not restored: \(error)")
        }
    }

    mutating func measureReads(resident count: Int) {
        var driver = Driver()
        driver.fill(count)
        var reads = Samples()
        var reply = ByteWriter(reserving: 4_096)
        for i in 0..<100_000 {
            var writer = ByteWriter()
            Query.read(space: "bench", template: Driver.oldTemplate(i % max(1, count))).encode(into: &writer)
            reply.reset()
            let started = ContinuousClock.now
            writer.bytes.withUnsafeBytes { driver.machine.answer(encoded: $0, into: &reply) }
            reads.add(ContinuousClock.now - started)
        }
        report.add("read_by_three_literals", reads)
    }
}
