import ByteCoding
import Testing

@testable import TupleSpace

@Suite("Policies and tokens are checked")
struct RightsValidationTests {
    private static let conditions = Limits.conditionsPerClause
    private static let clauses = Limits.clausesPerRule
    private static let parts = Limits.partsPerCondition

    private static func exists(_ parts: Condition.Part..., in space: String = "t") -> Condition {
        .exists(space: space, parts)
    }

    private static func name(_ bytes: Int) -> String { String(repeating: "n", count: bytes) }

    private static func nested(_ depth: Int) -> Value { (0..<depth).reduce(.null) { value, _ in .list([value]) } }

    /// What is refused both before anything is sent and by apply, with the sentence that says why.
    private func expectRefused(_ operation: TupleSpace.Operation, _ part: String) {
        var desk = Desk()
        #expect(operation.refusal?.code == .malformed && operation.refusal?.message.contains(part) == true, "\(part)")
        let failure = desk.send(operation, as: "!")?.failure
        #expect(failure?.code == .malformed && failure?.message.contains(part) == true, "\(failure as Any): \(part)")
        #expect(!desk.machine.rights.hasPolicies && desk.machine.rights.tokens.isEmpty)
    }

    private func expectTaken(_ operation: TupleSpace.Operation) {
        var desk = Desk()
        #expect(operation.refusal == nil && desk.send(operation, as: "!") == .done, "\(operation)")
        #expect(desk.machine.rights.hasPolicies || !desk.machine.rights.tokens.isEmpty)
    }

    @Test(
        "A condition, at its limits",
        arguments: [
            .user(name(1)), .user(name(Limits.spaceNameBytes)), .role("é"), .fieldIsCaller(0),
            .fieldIsCaller(Limits.fieldsPerTuple - 1), exists(.field(Limits.fieldsPerTuple - 1)),
            exists(.caller, .role),
            .exists(space: "t", [Condition.Part](repeating: .caller, count: parts)),
            exists(.value(nested(Limits.nestingDepth))), exists(.caller, in: name(Limits.spaceNameBytes)),
        ] as [Condition])
    func sound(_ condition: Condition) {
        expectTaken(.setPolicy(space: "s", Policy(write: Rule([[condition]]))))
    }

    @Test(
        "A condition, beyond them",
        arguments: [
            (.user(""), "a user's name has 1 to 128 bytes"), (.user(name(129)), "a user's name has 1 to 128 bytes"),
            (.user("a\u{7}"), "no control characters"), (.user("#a"), "a user's name begins neither with # nor with !"),
            (.role(""), "a role's name has 1 to 128 bytes"), (.role("!"), "a role's name begins neither with # nor"),
            (.fieldIsCaller(64), "fields are numbered from 0 to 63, and not 64"),
            (.fieldIsCaller(-1), "fields are numbered from 0 to 63, and not "),
            (exists(.field(64)), "fields are numbered from 0 to 63, and not 64"),
            (exists(.field(-1)), "fields are numbered from 0 to 63, and not "),
            (exists(), "what must exist has 1 to 8 fields, and not 0"),
            (
                .exists(space: "t", [Condition.Part](repeating: .caller, count: parts + 1)),
                "what must exist has 1 to 8 fields, and not 9"
            ),
            (exists(.role, .role), "a condition names the caller's roles once"),
            (exists(.caller, in: ""), "A space's name has 1 to 128 bytes"),
            (exists(.caller, in: name(129)), "A space's name has 1 to 128 bytes"),
            (exists(.value(nested(Limits.nestingDepth + 1))), "32"),
        ] as [(Condition, String)])
    func unsound(_ condition: Condition, _ part: String) {
        for place in [\Policy.write, \.read, \.take, \.administer] {
            var policy = Policy()
            policy[keyPath: place] = Rule([[.signedIn], [.signedIn, condition]])
            expectRefused(.setPolicy(space: "s", policy), part)
        }
    }

    @Test("A rule has so many clauses at most, and a clause so many conditions; the right is named")
    func counts() {
        let clause = [Condition](repeating: .signedIn, count: Self.conditions)
        expectTaken(.setPolicy(space: "s", Policy(read: Rule([[Condition]](repeating: clause, count: Self.clauses)))))
        for excess in [1, 2, 1_000] {
            let clauses = [[Condition]](repeating: [.signedIn], count: Self.clauses + excess)
            expectRefused(.setPolicy(space: "s", Policy(take: Rule(clauses))), "take: a rule has at most 8 clauses")
            let conditions = [Condition](repeating: .signedIn, count: Self.conditions + excess)
            expectRefused(
                .setPolicy(space: "s", Policy(read: Rule([conditions]))), "read: a clause has at most 16 conditions")
        }
    }

    @Test("A policy has so many bytes at most")
    func bytes() {
        func policy(bytes: Int) -> Policy {
            // All but the text has 14 bytes.
            let text = Value.string(Self.name(bytes - 14))
            return Policy(write: Rule([[Self.exists(.value(text))]]))
        }
        let limit = Limits.policyBytes
        #expect(TupleSpaceTests.bytes { policy(bytes: limit).encode(into: &$0) }.count == limit)
        expectTaken(.setPolicy(space: "s", policy(bytes: limit)))
        expectRefused(
            .setPolicy(space: "s", policy(bytes: limit + 1)),
            "a policy has at most \(limit) bytes, and not \(limit + 1)")
    }

    @Test("Who may administer does not depend on a tuple's fields")
    func administer() {
        for condition in [.fieldIsCaller(0), Self.exists(.field(0))] as [Condition] {
            expectRefused(
                .setPolicy(space: "s", Policy(administer: Rule([[.signedIn, condition]]))),
                "administer: there is no tuple whose fields could be looked at")
        }
        expectTaken(.setPolicy(space: "s", Policy(administer: Rule([[Self.exists(.caller, .role, .value(1))]]))))
    }

    @Test("A policy is for a space with a name that spaces may have, or for all without one")
    func spaces() {
        for space in [Self.name(Limits.spaceNameBytes + 1), "a\n"] {
            let operation = TupleSpace.Operation.setPolicy(space: space, Policy())
            var desk = Desk()
            #expect(operation.refusal == .invalidSpace)
            #expect(desk.send(operation, as: "!")?.failure == .invalidSpace)
        }
        expectTaken(.setPolicy(space: Self.name(Limits.spaceNameBytes), Policy()))
        expectTaken(.setPolicy(space: "", Policy()))
    }

    @Test("A token's user and roles have names, and the roles are so many, ascending, each once")
    func tokens() {
        func token(_ user: String, _ roles: [String]) -> TokenRecord {
            var record = TokenRecord(digest: .test(1), user: user)
            record.roles = roles
            return record
        }
        let roles = (0...Limits.rolesPerToken).map { "role \(String(UnicodeScalar(UInt8(65 + $0))))" }
        expectTaken(.setToken(token(Self.name(Limits.spaceNameBytes), Array(roles.dropLast()))))
        for (record, part) in [
            (token("u", roles), "a token has at most 16 roles"), (token("", []), "a user's name has 1 to 128 bytes"),
            (token(Self.name(129), []), "a user's name has 1 to 128 bytes"),
            (token("#u", []), "a user's name begins neither with # nor with !"),
            (token("u", ["!"]), "a role's name begins neither"), (token("u", [""]), "a role's name has 1 to"),
            (token("u", ["b", "a"]), "roles ascend, each once"), (token("u", ["a", "a"]), "roles ascend, each once"),
        ] { expectRefused(.setToken(record), part) }
        #expect(TokenRecord(digest: .test(1), user: "u", roles: ["b", "a", "b"]).roles == ["a", "b"])
    }

    @Test("A token's digest is 64 lower-case hexadecimal digits")
    func digests() throws {
        let digits = String(repeating: "0123456789abcdef", count: 4)
        #expect(TokenDigest(digits)?.text == digits)
        for bad in ["", String(digits.dropLast()), digits + "0", digits.uppercased(), "g" + digits.dropFirst()] {
            #expect(TokenDigest(bad) == nil)
            var writer = ByteWriter()
            writer.write(OperationCode.removeToken)
            writer.write(bad)
            var desk = Desk()
            var batch = BatchWriter()
            writer.bytes.withUnsafeBytes {
                batch.append(CommandHeader(session: SessionID(1), sequence: 1, caller: "!"), operation: $0)
            }
            let answers = desk.harness.apply(batch.finish(leaseTime: 0, wallStamp: 0))
            #expect(answers.first?.reply.failure?.message.contains("64 lower-case hexadecimal digits") == true)
        }
    }

    @Test(
        "Bytes that are no condition, or no part of one, are refused",
        arguments: [[5], [4, 1, 116, 1, 4]] as [[UInt8]])
    func unknownCodes(condition: [UInt8]) {
        let bytes: [UInt8] = [1, 1] + condition + [0, 0, 0]
        #expect(throws: MalformedBytes.self) {
            try bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                _ = try Policy(from: &reader)
            }
        }
    }
}
