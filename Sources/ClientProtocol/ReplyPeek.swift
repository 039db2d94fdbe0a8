import ByteCoding
import TupleSpace

/// What a program that only passes replies on must know of them, without decoding their tuples.
public enum ReplyPeek {
    private static let found: UInt8 = 2
    private static let failed: UInt8 = 6

    /// The failure that an encoded `Reply` is; nil if it is anything else. An unreadable failure is `malformed`.
    public static func failure(in reply: UnsafeRawBufferPointer) -> Failure? {
        guard let first = reply.first else { return Failure(.malformed, "an empty reply") }
        guard first == failed else { return nil }
        var reader = ByteReader(reply, from: 1)
        do throws(MalformedBytes) {
            return try Failure(from: &reader)
        } catch {
            return Failure(.malformed, "\(error)")
        }
    }

    /// A tuple was found (by a read) or taken.
    public static func isFound(_ reply: UnsafeRawBufferPointer) -> Bool { reply.first == found }
}
