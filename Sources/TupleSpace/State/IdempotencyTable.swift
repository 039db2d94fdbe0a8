import ByteCoding

/// Replies that are kept under (caller, key), in the order in which they were made and so in the order in which they expire, and
/// waiters that will make one.
///
///     record: expiry u64 ms · digest · caller · key · reply, each with a varint length
struct IdempotencyTable: Sendable {
    struct View {
        var expiry: UInt64
        var digest: UnsafeRawBufferPointer
        var caller: UnsafeRawBufferPointer
        var key: UnsafeRawBufferPointer
        var reply: UnsafeRawBufferPointer

        init(_ record: UnsafeRawBufferPointer) {
            var scan = ByteScan(record)
            self.init(&scan)
        }

        private init(_ scan: inout ByteScan) {
            expiry = scan.word()
            digest = scan.prefixed()
            caller = scan.text()
            key = scan.text()
            reply = scan.prefixed()
        }

        /// A record that came from outside; nil if it is malformed.
        static func check(_ record: UnsafeRawBufferPointer) -> View? {
            var scan = ByteScan(record)
            let view = View(&scan)
            guard scan.endedWell else { return nil }
            var reader = ByteReader(view.reply)
            guard (try? Reply(from: &reader)) != nil, reader.isAtEnd else { return nil }
            return view
        }
    }

    /// What stands under a key.
    enum Standing {
        case replied(id: UInt64)
        case pending(waiter: UInt64)
    }

    private(set) var records = SlabStore()
    private(set) var lastID: UInt64 = 0
    private var pendingCount = 0
    /// Ids of records, and of waiters, by the hash of (caller, key).
    private var replied = PostingIndex(shardBits: 6)
    private var pending = PostingIndex(shardBits: 6)
    private var writer = ByteWriter()

    var count: Int { records.count + pendingCount }
    var firstExpiry: UInt64? { records.first.map { first in records.withBytes(first.place) { View($0).expiry } } }

    private static func hash(_ caller: UnsafeRawBufferPointer, _ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = StableHash()
        hash.mix(caller)
        hash.mix(key)
        return hash.value
    }

    func find(caller: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, waiters: WaiterTable) -> Standing? {
        let hash = Self.hash(caller, key)
        var found: Standing?
        replied[hash].forEach { id in
            guard let view = record(id, { $0.caller.isSame(as: caller) && $0.key.isSame(as: key) }), view else {
                return true
            }
            found = .replied(id: id)
            return false
        }
        if found != nil { return found }
        pending[hash].forEach { id in
            let same = waiters.with(id) { $0.caller.isSame(as: caller) && $0.key.isSame(as: key) }
            guard same == true else { return true }
            found = .pending(waiter: id)
            return false
        }
        return found
    }

    func record<Result>(_ id: UInt64, _ body: (View) -> Result) -> Result? {
        records.place(of: id).map { records.withBytes($0) { body(View($0)) } }
    }

    mutating func addPending(_ waiter: UInt64, caller: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) {
        pending.insert(Self.hash(caller, key), waiter)
        pendingCount += 1
    }

    mutating func removePending(_ waiter: UInt64, caller: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) {
        pending.remove(Self.hash(caller, key), waiter)
        pendingCount -= 1
    }

    mutating func addReply(
        expiry: UInt64, digest: UnsafeRawBufferPointer, caller: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer,
        reply: UnsafeRawBufferPointer
    ) {
        writer.reset()
        writer.write(expiry)
        writer.writePrefixed(digest)
        writer.writePrefixed(caller)
        writer.writePrefixed(key)
        writer.writePrefixed(reply)
        lastID += 1
        writer.bytes.withUnsafeBytes { records.append(lastID, label: 0, $0) }
        replied.insert(Self.hash(caller, key), lastID)
    }

    /// Removes the oldest if it expires at or before `time`.
    mutating func removeFirst(expiredAt time: UInt64) -> Bool {
        guard let first = records.first else { return false }
        let (hash, expiry) = records.withBytes(first.place) { record in
            let view = View(record)
            return (Self.hash(view.caller, view.key), view.expiry)
        }
        guard expiry <= time else { return false }
        replied.remove(hash, first.id)
        records.remove(first.place)
        return true
    }

    /// Puts back a record as it was captured. Ids ascend, and so do expiries.
    mutating func restore(_ id: UInt64, _ record: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard let view = View.check(record), id > lastID, id < 1 << 63 else {
            throw MalformedBytes("idempotency key", at: 0)
        }
        lastID = id
        records.append(id, label: 0, record)
        replied.insert(Self.hash(view.caller, view.key), id)
    }

    /// - id: of the last record that there ever was.
    mutating func restoreLastID(_ id: UInt64) throws(MalformedBytes) {
        guard id >= lastID, id < 1 << 63 else { throw MalformedBytes("last idempotency key", at: 0) }
        lastID = id
    }
}
