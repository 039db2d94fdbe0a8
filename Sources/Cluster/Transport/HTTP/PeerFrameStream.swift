import NIOCore

/// Finds frames in a stream of bytes that arrives in parts of any size: before each stand 4 bytes with its length, unsigned and
/// little-endian. A length of 0 is a sign of life and no frame.
struct PeerFrameStream {
    struct TooLarge: Error, Equatable {
        var length: Int
    }

    static let prefixByteCount = 4

    private let limit: Int
    private var waiting = ByteBuffer()

    /// - Parameter limit: bytes of one frame, envelope included.
    init(limit: Int) { self.limit = limit }

    mutating func append(_ part: ByteBuffer) {
        guard waiting.readableBytes > 0 else { return waiting = part }
        waiting.writeImmutableBuffer(part)
    }

    /// - Returns: the next whole frame; nil if more has to arrive.
    /// - Throws: if one is longer than the limit; then nothing behind it can be found.
    mutating func next() throws(TooLarge) -> ByteBuffer? {
        while let length = waiting.getInteger(at: waiting.readerIndex, endianness: .little, as: UInt32.self) {
            guard length > 0 else {
                waiting.moveReaderIndex(forwardBy: Self.prefixByteCount)
                continue
            }
            guard Int(length) <= limit else { throw TooLarge(length: Int(length)) }
            guard waiting.readableBytes >= Self.prefixByteCount + Int(length) else { break }
            waiting.moveReaderIndex(forwardBy: Self.prefixByteCount)
            return waiting.readSlice(length: Int(length))
        }
        if waiting.readableBytes == 0 {
            waiting = ByteBuffer()
        } else if waiting.readerIndex > 0 {
            // Frames that were handed out share these bytes: what is appended must not copy all of them, again and again.
            waiting = ByteBuffer(buffer: waiting)
        }
        return nil
    }
}
