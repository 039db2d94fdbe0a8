import ByteCoding

/// A waiting take, as bytes in a slab:
///
///     session u64 · sequence u64 · deadline u64 ms (all ones: none) · index key u64 · flags u8 · caller · [key · digest]
///     · [alternative u8 · ordinal u8 · siblings u8 · statement] · [credential] · [reservation u64 ms] · space · template
///
/// Each text has a varint length but the template, which is the rest. Flags: 1 holds, 2 keyed; 4: it is a guard of a waiting
/// statement, which has so many under ids that follow each other, and the first has the deadline and stands for all; 8: its caller is
/// known by a credential; 16: it reserves.
struct WaiterView {
    static let forever = UInt64.max
    static let holdsFlag: UInt8 = 1
    static let keyedFlag: UInt8 = 2
    static let statementFlag: UInt8 = 4
    static let credentialFlag: UInt8 = 8
    static let reservesFlag: UInt8 = 16
    static let indexKeyOffset = 24

    var session: UInt64
    var sequence: UInt64
    var deadline: UInt64
    /// Where the waiter stands in the index of templates. Not part of a snapshot.
    var indexKey: UInt64
    var flags: UInt8
    /// UTF-8 of the user's name.
    var caller: UnsafeRawBufferPointer
    /// By what the name is known; empty for one that needs nothing.
    private(set) var credential = UnsafeRawBufferPointer(start: nil, count: 0)
    private var reservation: UInt64 = 0
    var key = UnsafeRawBufferPointer(start: nil, count: 0)
    var digest = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var statement = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var alternative: UInt8 = 0
    private(set) var ordinal: UInt8 = 0
    private(set) var siblings: UInt8 = 1
    var space: UnsafeRawBufferPointer
    var template: UnsafeRawBufferPointer

    var isStatement: Bool { flags & Self.statementFlag != 0 }
    var isKeyed: Bool { flags & Self.keyedFlag != 0 }
    var isMarked: Bool { flags & Self.credentialFlag != 0 }
    /// It holds what it gets for its session, and nothing else is special.
    var onlyHolds: Bool { flags == Self.holdsFlag }

    var hold: Hold {
        get {
            if flags & Self.reservesFlag != 0 { return .reservation(reservation) }
            return flags & Self.holdsFlag != 0 ? .session : .none
        }
        set {
            flags &= ~(Self.holdsFlag | Self.reservesFlag)
            switch newValue {
            case .none: break
            case .session: flags |= Self.holdsFlag
            case .reservation(let milliseconds):
                flags |= Self.reservesFlag
                reservation = milliseconds
            }
        }
    }

    init(
        _ command: CommandView, deadline: UInt64, key: (key: UnsafeRawBufferPointer, digest: UnsafeRawBufferPointer)?,
        space: UnsafeRawBufferPointer, template: UnsafeRawBufferPointer
    ) {
        session = command.session
        sequence = command.sequence
        self.deadline = deadline
        indexKey = 0
        flags = (key == nil ? 0 : Self.keyedFlag) | (command.isMarked ? Self.credentialFlag : 0)
        caller = command.caller
        if command.isMarked { credential = command.credential }
        if let key { (self.key, digest) = key }
        self.space = space
        self.template = template
    }

    /// It is a guard of a statement.
    mutating func place(in statement: UnsafeRawBufferPointer, alternative: UInt8, ordinal: UInt8, of siblings: UInt8) {
        flags |= Self.statementFlag
        self.statement = statement
        self.alternative = alternative
        self.ordinal = ordinal
        self.siblings = siblings
    }

    /// - record: was written by `encode`, or checked by `check`.
    init(_ record: UnsafeRawBufferPointer) {
        var scan = ByteScan(record)
        self.init(&scan)
    }

    private init(_ scan: inout ByteScan) {
        session = scan.word()
        sequence = scan.word()
        deadline = scan.word()
        indexKey = scan.word()
        flags = scan.byte()
        caller = scan.text()
        if flags & Self.keyedFlag != 0 {
            key = scan.text()
            digest = scan.prefixed()
        }
        if flags & Self.statementFlag != 0 {
            alternative = scan.byte()
            ordinal = scan.byte()
            siblings = scan.byte()
            statement = scan.prefixed()
        }
        if flags & Self.credentialFlag != 0 { credential = scan.text() }
        if flags & Self.reservesFlag != 0 { reservation = scan.word() }
        space = scan.text()
        template = scan.rest
    }

    /// A record that came from outside; nil if it is malformed.
    static func check(_ record: UnsafeRawBufferPointer) -> WaiterView? {
        var scan = ByteScan(record)
        let waiter = WaiterView(&scan)
        EncodedTemplate.check(&scan)
        guard scan.endedWell, waiter.flags < 32, SpaceName.isValid(waiter.space) else { return nil }
        let holds = waiter.flags & (holdsFlag | reservesFlag)
        guard holds != holdsFlag | reservesFlag else { return nil }
        guard waiter.isStatement else { return waiter }
        let isKnown =
            Statement(encoded: waiter.statement).map { $0.alternatives.indices.contains(Int(waiter.alternative)) }
            ?? false
        let isPlaced = waiter.ordinal < waiter.siblings && waiter.siblings <= Limits.alternatives
        return isKnown && isPlaced && holds == 0 ? waiter : nil
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(session)
        writer.write(sequence)
        writer.write(deadline)
        writer.write(indexKey)
        writer.write(flags)
        writer.writePrefixed(caller)
        if isKeyed {
            writer.writePrefixed(key)
            writer.writePrefixed(digest)
        }
        if isStatement {
            writer.write(alternative)
            writer.write(ordinal)
            writer.write(siblings)
            writer.writePrefixed(statement)
        }
        if isMarked { writer.writePrefixed(credential) }
        if case .reservation(let milliseconds) = hold { writer.write(milliseconds) }
        writer.writePrefixed(space)
        writer.write(raw: template)
    }
}

/// Who keeps a taken tuple until the take is final.
enum Hold: Equatable {
    /// Nobody: it is final at once.
    case none
    case session
    /// For so many milliseconds.
    case reservation(UInt64)
}

/// Waiting takes by order of arrival, by what they wait for and by deadline.
struct WaiterTable: Sendable {
    private(set) var records = SlabStore()
    private var index = PostingIndex(shardBits: 6)
    private var deadlines = OrderedChunks<Deadline>()
    private var writer = ByteWriter()

    /// Commands that wait: a statement is one, however many guards it has.
    private(set) var count = 0

    /// The earliest that is finite.
    var firstDeadline: Deadline? { deadlines.first }

    /// - id: above all before.
    mutating func insert(_ id: UInt64, _ waiter: WaiterView) {
        var waiter = waiter
        waiter.indexKey = indexKey(waiter.template, space: waiter.space)
        writer.reset()
        waiter.encode(into: &writer)
        writer.bytes.withUnsafeBytes { records.append(id, label: 0, $0) }
        if waiter.ordinal == 0 { count += 1 }
        index.insert(waiter.indexKey, id)
        if waiter.deadline != WaiterView.forever { deadlines.insert(Deadline(time: waiter.deadline, id: id)) }
    }

    /// The literal under which the fewest wait now; the shape if there is no literal. Every choice gives the same results.
    private func indexKey(_ template: UnsafeRawBufferPointer, space: UnsafeRawBufferPointer) -> UInt64 {
        var best: (key: UInt64, count: Int)?
        EncodedTemplate.forEachLiteral(template, space: space) { key in
            let count = index.count(key)
            if best.map({ count < $0.count }) ?? true { best = (key, count) }
            return count > 0
        }
        return best?.key ?? FieldKeys(space: space, arity: EncodedTuple.arity(template)).shape
    }

    func with<Result>(_ id: UInt64, _ body: (WaiterView) -> Result) -> Result? {
        records.place(of: id).map { records.withBytes($0) { body(WaiterView($0)) } }
    }

    /// A copy of a waiter's record, to be read while the waiter goes.
    func record(_ id: UInt64) -> [UInt8]? {
        records.place(of: id).map { records.withBytes($0) { [UInt8]($0) } }
    }

    mutating func remove(_ id: UInt64) {
        guard let place = records.place(of: id) else { return }
        let (key, deadline, ordinal) = records.withBytes(place) { record in
            let waiter = WaiterView(record)
            return (waiter.indexKey, waiter.deadline, waiter.ordinal)
        }
        if ordinal == 0 { count -= 1 }
        index.remove(key, id)
        if deadline != WaiterView.forever { deadlines.remove(Deadline(time: deadline, id: id)) }
        records.remove(place)
    }

    /// Another command waits in this one's place.
    mutating func setOwner(_ id: UInt64, session: UInt64, sequence: UInt64) {
        for sibling in 0..<UInt64(with(id) { $0.siblings } ?? 0) {
            guard let place = records.place(of: id + sibling) else { continue }
            records.overwrite(place, at: 0, session)
            records.overwrite(place, at: 8, sequence)
        }
    }

    /// The first that came of those whose template matches, behind one.
    /// - keys: as `FieldKeys.with` made them of the tuple.
    func oldest(
        matching tuple: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer, keys: UnsafeBufferPointer<UInt64>,
        behind last: UInt64 = 0
    ) -> UInt64? {
        var best = UInt64.max
        for key in keys {
            index[key].forEach(above: last > 0 ? last : nil, below: best) { id in
                let matches = with(id) {
                    $0.space.isSame(as: space) && EncodedTemplate.matches($0.template, tuple)
                }
                guard matches == true else { return true }
                best = id
                return false
            }
        }
        return best == .max ? nil : best
    }
}
