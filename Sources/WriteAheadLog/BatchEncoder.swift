import ByteCoding
import Raft

/// Turns writes into the bytes of one batch, in memory that is kept from batch to batch: nothing is allocated per
/// entry.
struct BatchEncoder: Sendable {
    private(set) var bytes: [UInt8] = []
    private var metadata = ByteWriter()
    private var salt: UInt32 = 0
    private var batch: UInt64 = 0
    private var chain: UInt32 = 0
    private var records: UInt64 = 0

    /// Memory beyond this is given back after a batch that needed it.
    private static let keptCapacity = 8 << 20
    private static let padding: [UInt8] = [0, 0, 0, 0, 0, 0, 0]

    /// - Parameter salt: of the segment that the batch goes to.
    mutating func begin(batch: UInt64, salt: UInt32) {
        if bytes.capacity > BatchEncoder.keptCapacity {
            bytes = []
        } else {
            bytes.removeAll(keepingCapacity: true)
        }
        self.batch = batch
        self.salt = salt
        chain = 0
        records = 0
    }

    /// The parts of a write, in the order in which they are performed.
    mutating func add(_ write: StorageWrite) {
        if let hardState = write.hardState { add(hardState) }
        if let snapshot = write.snapshot { add(snapshot, detail: write.keepsTail ? SnapshotMark.keepsTail : 0) }
        if let index = write.truncateFrom {
            add(
                RecordHeader(
                    kind: .truncation, payloadLength: 0, index: index.rawValue, term: 0, batch: batch,
                    payloadChecksum: 0))
        }
        for entry in write.entries { add(entry) }
    }

    mutating func add(_ hardState: HardState) {
        add(
            RecordHeader(
                kind: .hardState, payloadLength: 0, index: hardState.vote?.rawValue ?? 0, term: hardState.term.rawValue,
                batch: batch, payloadChecksum: 0))
    }

    mutating func add(_ snapshot: SnapshotMetadata, detail: UInt8) {
        metadata.reset()
        snapshot.encodeConfiguration(into: &metadata)
        add(
            RecordHeader(
                kind: .snapshot, detail: detail, payloadLength: metadata.count, index: snapshot.index.rawValue,
                term: snapshot.term.rawValue, batch: batch, payloadChecksum: crc32c(metadata.bytes)))
        bytes.append(contentsOf: metadata.bytes)
        pad(metadata.count)
    }

    /// Closes the batch: `bytes` is then what goes to the disk.
    mutating func commit() {
        let mark = RecordHeader(
            kind: .commit, payloadLength: 0, index: records, term: UInt64(bytes.count), batch: batch,
            payloadChecksum: chain)
        _ = mark.encode(into: &bytes, salt: salt)
    }

    private mutating func add(_ entry: Entry) {
        add(
            RecordHeader(
                kind: .entry, detail: entry.kind.rawValue, payloadLength: entry.payload.count,
                index: entry.index.rawValue,
                term: entry.term.rawValue, batch: batch, payloadChecksum: crc32c(entry.payload)))
        bytes.append(contentsOf: entry.payload)
        pad(entry.payload.count)
    }

    private mutating func add(_ header: RecordHeader) {
        chain = RecordHeader.chain(chain, header.encode(into: &bytes, salt: salt))
        records += 1
    }

    private mutating func pad(_ count: Int) {
        bytes.append(contentsOf: BatchEncoder.padding.prefix(paddedToEight(count) - count))
    }
}
