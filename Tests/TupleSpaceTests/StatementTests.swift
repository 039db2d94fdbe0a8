import ByteCoding
import Testing

@testable import TupleSpace

@Suite("Statements")
struct StatementTests {
    private func moves(_ from: Int, _ to: Int, timeout: Timeout = .forever) -> TupleSpace.Operation {
        .statement(
            Statement(
                [
                    .init(
                        .take(space: "s", .init([.plain(.literal(.int(Int64(from)))), .bind(0, nil)])),
                        [.write(space: "s", .init([.value(.int(Int64(to))), .formal(0)]), lease: .forever)])
                ], timeout: timeout))
    }

    @Test("that wait for one another are all done by one write, however many, each once")
    func chain() {
        let length = 4_000
        var harness = Harness(sessions: 1)
        for i in 0..<length { harness.apply(1, UInt64(i + 1), moves(i, i + 1)) }
        #expect(harness.machine.waiterCount == length)
        let answers = harness.apply(1, UInt64(length + 1), .write(0, "x"))
        #expect(answers.count == length + 1)
        #expect(harness.machine.waiterCount == 0 && harness.machine.tupleCount == 1)
        let last = Template([.literal(.int(Int64(length))), .literal(.string("x"))])
        #expect(harness.machine.answer(.count(space: "s", template: last)) == .count(1))
    }

    @Test("that would go round for ever go round once: each is done once")
    func ring() {
        var harness = Harness(sessions: 1)
        for i in 0..<3 { harness.apply(1, UInt64(i + 1), moves(i, (i + 1) % 3)) }
        harness.apply(1, 9, .write(0, "x"))
        #expect(harness.machine.waiterCount == 0)
        #expect(harness.machine.answer(.count(space: "s", template: Template([0, "x"]))) == .count(1))
    }

    @Test("that fail when their guard is met leave the tuple to the next, and are over")
    func failsLater() {
        var harness = Harness(sessions: 1, 2)
        let needs = TupleSpace.Operation.statement(
            Statement(
                [
                    .init(
                        .take(space: "s", .init([.plain("go")])),
                        [
                            .write(space: "s", .init([.value("made")]), lease: .forever),
                            .take(space: "s", .init([.plain("missing")])),
                        ])
                ], timeout: .forever))
        harness.apply(1, 1, needs)
        harness.apply(2, 1, .take("go", timeout: .forever))
        let answers = harness.apply(1, 2, .write("go"))
        guard case .failed(let failure)? = answers.first(where: { $0.session == 1 && $0.sequence == 1 })?.reply else {
            return #expect(Bool(false))
        }
        #expect(failure.code == .statementFailed && failure.message.contains("step 2: no tuple in space s matches"))
        guard case .found? = answers.first(where: { $0.session == 2 })?.reply else { return #expect(Bool(false)) }
        #expect(harness.machine.tupleCount == 0)
        #expect(harness.events().map(\.kind) == [.write, .take])
    }

    @Test("see each tuple once, and not what they write themselves")
    func seesOnce() {
        var harness = Harness(sessions: 1)
        harness.apply(1, 1, .write(1))
        func run(_ sequence: UInt64, _ steps: [Statement.Step]) -> Reply? {
            harness.reply(1, sequence, .statement(Statement([.init(.read(space: "s", .init([.plain(1)])), steps)])))
        }
        func isFailed(_ reply: Reply?) -> Bool {
            if case .failed(let failure)? = reply { failure.code == .statementFailed } else { false }
        }
        #expect(isFailed(run(2, [.take(space: "s", .init([.plain(1)]))])))
        let write = Statement.Step.write(space: "s", .init([.value(2)]), lease: .forever)
        #expect(isFailed(run(3, [write, .take(space: "s", .init([.plain(2)]))])))
        #expect(
            isFailed(run(4, [write, .absent(space: "s", .init([.plain(1)])), .read(space: "s", .init([.plain(3)]))])))
        guard case .statement(0, let results)? = run(5, [write, .absent(space: "s", .init([.plain(2)]))]) else {
            return #expect(Bool(false))
        }
        #expect(results.count == 3)
        #expect(harness.machine.tupleCount == 2)
    }

    @Test("are bounded in what they find and write")
    func bounds() {
        var harness = Harness(sessions: 1)
        let big = Value.bytes([UInt8](repeating: 1, count: 600_000))
        harness.apply(1, 1, .write(big, in: "s"))
        harness.apply(1, 2, .write(big, in: "s"))
        func failure(_ sequence: UInt64, _ guarded: Statement.Guard, _ steps: [Statement.Step]) -> String {
            guard
                case .failed(let failure)? = harness.reply(1, sequence, .statement(Statement([.init(guarded, steps)])))
            else {
                return "none"
            }
            return failure.message
        }
        let any = Statement.TemplateExpression([.bind(0, nil)])
        let other = Statement.TemplateExpression([.bind(1, nil)])
        #expect(
            failure(3, .take(space: "s", any), [.take(space: "s", other)]).contains(
                "finds exceeds the limit of 1048576"))
        let copy = Statement.Step.write(space: "t", .init([.formal(0)]), lease: .forever)
        #expect(failure(4, .read(space: "s", any), [copy, copy]).contains("writes exceeds the limit of 1048576"))
        let two = Statement.Step.write(space: "t", .init([.formal(0), .formal(0)]), lease: .forever)
        #expect(failure(5, .read(space: "s", any), [two]).contains("exceeds the limit of 1048576 bytes"))
        #expect(harness.machine.tupleCount == 2)
    }

    @Test("that would write to one space too many do nothing, now or when their guard is met")
    func tooManySpaces() {
        var harness = Harness(sessions: 1, 2)
        var sequence: UInt64 = 0
        let waits = TupleSpace.Operation.statement(
            Statement(
                [
                    .init(
                        .take(space: "s0", .init([.plain("go")])),
                        [.write(space: "new", .init([.value(1)]), lease: .forever)])
                ], timeout: .forever))
        harness.apply(2, 1, waits)
        for number in 0..<Limits.spaces {
            sequence += 1
            harness.add(1, sequence, .write(1, in: "s\(number)"), below: sequence)
            if number % 1_000 == 999 { harness.commit() }
        }
        harness.commit()
        #expect(harness.machine.spaceCount == Limits.spaces)
        func isFull(_ reply: Reply?) -> Bool {
            if case .failed(let failure)? = reply { failure.code == .tooManySpaces } else { false }
        }
        let write = Statement.Step.write(space: "new", .init([.value(2)]), lease: .forever)
        let now = Statement([.init(.take(space: "s7", .init([.plain(1)])), [write])])
        #expect(isFull(harness.reply(1, sequence + 1, .statement(now))))
        #expect(harness.machine.tupleCount == Limits.spaces)
        let answers = harness.apply(1, sequence + 2, .write("go", in: "s0"))
        #expect(isFull(answers.first { $0.session == 2 }?.reply))
        #expect(harness.machine.tupleCount == Limits.spaces + 1 && harness.machine.waiterCount == 0)
    }

    @Test("whose guards do not stand together in a snapshot make it refused")
    func scatteredGuards() throws {
        var harness = Harness(sessions: 1)
        let two = Statement(
            [
                .init(.take(space: "s", .init([.plain("one")]))), .init(.take(space: "s", .init([.plain("two")]))),
            ], timeout: .forever)
        harness.apply(1, 1, .statement(two))
        harness.apply(1, 2, .take("other", timeout: .forever))
        let whole = encoded(harness.machine)
        #expect(try restore(whole, pieceBytes: 4_096).waiterCount == 2)
        // Where the second guard says: of alternative 1, itself number 1 of 2.
        let place = try #require(whole.indices.first { whole[$0...].starts(with: [1, 1, 2]) })
        for (ordinal, siblings) in [(UInt8(0), UInt8(2)), (1, 3), (1, 1)] {
            var forged = whole
            forged[place + 1] = ordinal
            forged[place + 2] = siblings
            #expect(throws: MalformedBytes.self) { try restore(forged, pieceBytes: 4_096) }
        }
    }

    @Test(
        "that cannot be meant are refused, with the place",
        arguments: [
            (Statement([]), "1 to 8 alternatives, and this one has 0"),
            (
                Statement([.init(.always, Array(repeating: .absent(space: "s", .init([.plain(.any)])), count: 17))]),
                "at most 16 steps"
            ),
            (Statement([.init(.take(space: "s", .init([])))]), "alternative 1, guard: a template has 1 to 64 fields"),
            (Statement([.init(.take(space: "s", .init([.bind(64, nil)])))]), "numbered from 0 to 63, and not 64"),
            (
                Statement([.init(.take(space: "s", .init([.bind(1, nil), .bind(1, nil)])))]),
                "formal 1 is bound already"
            ),
            (
                Statement([.init(.always), .init(.always, [.write(space: "s", .init([.formal(0)]), lease: .forever)])]),
                "alternative 2, step 1: formal 0 is not bound by then"
            ),
            (
                Statement([.init(.always, [.write(space: "s", .init([.id(ofStep: 0)]), lease: .forever)])]),
                "step 0 finds or writes no tuple"
            ),
            (Statement([.init(.always, [.takeIfAny(space: "s", .init([.bind(0, nil)]))])]), "binds no formal"),
            (
                Statement([.init(.take(space: "s", .init([.plain(.any)])), [.replace(step: 0, .init([.value(.null)]))])]
                ),
                "step 0 is no earlier read"
            ),
            (
                Statement([
                    .init(
                        .read(space: "s", .init([.plain(.any)])),
                        [.replace(step: 0, .init([.value(.null)])), .replace(step: 0, .init([.value(.null)]))])
                ]), "replaced twice"
            ),
        ] as [(Statement, String)])
    func refused(statement: Statement, problem: String) throws {
        #expect(statement.problem()?.contains(problem) == true, "\(statement.problem() ?? "nothing")")
        #expect(throws: Failure.self) { try Operation.statement(statement).validate() }
        // As bytes too, wherever they come from.
        var harness = Harness(sessions: 1)
        guard case .failed(let failure)? = harness.reply(1, 1, .statement(statement)) else {
            return #expect(Bool(false))
        }
        #expect(failure.code == .malformed && failure.message.contains(problem))
    }
}
