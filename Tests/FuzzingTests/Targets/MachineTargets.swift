import ByteCoding

@testable import TupleSpace

extension FuzzTarget {
    static let machines = [
        FuzzTarget(
            "state-machine", decoders: [], factor: 2_048, base: 8 << 20, seeds: machineSeeds, check: checkMachine),
        FuzzTarget(
            "state-image",
            decoders: [
                "TupleSpace.Restorer.consume(_:)", "TupleSpace.Restorer.finish(_:)", "TupleSpace.Outcome.init(from:)",
                "TupleSpace.IdempotencyTable.restore(_:_:)", "TupleSpace.IdempotencyTable.restoreLastID(_:)",
                "TupleSpace.EventRing.restore(_:)", "TupleSpace.StateBuild.add(_:_:)",
                "TupleSpace.StateBuild.readPolicy(_:)", "TupleSpace.StateBuild.readToken(_:)",
                "TupleSpace.StateBuild.readReservation(_:)", "TupleSpace.StateBuild.readFailureTuples(_:)",
                "TupleSpace.StateBuild.requireAscending(_:behind:upTo:at:)", "TupleSpace.StateBuild.finish(_:)",
            ],
            // A snapshot says how many tuples will come, and room for so many is made at once, at most for 4,194,304.
            factor: 2_048, base: 512 << 20, seeds: imageSeeds, check: checkImage),
    ]

    static func image(of machine: StateMachine) -> [UInt8] {
        var bytes: [UInt8] = []
        machine.capture().encode { bytes.append(contentsOf: $0) }
        return bytes
    }

    static func restore(
        _ image: UnsafeRawBufferPointer, pieceBytes: Int, indexesApart: Bool = false
    ) throws -> StateMachine? {
        do {
            var restorer = StateMachine.Restorer(indexesApart: indexesApart)
            var index = StateMachine.IndexBuild(expecting: 0)
            var start = 0
            while start < image.count {
                let end = min(image.count, start + pieceBytes)
                try restorer.consume(UnsafeRawBufferPointer(rebasing: image[start..<end]))
                if let tuples = restorer.takeUnindexed() { index.add(tuples) }
                start = end
            }
            return try restorer.finish(index)
        } catch {
            return nil
        }
    }

    // MARK: Apply

    /// Batches of arbitrary bytes or of arbitrary commands, applied by two machines of which one is restored from a
    /// snapshot again and again: equal in everything.
    private static func checkMachine(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        var script = Script(bytes)
        var (first, second) = (StateMachine(), StateMachine())
        var (applied, again) = (Applied(), Applied())
        var index: UInt64 = 0
        for _ in 0..<200 where !script.isAtEnd {
            index += 1
            let restores = script.byte() & 7 == 0
            let batch = nextBatch(&script)
            applied.reset()
            again.reset()
            batch.withUnsafeBytes { first.apply($0, at: index, into: &applied) }
            tamper(batch).withUnsafeBytes { second.apply($0, at: index, into: &again) }
            try require(first.digest == second.digest, "two machines decided differently about \(batch)")
            try require(applied.bytes.bytes == again.bytes.bytes, "two machines replied differently to \(batch)")
            for outcome in applied.outcomes {
                let reply = applied.bytes.bytes[outcome.range]
                let decodes = try reply.withUnsafeBytes { raw in try decoded(raw) { try Reply(from: &$0) } != nil }
                try require(decodes, "a reply cannot be decoded: \(reply)")
            }
            guard restores else { continue }
            let image = image(of: first)
            guard let restored = try image.withUnsafeBytes({ try restore($0, pieceBytes: 4_096) }) else {
                throw Finding("its own snapshot is refused")
            }
            try require(self.image(of: restored) == image, "a restored machine makes another snapshot")
            second = restored
        }
        return first.tupleCount + first.sessionCount > 0 ? .accepted : .refused
    }

    private static func nextBatch(_ script: inout Script) -> [UInt8] {
        if script.below(8) == 0 { return [UInt8](script.part(atMost: 4_096)) }
        var batch = BatchWriter()
        for _ in 0..<1 + script.below(6) {
            let kind = script.byte()
            let session = SessionID(UInt64(kind & 3))
            let header = CommandHeader(
                session: session, sequence: script.near(UInt64(kind >> 4)), acknowledgedBelow: UInt64(script.below(4)),
                acknowledged: kind & 4 != 0 ? [script.near(2)] : [], caller: kind & 8 != 0 ? "ann" : "")
            if kind & 0x70 == 0x70 {
                // A sample of every kind comes easily; and now and then a session that others can use.
                let sample = script.below(Samples.operations.count)
                Samples.encoded(Samples.operations[sample]).withUnsafeBytes { batch.append(header, operation: $0) }
            } else {
                batch.append(header, operation: script.part(atMost: 2_048))
            }
        }
        let leaseTime = script.near(1_000)
        return batch.finish(leaseTime: leaseTime, wallStamp: script.near(1_700_000_000_000))
    }

    private static func machineSeeds() -> [[UInt8]] {
        var whole = ScriptWriter()
        for number in [3, 4, 5, 7, 8, 9, 11, 13, 14, 10, 6, 12, 1] as [UInt8] {
            // Opens session 1, then does one of the samples, and is restored behind each.
            whole.step(0, 1, 1, 0x71, number, 0, 0, 0, 0x71, number + 100, 0, number, 50, 50)
        }
        var raw = ScriptWriter()
        raw.step(0, 0)
        raw.part(Samples.batch(Samples.operations))
        raw.step(0, 0)
        raw.part(Samples.batch([.endSession], lease: 90_000, from: 40))
        var own = ScriptWriter()
        for (number, operation) in Samples.operations.enumerated() {
            own.step(1, 1, 0, 0x01, UInt8(100 + number % 8), 0)
            own.part(Samples.encoded(operation))
            own.step(1, 1)
        }
        return [whole.bytes, raw.bytes, own.bytes]
    }

    // MARK: Restore

    /// A snapshot, the first byte saying in pieces of what size it comes. What is restored makes a snapshot that
    /// restores to the same, and works; and whoever indexes it apart decides the same.
    private static func checkImage(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        guard let size = bytes.first else { return .refused }
        let image = UnsafeRawBufferPointer(rebasing: bytes[1...])
        guard var machine = try restore(image, pieceBytes: 1 + Int(size) * 16) else { return .refused }
        let own = tamper(self.image(of: machine))
        let apart = try own.withUnsafeBytes { try restore($0, pieceBytes: 1 << 16, indexesApart: true) }
        guard var again = apart else { throw Finding("a snapshot of what was restored is refused") }
        try require(self.image(of: again) == own, "a snapshot of what was restored restores to something else")
        var applied = Applied()
        let ids = machine.sessions.map { $0.id }
        let index = machine.appliedIndex
        guard index < .max - 2 else { return .accepted }
        Samples.batch(Samples.operations).withUnsafeBytes { machine.apply($0, at: index + 1, into: &applied) }
        var batch = BatchWriter()
        Samples.encoded(.expireSessions(ids)).withUnsafeBytes {
            batch.append(CommandHeader(session: SessionID(0), sequence: 0), operation: $0)
        }
        let payload = batch.finish(leaseTime: .max, wallStamp: .max)
        payload.withUnsafeBytes { machine.apply($0, at: index + 2, into: &applied) }
        Samples.batch(Samples.operations).withUnsafeBytes { again.apply($0, at: index + 1, into: &applied) }
        payload.withUnsafeBytes { again.apply($0, at: index + 2, into: &applied) }
        try require(machine.digest == again.digest, "an index built apart finds other tuples")
        let isExpired = ids.count > Limits.expiriesPerEntry || machine.heldCount == 0
        try require(isExpired, "without sessions \(machine.heldCount) tuples are still held")
        return .accepted
    }

    private static func imageSeeds() -> [[UInt8]] {
        var machine = StateMachine()
        var applied = Applied()
        var seeds = [[1] + image(of: machine)]
        for (number, operation) in Samples.operations.enumerated() where number > 2 {
            let batch = Samples.batch([operation], lease: 100 + UInt64(number), from: UInt64(number))
            batch.withUnsafeBytes { machine.apply($0, at: UInt64(number), into: &applied) }
            seeds.append([UInt8(number)] + image(of: machine))
        }
        var ended = machine
        Samples.batch([.endSession], from: 90).withUnsafeBytes { ended.apply($0, at: 90, into: &applied) }
        return seeds + [[9] + image(of: ended)]
    }
}
