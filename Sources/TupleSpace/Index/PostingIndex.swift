/// From a 64-bit key to the ascending ids that stand under it. A single id stands in the table itself. Sharded by the key's upper
/// bits, so that no table ever grows at once by more than a few thousand keys.
struct PostingIndex: Sendable {
    /// The ids under one key.
    enum Posting {
        case none
        case one(UInt64)
        case many(OrderedChunks<UInt64>)

        var count: Int {
            switch self {
            case .none: 0
            case .one: 1
            case .many(let ids): ids.count
            }
        }

        /// Calls `visit` with the ids strictly between the bounds, in order, until it returns false.
        @inline(__always)
        func forEach(
            above lower: UInt64? = nil, below upper: UInt64? = nil, descending: Bool = false,
            _ visit: (UInt64) -> Bool
        ) {
            switch self {
            case .none: return
            case .one(let id):
                if let lower, id <= lower { return }
                if let upper, id >= upper { return }
                _ = visit(id)
            case .many(let ids): ids.forEach(above: lower, below: upper, descending: descending, visit)
            }
        }
    }

    fileprivate struct Shard: Sendable {
        var table = KeyTable()
        var lists: ContiguousArray<OrderedChunks<UInt64>> = []
        /// Places in `lists` that are empty and may be used again.
        var free: ContiguousArray<Int> = []
    }

    /// Set in a table's value that is a place in `lists`; ids are below it.
    fileprivate static let listMark: UInt64 = 1 << 63

    private var shards: ContiguousArray<Shard>
    private let shift: UInt64

    /// - shardBits: the number of shards is two to the power of it; 1 or more.
    /// - keys: how many to make room for.
    init(shardBits: Int, reserving keys: Int = 0) {
        var shard = Shard()
        // A quarter on top, since keys do not fall quite evenly.
        if keys > 0 { shard.table = KeyTable(reserving: (keys >> shardBits) * 5 / 4) }
        shards = ContiguousArray(repeating: shard, count: 1 << shardBits)
        shift = UInt64(64 - shardBits)
    }

    @inline(__always)
    private func shard(_ key: UInt64) -> Int { Int(truncatingIfNeeded: key >> shift) }

    subscript(key: UInt64) -> Posting {
        let shard = shard(key)
        let value = shards[shard].table[key]
        if value == 0 { return .none }
        return value < Self.listMark ? .one(value) : .many(shards[shard].lists[Int(value & ~Self.listMark)])
    }

    func count(_ key: UInt64) -> Int {
        let shard = shard(key)
        let value = shards[shard].table[key]
        if value < Self.listMark { return value == 0 ? 0 : 1 }
        return shards[shard].lists[Int(value & ~Self.listMark)].count
    }

    /// As the table's.
    func touch(_ key: UInt64) -> UInt64 { shards[shard(key)].table.touch(key) }

    /// - id: above 0 and below 2^63.
    mutating func insert(_ key: UInt64, _ id: UInt64) { shards[shard(key)].insert(key, id) }

    mutating func remove(_ key: UInt64, _ id: UInt64) { shards[shard(key)].remove(key, id) }
}

extension PostingIndex.Shard {
    fileprivate mutating func insert(_ key: UInt64, _ id: UInt64) {
        let value = table[key]
        if value == 0 { return table.set(key, id) }
        if value >= PostingIndex.listMark { return lists[Int(value & ~PostingIndex.listMark)].insert(id) }
        if value == id { return }
        let place = free.popLast() ?? lists.count
        if place == lists.count { lists.append(OrderedChunks()) }
        lists[place].insert(min(id, value))
        lists[place].insert(max(id, value))
        table.set(key, PostingIndex.listMark | UInt64(place))
    }

    fileprivate mutating func remove(_ key: UInt64, _ id: UInt64) {
        let value = table[key]
        if value == id { return table.remove(key) }
        guard value >= PostingIndex.listMark else { return }
        let place = Int(value & ~PostingIndex.listMark)
        lists[place].remove(id)
        guard lists[place].isEmpty else { return }
        table.remove(key)
        free.append(place)
    }
}
