import ByteCoding

/// Visible tuples by each field and by number of fields.
struct TupleIndex: Sendable {
    private var fields: PostingIndex
    /// By (space, number of fields). Its keys are numbers mixed one to one, so that no two collide and its counts are exact.
    private var shapes = PostingIndex(shardBits: 4)

    /// - expected: how many tuples to make room for.
    init(expecting expected: Int) {
        fields = PostingIndex(shardBits: 10, reserving: expected * 3)
    }

    private static func shape(_ space: UInt16, _ arity: Int) -> UInt64 {
        var hash = StableHash()
        hash.mix(UInt64(space) << 8 | UInt64(truncatingIfNeeded: arity))
        return hash.value
    }

    /// - keys: of the tuple's fields and its shape, by `FieldKeys.with`.
    mutating func insert(_ id: UInt64, space: UInt16, keys: UnsafeBufferPointer<UInt64>) {
        for i in 0..<keys.count - 1 { fields.insert(keys[i], id) }
        shapes.insert(Self.shape(space, keys.count - 1), id)
    }

    /// Inserts many. A large index is scattered over memory that no cache holds: reading all places first lets the processor wait for
    /// them together instead of one after the other.
    /// - Returns: a number without meaning, which must be used so that the memory is read.
    mutating func insert(_ batch: UnindexedTuples) -> UInt64 {
        var touched: UInt64 = 0
        for key in batch.keys { touched ^= fields.touch(key) }
        var start = 0
        batch.keys.withUnsafeBufferPointer { keys in
            for tuple in batch.tuples {
                insert(tuple.id, space: tuple.space, keys: UnsafeBufferPointer(rebasing: keys[start..<tuple.end]))
                start = tuple.end
            }
        }
        return touched
    }

    mutating func remove(_ id: UInt64, space: UInt16, named name: [UInt8], tuple: UnsafeRawBufferPointer) {
        name.withUnsafeBytes { name in
            FieldKeys.with(tuple: tuple, space: name) { keys in
                for i in 0..<keys.count - 1 { fields.remove(keys[i], id) }
                shapes.remove(Self.shape(space, keys.count - 1), id)
            }
        }
    }

    func count(space: UInt16, arity: Int) -> Int { shapes.count(Self.shape(space, arity)) }

    /// The ids among which all matches are: those under the literal that has the fewest (the first of equals), or of the shape.
    func candidates(
        _ template: UnsafeRawBufferPointer, space: UnsafeRawBufferPointer, _ number: UInt16
    ) -> PostingIndex.Posting {
        var best: (key: UInt64, count: Int)?
        EncodedTemplate.forEachLiteral(template, space: space) { key in
            let count = fields.count(key)
            if best.map({ count < $0.count }) ?? true { best = (key, count) }
            // One candidate or none: no other literal has fewer that matter.
            return count > 1
        }
        guard let best else { return shapes[Self.shape(number, EncodedTuple.arity(template))] }
        return best.count == 0 ? .none : fields[best.key]
    }
}

/// Tuples that are put back and still have to be indexed, with their keys.
public struct UnindexedTuples: Sendable {
    fileprivate var tuples: ContiguousArray<(id: UInt64, space: UInt16, end: Int)> = []
    fileprivate var keys: ContiguousArray<UInt64> = []

    var count: Int { tuples.count }

    /// Keeps the memory.
    mutating func removeAll() {
        tuples.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
    }
}

/// The tuples of all spaces: stored as they were encoded, and indexed. Held ones are stored and not indexed, so nobody finds them.
struct TupleTable: Sendable {
    private(set) var records = SlabStore()
    private(set) var spaces = SpaceTable()
    private(set) var heldCount = 0
    private var index = TupleIndex(expecting: 0)
    /// Of tuples that have a lease, but for held ones whose lease has ended.
    private var leases = OrderedChunks<Deadline>()

    /// All, with those held.
    var count: Int { records.count }

    /// - Returns: nil if there are as many spaces as there may be.
    mutating func addSpace(_ name: UnsafeRawBufferPointer) -> UInt16? {
        spaces.number(of: name) ?? spaces.add(name)
    }

    /// - keys: of the tuple's fields and its shape, by `FieldKeys.with`.
    mutating func insert(
        _ id: UInt64, space: UInt16, tuple: UnsafeRawBufferPointer, keys: UnsafeBufferPointer<UInt64>, held: Bool,
        leaseEnd: UInt64? = nil
    ) {
        records.append(id, label: space, held: held, tuple, trailer: leaseEnd)
        if let leaseEnd { leases.insert(Deadline(time: leaseEnd, id: id)) }
        if held { heldCount += 1 } else { index.insert(id, space: space, keys: keys) }
    }

    /// Puts back a tuple as it was captured. Ids ascend. It is not found before an index that has the batch is adopted.
    mutating func restore(
        _ id: UInt64, space: UInt16, tuple: UnsafeRawBufferPointer, held: Bool, leaseEnd: UInt64?, hasPassed: Bool,
        into batch: inout UnindexedTuples
    ) {
        records.append(id, label: space, held: held, tuple, trailer: leaseEnd)
        if let leaseEnd, !hasPassed { leases.insert(Deadline(time: leaseEnd, id: id)) }
        guard !held else { return heldCount += 1 }
        spaces.names[Int(space)].withUnsafeBytes { name in
            FieldKeys.with(tuple: tuple, space: name) { batch.keys.append(contentsOf: $0) }
        }
        batch.tuples.append((id, space, batch.keys.count))
    }

    /// - index: of all tuples that are not held.
    mutating func adopt(_ index: consuming TupleIndex) { self.index = index }

    func isHeld(_ id: UInt64) -> Bool { records.place(of: id).map(records.isHeld) ?? false }

    /// The tuple becomes invisible.
    mutating func hold(_ id: UInt64) {
        guard let place = records.place(of: id), !records.isHeld(place) else { return }
        let space = records.label(place)
        records.withBytes(place) { index.remove(id, space: space, named: spaces.names[Int(space)], tuple: $0) }
        records.setHeld(place, true)
        heldCount += 1
    }

    /// A held tuple is found again.
    mutating func unhold(_ id: UInt64, keys: UnsafeBufferPointer<UInt64>) {
        guard let place = records.place(of: id), records.isHeld(place) else { return }
        index.insert(id, space: records.label(place), keys: keys)
        records.setHeld(place, false)
        heldCount -= 1
    }

    mutating func remove(_ id: UInt64) {
        guard let place = records.place(of: id) else { return }
        if let end = records.trailer(place) { leases.remove(Deadline(time: end, id: id)) }
        if records.isHeld(place) {
            heldCount -= 1
        } else {
            let space = records.label(place)
            records.withBytes(place) { index.remove(id, space: space, named: spaces.names[Int(space)], tuple: $0) }
        }
        records.remove(place)
    }

    /// Visible tuples of a space.
    func count(inSpace space: UInt16) -> Int {
        (1...Limits.fieldsPerTuple).reduce(0) { $0 + index.count(space: space, arity: $1) }
    }

    /// Calls `body` with the space's name and the tuple's bytes; nil if there is no such tuple.
    func with<Result>(
        _ id: UInt64, _ body: (_ space: UnsafeRawBufferPointer, _ tuple: UnsafeRawBufferPointer) -> Result
    ) -> Result? {
        guard let place = records.place(of: id) else { return nil }
        return spaces.names[Int(records.label(place))].withUnsafeBytes { name in
            records.withBytes(place) { body(name, $0) }
        }
    }
}

// MARK: - Leases, and other tuples in a tuple's place

extension TupleTable {
    /// Ends never.
    static let noLease = UInt64.max

    /// The earliest end of a lease and whose that is; not of held tuples whose lease has ended already.
    var firstLeaseEnd: Deadline? { leases.first }

    var leaseCount: Int { leases.count }

    func leaseEnd(of id: UInt64) -> UInt64? { records.place(of: id).flatMap(records.trailer) }

    func isVisible(_ id: UInt64, in space: UnsafeRawBufferPointer) -> Bool {
        guard let place = records.place(of: id), !records.isHeld(place) else { return false }
        return spaces.number(of: space) == records.label(place)
    }

    /// A held tuple's lease ends: the tuple stays with its holder, and the lease is looked at again when it is given back.
    /// - Returns: false if it is not held.
    mutating func passLeaseEnd(ofHeld id: UInt64) -> Bool {
        guard let place = records.place(of: id), records.isHeld(place), let end = records.trailer(place) else {
            return false
        }
        return leases.remove(Deadline(time: end, id: id))
    }

    /// - end: nil for no lease.
    mutating func setLeaseEnd(of id: UInt64, _ end: UInt64?) {
        guard let place = records.place(of: id) else { return }
        let old = records.trailer(place)
        if let old { leases.remove(Deadline(time: old, id: id)) }
        if let end { leases.insert(Deadline(time: end, id: id)) }
        if old != nil, let end {
            records.setTrailer(place, end)
        } else if old != end {
            records.rewrite(place, records.withBytes(place) { [UInt8]($0) }, trailer: end)
        }
    }

    /// Another tuple under the same id, with the same lease.
    /// - Precondition: it is held, so that no index knows it.
    mutating func rewrite(_ id: UInt64, _ tuple: UnsafeRawBufferPointer) {
        guard let place = records.place(of: id), records.isHeld(place) else { return }
        records.rewrite(place, [UInt8](tuple), trailer: records.trailer(place))
    }
}

// MARK: - Searching

extension TupleTable {
    struct Bounds {
        var above: UInt64?
        var below: UInt64?
        var descending = false

        init() {}

        init(_ page: Page) {
            above = page.after?.rawValue
            below = page.before?.rawValue
            descending = page.order == .newest
        }
    }

    /// Calls `visit` with the visible tuples that match, oldest first (or newest first), until it returns false.
    ///
    /// Which candidates it goes through follows from the tuples alone, so that the limit strikes at the same one on every server.
    /// - isAllowed: what it refuses does not match.
    /// - Returns: false if more than `limit` were examined that do not match.
    func search(
        _ template: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer, _ bounds: Bounds = Bounds(),
        examining limit: Int = Limits.examinedCandidates,
        where isAllowed: (UnsafeRawBufferPointer) -> Bool = { _ in true },
        _ visit: (UInt64, UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        guard let number = spaces.number(of: space) else { return true }
        var misses = 0
        index.candidates(template, space: space, number).forEach(
            above: bounds.above, below: bounds.below, descending: bounds.descending
        ) { id in
            guard let place = records.place(of: id) else { return true }
            return records.withBytes(place) { tuple in
                if records.label(place) == number, EncodedTemplate.matches(template, tuple), isAllowed(tuple) {
                    return visit(id, tuple)
                }
                misses += 1
                return misses <= limit
            }
        }
        return misses <= limit
    }

    /// - Returns: the lowest id that matches; 0 if none does; nil if the template is too broad.
    func oldest(_ template: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer) -> UInt64? {
        var found: UInt64 = 0
        let complete = search(template, in: space) { id, _ in
            found = id
            return false
        }
        return complete ? found : nil
    }

    /// - Returns: how many match; nil if the template is too broad.
    func count(_ template: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer) -> UInt64? {
        if EncodedTemplate.isAllAny(template) {
            guard let number = spaces.number(of: space) else { return 0 }
            return UInt64(index.count(space: number, arity: EncodedTuple.arity(template)))
        }
        var count: UInt64 = 0
        let complete = search(template, in: space) { _, _ in
            count += 1
            return true
        }
        return complete ? count : nil
    }
}
