import ByteCoding
import Raft

/// Pieces of a snapshot file for a peer: a file that has rotted is found by whoever sends it, not only by those who have received all of it.
extension SnapshotStore {
    /// A range of a snapshot's file as it is, to stream to a peer: fewer bytes than asked for where the file ends. The chunks that it
    /// touches are checked, and so is the file's header.
    ///
    /// Not checked is the checksum of the whole, in the file's last four bytes: `verify` does that.
    /// - Throws: `.damaged` if a checksum does not hold.
    public func range(_ place: SnapshotPlace, offset: UInt64, count: Int) throws(SnapshotError) -> [UInt8] {
        var reader = try reader(place)
        do throws(SnapshotError) {
            try reader.checkChunks(from: offset, count: count)
        } catch .damaged {
            // Or its chunks do not begin where those of this program's writer do; that costs a look at all of them.
            try verify(place)
        }
        return try reader.raw(offset, count: count)
    }
}

extension SnapshotReader {
    /// Checks all chunks that a range of the file touches, and where they end, if the file is cut into chunks as the writer cuts it: all
    /// but the last as long as can be.
    /// - Throws: `.damaged` if they are not what they should be.
    fileprivate mutating func checkChunks(from start: UInt64, count: Int) throws(SnapshotError) {
        let (first, footer) = (offset, UInt64(SnapshotFormat.footer))
        let stride = UInt64(SnapshotFormat.chunkHeader + SnapshotFormat.maximumChunk)
        guard size >= first + footer else { throw damaged("it is cut short") }
        let chunksEnd = size - footer
        let end = min(size, start + UInt64(max(0, count)))
        if start > first { skip(to: first + (min(start, chunksEnd) - first) / stride * stride) }
        while offset < min(end, chunksEnd) {
            guard try nextChunk() != nil else { throw damaged("it ends within") }
        }
        guard end > chunksEnd else { return }
        guard offset == chunksEnd else { throw damaged("its last chunk is too long") }
        let chunks = (chunksEnd - first + stride - 1) / stride
        try checkFooter(
            at: chunksEnd, payloadBytes: chunksEnd - first - chunks * UInt64(SnapshotFormat.chunkHeader), chunks: chunks
        )
    }
}
