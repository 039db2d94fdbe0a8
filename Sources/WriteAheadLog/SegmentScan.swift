import ByteCoding
import Raft

/// What reading one segment forward found.
struct SegmentScan: Equatable {
    /// What lies behind the last good batch.
    enum Rest: Equatable {
        /// Only zeros, as prepared: nothing was ever written there.
        case zeros
        /// Something, and no sign of a batch later than the one that is missing: a write that never finished.
        case unfinished
        /// A record of a later batch, at this offset: the missing batch was synced once, and has been damaged since.
        case laterBatch(offset: Int)
    }

    /// Where the last good batch begins and ends; both are where records begin if there is none.
    var lastBatchBegins: Int
    var end: Int
    /// The number of the batch that should have come next.
    var nextBatch: UInt64
    var rest: Rest
    /// Why reading stopped, if what stands there is a whole batch that makes no sense.
    var nonsense: String?
}

/// Reads segments forward and hands each good batch to `replay`.
struct SegmentScanner {
    private let bytes: UnsafeRawBufferPointer
    private let salt: UInt32
    private var batch: UInt64
    private var records: [(header: RecordHeader, payload: Range<Int>)] = []
    private let mutations: StorageMutations

    /// - Parameters:
    ///   - bytes: the segment's file from its start.
    ///   - firstBatch: the number of the first batch in it.
    init(_ bytes: UnsafeRawBufferPointer, salt: UInt32, firstBatch: UInt64, mutations: StorageMutations = []) {
        self.mutations = mutations
        self.bytes = bytes
        self.salt = salt
        batch = firstBatch
    }

    /// - Parameter limit: no batch counts that ends beyond this offset; what follows it is not looked at.
    mutating func scan(limit: Int?, into replay: inout LogReplay, visit: (Int, RecordHeader) -> Void = { _, _ in })
        -> SegmentScan
    {
        let stop = min(limit ?? bytes.count, bytes.count)
        var scan = SegmentScan(
            lastBatchBegins: SegmentHeader.recordsBegin, end: SegmentHeader.recordsBegin, nextBatch: batch, rest: .zeros
        )
        guard bytes.count >= SegmentHeader.recordsBegin else {
            scan.nonsense = "the file is cut short: it has \(bytes.count) bytes"
            return scan
        }
        while scan.end < stop, let end = readBatch(from: scan.end, stop: stop, visit) {
            let payloads = bytes
            do throws(MalformedBytes) {
                try replay.apply(records, in: payloads)
            } catch {
                scan.nonsense = error.what
                break
            }
            scan.lastBatchBegins = scan.end
            scan.end = end
            // A batch number can only come from us, one after the other: 2^64 of them are never reached.
            batch &+= 1
        }
        if mutations.contains(.tornTailIncluded), limit == nil, scan.nonsense == nil {
            try? replay.apply(records, in: bytes)
        }
        scan.nextBatch = batch
        scan.rest = limit == nil ? examineRest(from: scan.end) : .zeros
        return scan
    }

    /// - Returns: where the batch at `start` ends, with its records in `records`; nil if it is not whole.
    private mutating func readBatch(from start: Int, stop: Int, _ visit: (Int, RecordHeader) -> Void) -> Int? {
        records.removeAll(keepingCapacity: true)
        var offset = start
        var chain: UInt32 = 0
        while offset < stop, let header = RecordHeader.read(bytes, at: offset, salt: salt) {
            guard header.batch == batch else { return nil }
            let end = offset + header.byteCountInFile
            guard end <= stop else { return nil }
            visit(offset, header)
            if header.kind == .commit {
                let whole =
                    header.index == UInt64(records.count) && header.term == UInt64(offset - start)
                    && header.payloadChecksum == chain
                return whole ? end : nil
            }
            let payload = offset + RecordHeader.byteCount..<offset + RecordHeader.byteCount + header.payloadLength
            guard crc32c(UnsafeRawBufferPointer(rebasing: bytes[payload])) == header.payloadChecksum else { return nil }
            chain = RecordHeader.chain(chain, header.checksum)
            records.append((header, payload))
            offset = end
        }
        return nil
    }

    /// A term that lies further beyond one that is certain is not believed: elections do not get so far, and once the highest possible term
    /// were reached nobody could ever be elected again.
    static let farthestTerm: UInt64 = 1 << 32

    /// The highest term that any record with a sound header names, or the one that is certain. What lies within a sound record is not looked
    /// at: it is a user's.
    static func highestTerm(in bytes: UnsafeRawBufferPointer, salt: UInt32, certain: UInt64) -> UInt64 {
        var highest = certain
        let bound = min(certain + farthestTerm, LogReplay.bound)
        var offset = SegmentHeader.recordsBegin
        while offset < bytes.count, bytes.count - offset >= RecordHeader.byteCount {
            guard let header = RecordHeader.read(bytes, at: offset, salt: salt) else {
                offset += 8
                continue
            }
            // A commit mark keeps a length there.
            if header.kind != .commit, header.term < bound { highest = max(highest, header.term) }
            let payload = offset + RecordHeader.byteCount
            let body = UnsafeRawBufferPointer(rebasing: bytes[payload..<payload + header.payloadLength])
            // A commit mark has no payload, and the chain in the place of its checksum.
            let isWhole = header.kind != .commit && crc32c(body) == header.payloadChecksum
            offset += isWhole ? header.byteCountInFile : RecordHeader.byteCount
        }
        return highest
    }

    private func examineRest(from start: Int) -> SegmentScan.Rest {
        guard let first = firstNonZero(in: bytes, from: start) else { return .zeros }
        var offset = max(start, first & ~7)
        // A record may begin with a zero length, so its header may begin up to a header's size before the first other
        // byte.
        offset = max(start, offset - RecordHeader.byteCount)
        while bytes.count - offset >= RecordHeader.byteCount {
            if let header = RecordHeader.read(bytes, at: offset, salt: salt), header.batch > batch {
                return .laterBatch(offset: offset)
            }
            offset += 8
        }
        return .unfinished
    }
}

/// Where the first byte that is not zero stands, or the eight bytes that hold it.
func firstNonZero(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var offset = start
    while offset + 8 <= bytes.count {
        if bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 { return offset }
        offset += 8
    }
    return bytes[min(offset, bytes.count)...].firstIndex { $0 != 0 }
}
