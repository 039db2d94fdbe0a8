/// Encoded writes that differ in one number only, made without encoding anew: the generator of a load shares the machine with the
/// servers it measures.
public struct NumberedPayload: Sendable {
    /// Their encoding as an integer of a tuple has the same length for all of them.
    public static let numbers = 1 << 20..<1 << 27

    private var bytes: [UInt8]
    /// Where the number stands, as a varint of `width` bytes.
    private let place: Int
    private static let width = 4
    private var number: Int

    /// - Parameter encode: the write of a number, which stands in it once.
    /// - Throws: if the number is out of `numbers` or does not stand in the write.
    init(from first: Int, encode: (Int) -> [UInt8]) throws(LoadFailure) {
        guard Self.numbers.contains(first) else {
            throw LoadFailure(
                description:
                    "tuples are numbered from \(Self.numbers.lowerBound) to \(Self.numbers.upperBound - 1), not from \(first)"
            )
        }
        let (one, other) = (encode(first), encode(first ^ 1))
        // Zigzag doubles the number, so its lowest bit is in the first byte of the varint.
        guard other.count == one.count, let place = one.indices.first(where: { one[$0] != other[$0] }),
            place + Self.width <= one.count
        else { throw LoadFailure(description: "the tuples of this load have no number") }
        bytes = one
        number = first
        self.place = place
        var copy = self
        guard copy.next() == encode(first) else {
            throw LoadFailure(description: "the tuples of this load have something else in place of a number")
        }
    }

    /// The write of the next number. After the last of `numbers` the first comes again.
    mutating func next() -> [UInt8] {
        var rest = UInt64(number) << 1
        for i in 0..<Self.width {
            bytes[place + i] = UInt8(truncatingIfNeeded: rest & 0x7F) | (i < Self.width - 1 ? 0x80 : 0)
            rest >>= 7
        }
        number += 1
        if number == Self.numbers.upperBound { number = Self.numbers.lowerBound }
        return bytes
    }
}
