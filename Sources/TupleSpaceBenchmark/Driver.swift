import ByteCoding
import TupleSpace

/// A state machine with one client that acknowledges everything it has had.
struct Driver {
    var machine = StateMachine()
    /// Off while takes wait: an acknowledgement would abandon them.
    var acknowledges = true
    private var applied = Applied()
    private var writer = BatchWriter()
    private var encoded = ByteWriter()
    private var session: UInt64 = 0
    private var sequence: UInt64 = 0
    private var stamp: UInt64 = 1_700_000_000_000

    init() { openSession() }

    mutating func openSession() {
        session += 1
        sequence = 0
        apply(command(Self.encode(.openSession(timeoutMilliseconds: 60_000))))
        sequence = 0
    }

    static func encode(_ operation: Operation) -> [UInt8] {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        return writer.bytes
    }

    static func write(_ tuple: Tuple) -> [UInt8] { encode(.write(space: "bench", tuple: tuple)) }

    static func take(_ template: Template, forever: Bool = false) -> [UInt8] {
        encode(.take(space: "bench", template: template, timeout: forever ? .forever : .none, holds: false))
    }

    /// 10 + 10 + 44 bytes, the first two unlike all others'.
    static func tuple(_ i: Int) -> Tuple {
        Tuple([.string(pad("u", i)), .string(pad("t", i)), .string(pad("a message of some forty-four bytes ", i))])
    }

    static func oldTemplate(_ i: Int) -> Template { Template(tuple(i).fields.map { .literal($0) }) }

    static func pairTuple(_ i: Int) -> Tuple {
        Tuple([.string(pad("p", i)), .string(pad("q", i)), .string(pad("another message of forty-four byte", i))])
    }

    static func pairTemplate(_ i: Int) -> Template { Template(pairTuple(i).fields.map { .literal($0) }) }

    static func waiterTemplate(_ i: Int) -> Template {
        Template([.literal(.string(pad("w", i))), .any, .any])
    }

    private static func pad(_ prefix: String, _ i: Int) -> String {
        let digits = String(i)
        return prefix + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    }

    mutating func command(_ operation: [UInt8]) -> [UInt8] { batch([operation]) }

    mutating func batch(_ operations: [[UInt8]]) -> [UInt8] {
        stamp += 1
        let floor = acknowledges ? sequence + 1 : 0
        for operation in operations {
            sequence += 1
            let header = CommandHeader(
                session: SessionID(session), sequence: sequence, acknowledgedBelow: floor, caller: "bench")
            operation.withUnsafeBytes { writer.append(header, operation: $0) }
        }
        return writer.finish(leaseTime: stamp, wallStamp: stamp)
    }

    mutating func writeAndTake(_ tuple: Tuple) {
        perform(.write(space: "bench", tuple: tuple))
        let template = Template(tuple.fields.map { .literal($0) })
        perform(.take(space: "bench", template: template, timeout: .none, holds: false))
    }

    /// Encodes an operation and applies it, as a batch of its own.
    private mutating func perform(_ operation: Operation) {
        encoded.reset()
        operation.encode(into: &encoded)
        stamp += 1
        sequence += 1
        let header = CommandHeader(
            session: SessionID(session), sequence: sequence, acknowledgedBelow: sequence, caller: "bench")
        encoded.bytes.withUnsafeBytes { writer.append(header, operation: $0) }
        apply(writer.finish(leaseTime: stamp, wallStamp: stamp))
    }

    mutating func apply(_ batch: [UInt8]) {
        applied.reset()
        batch.withUnsafeBytes { machine.apply($0, at: machine.appliedIndex + 1, into: &applied) }
    }

    mutating func fill(_ count: Int) {
        for i in 0..<count { apply(command(Self.write(Self.tuple(i)))) }
    }
}
