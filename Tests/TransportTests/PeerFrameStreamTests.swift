import NIOCore
import Testing

@testable import Cluster

@Suite("A stream of frames")
struct PeerFrameStreamTests {
    private func framed(_ frame: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(frame.count).littleEndian, Array.init) + frame
    }

    @Test("gives the same frames however it is cut, and passes over signs of life")
    func cuts() throws {
        let frames: [[UInt8]] = [[1], [2, 3, 4], [UInt8](repeating: 5, count: 300), [6, 7]]
        let bytes = framed([]) + frames.flatMap(framed) + framed([]) + framed([]) + framed([8])
        for size in 1...bytes.count {
            var stream = PeerFrameStream(limit: 300)
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                stream.append(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
                while let frame = try stream.next() { found.append(Array(frame.readableBytesView)) }
            }
            #expect(found == frames + [[8]], "in parts of \(size)")
        }
    }

    @Test("copies a frame that comes in many parts not again for each part", .timeLimit(.minutes(1)))
    func manyParts() throws {
        let size = 64 << 20
        var stream = PeerFrameStream(limit: size)
        stream.append(ByteBuffer(bytes: withUnsafeBytes(of: UInt32(size).littleEndian, Array.init)))
        let part = ByteBuffer(repeating: 7, count: 4_096)
        for number in 1...(size / 4_096) {
            stream.append(part)
            #expect(try (stream.next()?.readableBytes == size) == (number == size / 4_096))
        }
    }

    @Test("is over with a frame that is too long, before its bytes have come")
    func tooLarge() throws {
        var stream = PeerFrameStream(limit: 300)
        stream.append(ByteBuffer(bytes: framed([1]) + [45, 1, 0, 0]))
        #expect(try stream.next().map { Array($0.readableBytesView) } == [1])
        #expect(throws: PeerFrameStream.TooLarge(length: 301)) { try stream.next() }
    }
}
