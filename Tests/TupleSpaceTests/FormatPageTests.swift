import ByteCoding
import Foundation
import Testing
import TupleSpace

@Suite("The page on the format of tuples")
struct FormatPageTests {
    private static let page: [String: String] = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/formats/tuples.md").path
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        var examples: [String: String] = [:]
        var inside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") { inside.toggle() }
            guard inside, let colon = line.range(of: ": ", options: .backwards) else { continue }
            examples[String(line[..<colon.lowerBound])] = String(line[colon.upperBound...])
        }
        return examples
    }()

    private static func hex(_ encode: (inout ByteWriter) -> Void) -> String {
        var writer = ByteWriter()
        encode(&writer)
        return hex(writer.bytes)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { (($0 < 16) ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }

    private static let position = Position(index: 7, ordinal: 1)
    private static let alice = Template("alice", .any)

    private static var values: [String: Value] {
        [
            "nil": .null, "true": .bool(true), "int -1": -1, "int 300": 300, "double 2.5": 2.5,
            "string é": .string("\u{E9}"),
            "bytes 1 2": .bytes([1, 2]), "list of 1 and nil": .list([1, .null]),
            "map a to true": .map([.init(key: "a", value: .bool(true))]), "symbol s": .symbol("s"),
        ]
    }

    private static var templates: [String: Template] {
        [
            "template alice, any": alice, "template type number": Template(.type(.number)),
            "template 1 to 2.5, open": Template(.range(lower: 1, upper: 2.5, open: true)),
            "template prefix al": Template(.prefix("al")), "template regex ^a+$": Template(.regex("^a+$")),
        ]
    }

    private static let token = TokenRecord(
        digest: TokenDigest(String(repeating: "0123456789abcdef", count: 4)) ?? .test(0), user: "ann",
        roles: ["admin", "editor"])

    private static let policy = Policy(
        write: Rule([
            [.fieldIsCaller(0)], [.role("admin"), .exists(space: "r", [.value("post"), .field(1), .caller])],
        ]), take: Rule([[.user("bob"), .exists(space: "r", [.role])]]))

    private static var operations: [String: TupleSpace.Operation] {
        [
            "open session of 10 s": .openSession(timeoutMilliseconds: 10_000),
            "write alice, 5 to blog": .write("alice", 5, in: "blog"),
            "take alice, any from blog, 1 s, held": .take(
                "alice", .any, in: "blog", timeout: .milliseconds(1_000), holds: true),
            "take any from blog, for ever": .take(.any, in: "blog", timeout: .forever),
            "cancel 7": .cancel(sequence: 7),
            "release 7": .release(sequence: 7), "acknowledge": .acknowledge,
            "statement, take any x from a, write x to b": .statement(
                Statement([
                    .init(
                        .take(space: "a", .init([.bind(0, nil)])),
                        [.write(space: "b", .init([.formal(0)]), lease: .forever)])
                ])),
            "write nil to b for 5 s": .writeLeased(space: "b", tuple: Tuple(.null), leaseMilliseconds: 5_000),
            "give 258 in b a lease of 5 s": .renew(space: "b", id: TupleID(258), lease: .milliseconds(5_000)),
            "give 258 in b no end": .renew(space: "b", id: TupleID(258), lease: .forever),
            "take 258 from b": .takeByID(space: "b", id: TupleID(258)),
            "take all any from b, 10 oldest": .takeAll(space: "b", template: Template(.any), page: Page(limit: 10)),
            "replace 258 in b by nil": .replace(space: "b", id: TupleID(258), tuple: Tuple(.null)),
            "reserve any from b for 60 s, at once": .reserve(
                space: "b", template: Template(.any), timeout: .none, reservationMilliseconds: 60_000),
            "complete reservation 259": .reservation(ReservationID(259), .complete),
            "extend reservation 259 to 5 s from now": .reservation(
                ReservationID(259), .extend(milliseconds: 5_000)),
            "release reservation 259": .reservation(ReservationID(259), .release),
            "leave alice in b for ever, nil in b for 5 s": .leave([
                FailureTuple(Tuple("alice"), to: "b"), FailureTuple(Tuple(.null), to: "b", lease: .milliseconds(5_000)),
            ]),
            "leave nothing": .leave([]),
            "set the policy of b": .setPolicy(space: "b", policy),
            "set the policy of all spaces without one": .setPolicy(space: "", Policy()),
            "remove the policy of b": .setPolicy(space: "b", nil),
            "set token": .setToken(token), "remove token": .removeToken(token.digest),
            "raise the feature level to 4": .raiseLevel(4),
            "write nil to b under key k": .keyed(key: "k", digest: [0xAA, 0xBB], .write(.null, in: "b")),
        ]
    }

    private static var queries: [String: Query] {
        [
            "read any from blog": .read(space: "blog", template: Template(.any)),
            "read all from blog, 10 newest, before 513": .readAll(
                space: "blog", template: Template(.any), page: Page(limit: 10, order: .newest, before: TupleID(513))),
            "count any in blog": .count(space: "blog", template: Template(.any)),
            "10 spaces behind b": .spaces(after: "b", limit: 10), "10 spaces": .spaces(after: nil, limit: 10),
            "policy of b": .policy(space: "b"), "10 tokens": .tokens(after: nil, limit: 10),
            "10 tokens behind": .tokens(after: token.digest, limit: 10),
        ]
    }

    private static var replies: [String: Reply] {
        let stored = StoredTuple(id: TupleID(258), tuple: Tuple(.null))
        return [
            "done": .done, "written 258 at 7.1": .written(id: TupleID(258), position: position),
            "found nil, 258 at 7.1": .found(stored, position: position), "no match": .noMatch,
            "one tuple and more": .tuples([stored], more: true), "count 3": .count(3),
            "statement done by alternative 1": .statement(
                alternative: 0, results: [.done, .written(id: TupleID(258), position: position)]),
            "reserved nil, 258, as 259 at 7.1": .reserved(ReservationID(259), stored, position: position),
            "space b of 3 tuples with a policy": .spaces(
                [SpaceSummary(name: "b", tuples: 3, hasPolicy: true)], more: false),
            "policy of everybody": .policy(Policy()), "no policy": .policy(nil),
            "one token": .tokens([token], more: false),
            "failed busy": .failed(Failure(.busy, "lon")),
        ]
    }

    private static var event: Event {
        Event(
            position: position, kind: .take, space: "b", tuple: StoredTuple(id: TupleID(258), tuple: Tuple(.null)),
            caller: "ann")
    }

    private static var batch: [UInt8] {
        var batch = BatchWriter()
        let header = CommandHeader(
            session: SessionID(5), sequence: 9, acknowledgedBelow: 8, acknowledged: [10], caller: "ann")
        [UInt8(8)].withUnsafeBytes { batch.append(header, operation: $0) }
        return batch.finish(leaseTime: 1_000, wallStamp: 2_000)
    }

    @Test("shows what the code writes, in every example")
    func examples() {
        var written: [String: String] = ["batch of one acknowledge": Self.hex(Self.batch)]
        for (name, value) in Self.values { written[name] = Self.hex(value.encode) }
        for (name, template) in Self.templates { written[name] = Self.hex(template.encode) }
        for (name, operation) in Self.operations { written[name] = Self.hex(operation.encode) }
        for (name, query) in Self.queries { written[name] = Self.hex(query.encode) }
        for (name, reply) in Self.replies { written[name] = Self.hex(reply.encode) }
        written["tuple alice, 5"] = Self.hex(Tuple("alice", 5).encode)
        written["anybody signed in"] = Self.hex(Policy(write: .signedIn).encode)
        written["event take"] = Self.hex(Self.event.encode)
        for (name, hex) in written { #expect(Self.page[name] == hex, "\(name)") }
        #expect(Set(Self.page.keys) == Set(written.keys))
    }

    @Test("is read as it is written")
    func roundTrips() throws {
        for (_, value) in Self.values { #expect(try decode(value.encode, Value.init(from:)) == value) }
        for (_, template) in Self.templates { #expect(try decode(template.encode, Template.init(from:)) == template) }
        for (_, operation) in Self.operations {
            #expect(try decode(operation.encode, TupleSpace.Operation.init(from:)) == operation)
        }
        for (_, query) in Self.queries { #expect(try decode(query.encode, Query.init(from:)) == query) }
        for (_, reply) in Self.replies { #expect(try decode(reply.encode, Reply.init(from:)) == reply) }
        #expect(try decode(Self.event.encode, Event.init(from:)) == Self.event)
    }

    private func decode<T>(
        _ encode: (inout ByteWriter) -> Void, _ decode: (inout ByteReader) throws -> T
    ) throws -> T {
        var writer = ByteWriter()
        encode(&writer)
        return try writer.bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            let value = try decode(&reader)
            try reader.requireEnd()
            return value
        }
    }

    @Test("gives every failure a number of its own")
    func failureCodes() {
        for code in Failure.Code.allCases { #expect(Failure.Code(wireCode: code.wireCode) == code) }
    }
}
