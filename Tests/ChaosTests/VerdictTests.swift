import Testing

@testable import chaos_clients

@Suite("What the judge of the chaos finds") struct VerdictTests {
    private typealias Operation = History.Operation

    /// Times in tenths of a second.
    private func operation(
        _ kind: History.Kind, _ began: Double, _ ended: Double?, value: Int? = nil, found: Int? = nil,
        space: String = "s", target: UInt64? = nil, id: UInt64? = nil, all: [Int]? = nil
    ) -> Operation {
        Operation(
            client: 0, space: space, kind: kind, value: value, target: target, began: UInt64(began * 1e8),
            ended: ended.map { UInt64($0 * 1e8) },
            found: found, id: id, all: all)
    }

    private func violations(_ operations: Operation...) -> [String] {
        Verdict(operations, until: 1_000_000_000).violations
    }

    @Test("A history that some order explains is good, also where operations overlap") func good() {
        #expect(
            violations(
                operation(.write, 0, 2, value: 1), operation(.write, 1, 3, value: 2), operation(.take, 1, 4, found: 2),
                operation(.read, 1, 5, found: 1), operation(.count, 6, 7, found: 1), operation(.take, 6, 8, found: 1),
                operation(.read, 9, 10)
            ).isEmpty)
    }

    @Test("A write that was acknowledged and is not there is found") func lost() {
        #expect(violations(operation(.write, 0, 1, value: 1), operation(.read, 2, 3)).count == 1)
        #expect(violations(operation(.write, 0, 1, value: 1), operation(.count, 2, 3, found: 0)).count == 1)
    }

    @Test("A tuple that was taken twice is found") func doubledTake() {
        #expect(
            violations(
                operation(.write, 0, 1, value: 1), operation(.take, 2, 3, found: 1), operation(.take, 2, 4, found: 1)
            ).count == 1)
    }

    @Test("A write that is there twice is found") func doubledWrite() {
        #expect(violations(operation(.write, 0, 1, value: 1), operation(.count, 2, 3, found: 2)).count == 1)
    }

    @Test("A read that is older than an acknowledged take is found") func stale() {
        #expect(
            violations(
                operation(.write, 0, 1, value: 1), operation(.take, 2, 3, found: 1), operation(.read, 4, 5, found: 1)
            ).count == 1)
    }

    @Test("Tuples in another order than they were written are found") func order() {
        #expect(
            violations(
                operation(.write, 0, 1, value: 1), operation(.write, 2, 3, value: 2), operation(.take, 4, 5, found: 2)
            ).count == 1)
    }

    @Test("What nobody knows may have been done, later too, or not") func unknown() {
        for found in [nil, 1] {
            #expect(
                violations(
                    operation(.write, 0, nil, value: 1), operation(.read, 2, 3), operation(.read, 4, 5, found: found)
                ).isEmpty)
        }
        #expect(violations(operation(.write, 0, 1, value: 1), operation(.take, 2, nil), operation(.read, 3, 4)).isEmpty)
        // But not both: once seen it stays.
        #expect(
            violations(operation(.write, 0, nil, value: 1), operation(.read, 2, 3, found: 1), operation(.read, 4, 5))
                .count == 1)
    }

    @Test("A reserved tuple is nobody else's until it is released, to its place, and gone once it is completed")
    func reserved() {
        let written = [
            operation(.write, 0, 1, value: 1, id: 11), operation(.write, 1, 2, value: 2, id: 12),
            operation(.reserve, 3, 4, found: 1, id: 20),
        ]
        func areGood(_ more: Operation...) -> Bool { Verdict(written + more, until: 0).violations.isEmpty }
        let (released, completed) = (
            operation(.release, 5, 6, found: 1, target: 20), operation(.complete, 5, 6, found: 1, target: 20)
        )
        #expect(areGood(operation(.read, 4.5, 4.6, found: 2), released, operation(.read, 7, 8, found: 1)))
        #expect(!areGood(operation(.read, 4.5, 4.6, found: 1), released))
        #expect(!areGood(released, operation(.read, 7, 8, found: 2)))
        #expect(areGood(completed, operation(.read, 7, 8, found: 2)))
        #expect(!areGood(completed, operation(.read, 7, 8, found: 1)))
        #expect(!areGood(completed, operation(.release, 7, 8, found: 1, target: 20)))
        // Nobody knows whether that was done: then it may be, or not, and not both.
        let lost = operation(.complete, 5, nil, target: 20)
        for found in [0, 1] { #expect(areGood(lost, operation(.release, 7, 8, found: found, target: 20))) }
        #expect(!areGood(lost, operation(.release, 7, 8, found: 0, target: 20), operation(.read, 9, 10, found: 1)))
    }

    @Test("A tuple is exchanged, replaced and taken by its id as one") func changed() {
        let written = operation(.write, 0, 1, value: 1, id: 11)
        let exchanged = operation(.exchange, 2, 3, value: 2, found: 1)
        #expect(violations(written, exchanged, operation(.count, 4, 5, found: 1)).isEmpty)
        #expect(violations(written, exchanged, operation(.count, 4, 5, found: 2)).count == 1)
        #expect(violations(written, exchanged, operation(.takeByID, 4, 5, found: 1, target: 11)).count == 1)
        let replaced = operation(.replace, 2, 3, value: 3, target: 11, id: 11)
        #expect(violations(written, replaced, operation(.takeByID, 4, 5, found: 3, target: 11)).isEmpty)
        #expect(violations(written, replaced, operation(.takeByID, 4, 5, found: 1, target: 11)).count == 1)
        #expect(violations(written, operation(.takeAll, 2, 3, found: 0, all: [1]), operation(.read, 4, 5)).isEmpty)
        #expect(violations(written, operation(.takeAll, 2, 3, found: 0, all: [])).count == 1)
    }

    @Test("Spaces are judged apart, and each by its own") func spaces() {
        let verdict = Verdict(
            [
                operation(.write, 0, 1, value: 1, space: "a"), operation(.read, 2, 3, found: 1, space: "a"),
                operation(.write, 0, 1, value: 2, space: "b"), operation(.read, 2, 3, space: "b"),
            ], until: 0)
        #expect(
            verdict.spaces == 2
                && verdict.violations == ["no order explains what clients saw in space b (2 operations)"])
    }

    @Test("The longest time without a write that succeeded counts from the beginning and to the end") func gap() {
        let verdict = Verdict(
            [operation(.write, 0, 5, value: 1), operation(.write, 5, 12, value: 2), operation(.read, 12, 30)],
            until: 2_000_000_000)
        #expect(abs(verdict.longestGap - 0.8) < 1e-9 && abs(verdict.gapBegan - 1.2) < 1e-9)
        #expect(Verdict([], until: 3_000_000_000).longestGap == 3)
    }
}
