import Testing

@testable import TupleSpace

@Suite("Rights at apply")
struct RightsTests {
    private let any = Template(.any)
    private var anything: Statement.TemplateExpression { .init([.plain(.any)]) }

    private func waitingStatement() -> TupleSpace.Operation {
        .statement(Statement([.init(.take(space: "s", anything))], timeout: .forever))
    }

    /// A final take, one that holds, a reserve and a statement, all of which wait for anything in the space s.
    private func everyWait() -> [TupleSpace.Operation] {
        [
            .take(.any, timeout: .forever), .take(.any, timeout: .forever, holds: true),
            .reserve(5_000, timeout: .forever),
            waitingStatement(),
        ]
    }

    @Test("A token that the cluster does not know, or no more, does nothing, not even in a session that it opened")
    func unknownToken() {
        var desk = Desk()
        let ann = desk.know("ann")
        desk.harness.open(9, caller: ann)
        #expect(desk.send(.write(1), as: ann, session: 9) != nil)
        #expect(desk.send(.removeToken(.test(UInt8(ascii: "a"))), as: "!", session: 3) == .done)
        for session: UInt64 in [1, 9] {
            #expect(desk.send(.write(1), as: ann, session: session)?.failure == .unknownToken)
        }
        #expect(desk.machine.tupleCount == 1)
        let reply = desk.machine.answer(.count(space: "s", template: any), as: .token(.test(UInt8(ascii: "a"))))
        #expect(reply.failure == .unknownToken)
        #expect(desk.send(.removeToken(.test(UInt8(ascii: "a"))), as: "!", session: 3) == .noMatch)
    }

    @Test(
        "Who waits with a token that was taken back is told when a tuple comes, which goes to the next",
        arguments: 0..<4)
    func tokenRemoved(kind: Int) {
        var desk = Desk()
        let ann = desk.know("ann")
        let waiting = desk.wait(everyWait()[kind], as: ann)
        let next = desk.wait(.take(.any, timeout: .forever), session: 2)
        desk.send(.removeToken(.test(UInt8(ascii: "a"))), as: "!", session: 3)
        #expect(desk.outcome(waiting) == nil, "nothing has come")
        desk.write(1)
        #expect(desk.outcome(waiting)?.failure == .unknownToken)
        #expect(desk.outcome(next, session: 2)?.first == 1)
        #expect(desk.machine.waiterCount == 0 && desk.machine.reservationCount == 0)
    }

    @Test("A policy that leaves one who waits nothing ends that when a tuple comes", arguments: 0..<4)
    func policyForbids(kind: Int) {
        var desk = Desk()
        let ann = desk.know("ann")
        let waiting = desk.wait(everyWait()[kind], as: ann)
        desk.setPolicy(Policy(take: Rule([[.user("bob")]])))
        desk.write(1)
        let failure = desk.outcome(waiting)?.failure
        #expect(failure?.code == .notAllowed && failure?.message == "User ann may not take from the space s.")
        #expect(desk.count() == .count(1))
    }

    @Test("A policy that allows one who waits some tuples lets them wait for such", arguments: 0..<4)
    func policyAllowsSome(kind: Int) {
        var desk = Desk()
        let ann = desk.know("ann")
        let waiting = desk.wait(everyWait()[kind], as: ann)
        desk.setPolicy(Policy(read: Rule([[.fieldIsCaller(0)]])))
        desk.write("bob")
        #expect(desk.outcome(waiting) == nil && desk.machine.tupleCount == 1)
        desk.write("ann")
        #expect(desk.outcome(waiting) != nil && desk.outcome(waiting)?.failure == nil)
        #expect(desk.harness.events().last?.tuple.tuple == Tuple("ann"))
        desk.setPolicy(nil)
        #expect(desk.count() == .count(1))
    }

    @Test("Rights that grow reach who waits with the next tuple, not with those that are there")
    func rightsGrow() {
        var desk = Desk()
        let ann = desk.know("ann")
        desk.setPolicy(Policy(take: Rule([[.exists(space: "rights", [.caller, .field(0)])]])))
        let waiting = desk.wait(.take(.any, timeout: .forever), as: ann)
        desk.write(1)
        desk.write("ann", 1, in: "rights")
        #expect(desk.outcome(waiting) == nil)
        desk.write(1)
        #expect(desk.outcome(waiting)?.first == 1)
        #expect(desk.send(.take(.any), as: ann)?.first == 1, "and whoever asks anew finds the one that was there")
    }

    @Test("A right that is a tuple does not hold while that is held, reserved or gone")
    func rightsAsTuples() {
        var desk = Desk()
        let ann = desk.know("ann", roles: ["editor", "writer"])
        desk.setPolicy(Policy(write: Rule([[.exists(space: "rights", [.field(0), .role])]])))
        func writes() -> Bool { desk.send(.write("news"), as: ann)?.failure == nil }
        #expect(!writes())
        desk.write("news", "writer", in: "rights")
        #expect(writes())
        let held = TupleSpace.Operation.take(.any, .any, in: "rights", holds: true)
        #expect(desk.send(held)?.first == "news")
        let sequence = desk.sequence
        #expect(!writes())
        desk.send(.release(sequence: sequence))
        #expect(writes())
        let reserved = desk.send(
            .reserve(space: "rights", template: Template(.any, .any), timeout: .none, reservationMilliseconds: 1_000))
        #expect(!writes())
        desk.pass(milliseconds: 1_000)
        #expect(reserved?.reservation != nil && writes())
    }

    @Test(
        "What somebody may not read is not there for them, and what they may not do with what they may read is refused")
    func byID() {
        var desk = Desk()
        let ann = desk.know("ann")
        let (hers, other) = (desk.write("ann"), desk.write("bob"))
        desk.setPolicy(Policy(write: .nobody, read: Rule([[.fieldIsCaller(0)]]), take: .nobody))
        for (id, reply) in [(hers, nil), (other, .noMatch)] as [(TupleID, Reply?)] {
            for operation in [
                .renew(space: "s", id: id, lease: .forever), .takeByID(space: "s", id: id),
                .replace(space: "s", id: id, tuple: Tuple("ann")),
            ] as [TupleSpace.Operation] {
                let answer = desk.send(operation, as: ann)
                if let reply { #expect(answer == reply) } else { #expect(answer?.failure?.code == .notAllowed) }
            }
        }
        #expect(desk.machine.answer(.count(space: "s", template: any), as: .user("ann")) == .count(1))
        #expect(desk.machine.mayRead(Tuple("ann"), in: "s", as: .user("ann")))
        #expect(!desk.machine.mayRead(Tuple("bob"), in: "s", as: .user("ann")))
    }

    @Test("A failure says who may not do what, where")
    func messages() {
        var desk = Desk()
        let ann = desk.know("ann")
        desk.setPolicy(Policy(write: Rule([[.fieldIsCaller(0)]]), take: .nobody))
        #expect(
            desk.send(.write("bob"), as: ann)?.failure?.message
                == "User ann may not write to the space s by this tuple.")
        #expect(
            desk.send(.take(.any), as: "")?.failure?.message == "Whoever shows no token may not take from the space s.")
        #expect(desk.send(.take(.any), as: "!")?.failure?.message == "An operator may not take from the space s.")
        let raising = desk.send(.raiseLevel(9), as: "!")?.failure
        #expect(raising?.code == .notAllowed && raising?.message.contains("feature level") == true)
        #expect(desk.machine.featureLevel == FeatureLevels.rights)
    }

    @Test("Policies are set by admins, and by those whom the policy in force names; tokens by admins alone")
    func administering() {
        var desk = Desk()
        let (ann, admin) = (desk.know("ann"), desk.know("root", roles: ["admin"]))
        let hers = Policy(administer: Rule([[.user("ann")]]))
        for somebody in ["", ann] {
            #expect(desk.send(.setPolicy(space: "s", hers), as: somebody)?.failure?.code == .notAllowed)
        }
        #expect(desk.send(.setPolicy(space: "s", hers), as: admin) == .done)
        #expect(desk.send(.setPolicy(space: "s", hers), as: ann) == .done)
        #expect(desk.send(.setPolicy(space: "", hers), as: ann)?.failure?.code == .notAllowed)
        #expect(desk.send(.setPolicy(space: "", hers), as: admin) == .done)
        // Now hers are also those that have none of their own.
        #expect(desk.send(.setPolicy(space: "new", Policy()), as: ann) == .done)
        let token = TokenRecord(digest: .test(7), user: "eve")
        #expect(desk.send(.setToken(token), as: ann)?.failure?.code == .notAllowed)
        #expect(desk.send(.removeToken(.test(7)), as: ann)?.failure?.code == .notAllowed)
        #expect(desk.machine.answer(.policy(space: "s"), as: .user("ann")) == .policy(hers))
        #expect(desk.machine.answer(.policy(space: "s"), as: .user("bob")).failure?.code == .notAllowed)
        #expect(desk.machine.answer(.tokens(after: nil, limit: 9), as: .user("ann")).failure?.code == .notAllowed)
        let spaces = Reply.spaces(
            [.init(name: "new", tuples: 0, hasPolicy: true), .init(name: "s", tuples: 0, hasPolicy: true)], more: false)
        #expect(desk.machine.answer(.spaces(after: nil, limit: 9), as: .operator) == spaces)
        #expect(desk.machine.answer(.spaces(after: nil, limit: 9)).failure?.code == .notAllowed)
    }

    @Test(
        "There are so many tokens at most; one that is there may be changed, and there is room again when one is gone")
    func tokenLimit() throws {
        var desk = Desk()
        for number in 0..<Limits.tokens - 1 {
            let text = String(repeating: "0", count: 58) + String(number + 100_000, radix: 10)
            desk.harness.machine.rights.set(TokenRecord(digest: try #require(TokenDigest(text)), user: "u"))
        }
        func set(_ token: UInt8, _ user: String) -> Reply? {
            desk.send(.setToken(TokenRecord(digest: .test(token), user: user)), as: "!")
        }
        #expect(set(1, "ann") == .done)
        let failure = set(2, "bob")?.failure
        #expect(failure?.code == .limitReached && failure?.message.contains("\(Limits.tokens) tokens") == true)
        #expect(set(1, "eve") == .done)
        #expect(desk.send(.removeToken(.test(1)), as: "!") == .done)
        #expect(set(2, "bob") == .done)
    }

    @Test("A space exists from its first policy; where there are as many as there may be, the next is refused")
    func spaceLimit() {
        var desk = Desk()
        for number in 0..<Limits.spaces - 1 {
            Array("\(number)".utf8).withUnsafeBytes { _ = desk.harness.machine.tuples.addSpace($0) }
        }
        desk.setPolicy(Policy(), of: "last")
        #expect(desk.machine.spaceCount == Limits.spaces)
        let failure = desk.send(.setPolicy(space: "more", Policy()), as: "!")?.failure
        #expect(failure?.code == .tooManySpaces && failure?.message.contains("\(Limits.spaces)") == true)
        desk.setPolicy(Policy(), of: "0")
        desk.setPolicy(Policy(), of: "")
    }

    @Test("A session is its opener's, by name, with whatever token")
    func sessionOwner() {
        var desk = Desk()
        let (ann, bob) = (desk.know("ann"), desk.know("bob"))
        let other = desk.know("ann", token: 200)
        desk.harness.open(9, caller: ann)
        for stranger in [bob, "", "!"] {
            #expect(desk.send(.write(1), as: stranger, session: 9)?.failure == .notYours)
            #expect(desk.send(.endSession, as: stranger, session: 9)?.failure == .notYours)
        }
        #expect(desk.send(.write(1), as: other, session: 9)?.failure == nil)
        #expect(desk.send(.write(1), as: "ann", session: 9)?.failure == nil)
        #expect(desk.machine.tupleCount == 2)
    }
}
