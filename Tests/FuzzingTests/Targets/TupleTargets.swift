import ByteCoding

@testable import TupleSpace

extension FuzzTarget {
    static let tuples = [
        FuzzTarget(
            "tuple",
            decoders: [
                "TupleSpace.Tuple.init(from:)", "TupleSpace.Value.init(from:)", "TupleSpace.StoredTuple.init(from:)",
            ],
            seeds: { Samples.tuples.map { encoded($0) { $0.encode(into: &$1) } } }, check: checkTuple),
        FuzzTarget(
            "template",
            decoders: ["TupleSpace.Template.init(from:)", "TupleSpace.TemplateField.init(from:)"],
            seeds: templateSeeds, check: checkTemplate),
        FuzzTarget(
            "operation",
            decoders: [
                "TupleSpace.Operation.init(from:)", "TupleSpace.Timeout.init(from:)",
                "TupleSpace.Statement.init(from:)", "TupleSpace.ReservationAction.init(from:)",
                "TupleSpace.FailureTuple.init(from:)", "TupleSpace.Policy.init(from:)",
                "TupleSpace.TokenRecord.init(from:)", "TupleSpace.TokenDigest.init(from:)",
            ],
            seeds: { Samples.operations.map { Samples.encoded($0) } }
        ) { bytes, tamper in
            let verdict = try roundTrip(bytes, tamper) {
                try Operation(from: &$0)
            } encode: {
                $0.encode(into: &$1)
            }
            let isScanned = OperationView(bytes) != nil
            let isTooLarge = bytes.count > Limits.tupleBytes
            try require(isScanned == (verdict == .accepted) || isTooLarge, "decoder and scan disagree on an operation")
            if verdict == .refused { try require(Failure.malformed(bytes).code == .malformed, "no reason is named") }
            return verdict
        },
        FuzzTarget(
            "command-header", decoders: ["TupleSpace.CommandHeader.init(from:)"], seeds: headerSeeds, check: checkHeader
        ),
        FuzzTarget(
            "query", decoders: ["TupleSpace.Query.init(from:)", "TupleSpace.Page.init(from:)"], factor: 256,
            base: 1 << 20, seeds: { Samples.queries.map { encoded($0) { $0.encode(into: &$1) } } }, check: checkQuery),
        FuzzTarget(
            "reply",
            decoders: [
                "TupleSpace.Reply.init(from:)", "TupleSpace.Failure.init(from:)", "TupleSpace.Position.init(from:)",
            ],
            seeds: { Samples.replies.map { encoded($0) { $0.encode(into: &$1) } } }
        ) { bytes, tamper in
            try roundTrip(bytes, tamper) {
                try Reply(from: &$0)
            } encode: {
                $0.encode(into: &$1)
            }
        },
        FuzzTarget(
            "event", decoders: ["TupleSpace.Event.init(from:)"],
            seeds: { Samples.events.map { encoded($0) { $0.encode(into: &$1) } } }
        ) { bytes, tamper in
            try roundTrip(bytes, tamper) {
                try Event(from: &$0)
            } encode: {
                $0.encode(into: &$1)
            }
        },
    ]

    private static func checkTuple(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let verdict = try roundTrip(bytes, tamper) {
            try Tuple(from: &$0)
        } encode: {
            $0.encode(into: &$1)
        }
        let isValid = EncodedTuple.isValid(bytes)
        try require(isValid == (verdict == .accepted), "decoder and scan disagree on a tuple")
        guard let tuple = try decoded(bytes, { try Tuple(from: &$0) }) else { return .refused }
        // Equal to itself, field by field, in both of its forms.
        let template = Template(tuple.fields.map { TemplateField.literal($0) })
        try require(template.matches(tuple), "a tuple does not match its own fields: \(tuple)")
        let pattern = tamper(encoded(template) { $0.encode(into: &$1) })
        try require(
            pattern.withUnsafeBytes { EncodedTemplate.matches($0, bytes) }, "bytes do not match their own fields")
        _ = try? tuple.validate()
        return .accepted
    }

    /// A template, and a tuple behind it if there is one: both forms of both agree on whether they match.
    private static func checkTemplate(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        var scan = ByteScan(bytes)
        EncodedTemplate.check(&scan)
        var reader = ByteReader(bytes)
        let template = try? Template(from: &reader)
        try require((template == nil) == scan.failed, "decoder and scan disagree on a template")
        guard let template else { return .refused }
        try require(reader.offset == scan.offset, "decoder and scan end at different places")
        let pattern = UnsafeRawBufferPointer(rebasing: bytes[..<reader.offset])
        let verdict = try roundTrip(pattern, tamper) {
            try Template(from: &$0)
        } encode: {
            $0.encode(into: &$1)
        }
        _ = try? template.validate()
        let rest = UnsafeRawBufferPointer(rebasing: bytes[reader.offset...])
        guard let tuple = try decoded(rest, { try Tuple(from: &$0) }) else { return verdict }
        let matches = template.matches(tuple)
        try require(
            EncodedTemplate.matches(pattern, rest) == matches,
            "\(template) \(matches ? "matches" : "does not match") \(tuple), and their bytes disagree")
        return verdict
    }

    private static func templateSeeds() -> [[UInt8]] {
        Samples.templates.flatMap { template in
            let bytes = encoded(template) { $0.encode(into: &$1) }
            return [bytes] + Samples.tuples.map { bytes + encoded($0) { $0.encode(into: &$1) } }
        }
    }

    private static func checkHeader(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        var reader = ByteReader(bytes)
        let header = try? CommandHeader(from: &reader)
        let view = CommandView(bytes)
        try require((header == nil) == (view == nil), "decoder and view disagree on a command's header")
        guard let header, let view else { return .refused }
        try require(view.operation.count == bytes.count - reader.offset, "the operation begins at different places")
        try require(
            view.session == header.session.rawValue && view.sequence == header.sequence, "they read different keys")
        let start = UnsafeRawBufferPointer(rebasing: bytes[..<reader.offset])
        return try roundTrip(start, tamper) {
            try CommandHeader(from: &$0)
        } encode: {
            $0.encode(into: &$1)
        }
    }

    private static func headerSeeds() -> [[UInt8]] {
        [
            CommandHeader(session: SessionID(1), sequence: 2),
            CommandHeader(
                session: SessionID(.max), sequence: 9, acknowledgedBelow: 5, acknowledged: [6, 8], caller: "é"),
        ].map { encoded($0) { $0.encode(into: &$1) } + [8] }
    }

    /// Also answered by a state machine: bytes and value get the same reply.
    private static func checkQuery(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        let verdict = try roundTrip(bytes, tamper) {
            try Query(from: &$0)
        } encode: {
            $0.encode(into: &$1)
        }
        var machine = StateMachine()
        var applied = Applied()
        Samples.batch(Samples.operations).withUnsafeBytes { machine.apply($0, at: 1, into: &applied) }
        var writer = ByteWriter()
        machine.answer(encoded: bytes, into: &writer)
        let reply = try writer.bytes.withUnsafeBytes { raw in try decoded(raw) { try Reply(from: &$0) } }
        guard let reply else { throw Finding("the answer to a query cannot be decoded") }
        guard let query = try decoded(bytes, { try Query(from: &$0) }) else {
            guard case .failed(let failure) = reply, failure.code == .malformed else {
                throw Finding("malformed bytes are answered by \(reply)")
            }
            return .refused
        }
        try require(machine.answer(query) == reply, "the query and its bytes are answered differently")
        return verdict
    }
}
