import ByteCoding
import Raft

/// The first 80 bytes of every file in a data directory. Their layout is the same in every format version, so that a
/// file of a newer version, one of another server and one that rotted can be told apart.
struct FileHeader: Equatable, Sendable {
    /// Which file it is, in eight bytes that a person recognises in a dump.
    enum Magic: String, CaseIterable, Sendable {
        case identity = "STARIDEN"
        case genesis = "STARGENE"
        case repair = "STARREPA"
        case removal = "STARREMO"
        case recovery = "STARRECO"
        case segment = "STARSEGM"
        case snapshot = "STARSNAP"
    }

    static let byteCount = 80
    /// The newest format version that this program reads and writes.
    static let supportedVersion: UInt32 = 2
    /// The version of an identity with a secret; all other files are of version 1.
    static let secretVersion: UInt32 = 2
    /// A body longer than this is not ours.
    static let maximumBody = 16 << 20

    var magic: Magic
    var version: UInt32 = 1
    var cluster: ClusterID
    var node: NodeID
    /// What they mean depends on the file: see docs/formats/write-ahead-log.md.
    var fields: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    /// Bytes of the body behind the header, and their checksum.
    var bodyLength: UInt32 = 0
    var bodyChecksum: UInt32 = 0
    /// Of an identity from version 2 on: see `LogIdentity.secret`.
    var secret: UInt64 = 0

    static func == (a: FileHeader, b: FileHeader) -> Bool {
        a.magic == b.magic && a.version == b.version && a.cluster == b.cluster && a.node == b.node
            && a.fields == b.fields && a.bodyLength == b.bodyLength && a.bodyChecksum == b.bodyChecksum
            && a.secret == b.secret
    }

    func encode(into writer: inout ByteWriter) {
        let start = writer.count
        writer.write(raw: Array(magic.rawValue.utf8))
        writer.write(version)
        writer.write(bodyLength)
        writer.write(cluster.rawValue)
        writer.write(node.rawValue)
        writer.write(fields.0)
        writer.write(fields.1)
        writer.write(fields.2)
        writer.write(fields.3)
        writer.write(bodyChecksum)
        writer.write(secret)
        let checksum = writer.bytes.withUnsafeBytes { crc32c(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        writer.write(checksum)
    }

    /// A header with its body behind it.
    func encoded(body: [UInt8] = []) -> [UInt8] {
        var header = self
        header.bodyLength = UInt32(body.count)
        header.bodyChecksum = crc32c(body)
        var writer = ByteWriter(reserving: FileHeader.byteCount + body.count)
        header.encode(into: &writer)
        writer.write(raw: body)
        return writer.take()
    }

    enum Reading: Equatable {
        case valid(FileHeader)
        /// The checksum holds and the version is beyond `supportedVersion`.
        case newer(version: UInt32)
        /// Not the file it should be, or rotted.
        case damaged(String)
    }

    static func read(_ bytes: UnsafeRawBufferPointer, expecting magic: Magic) -> Reading {
        do throws(MalformedBytes) {
            return try readThrowing(bytes, expecting: magic)
        } catch {
            return .damaged(error.description)
        }
    }

    private static func readThrowing(
        _ bytes: UnsafeRawBufferPointer, expecting magic: Magic
    ) throws(MalformedBytes) -> Reading {
        var reader = ByteReader(bytes)
        let found = try reader.readRaw(8, "magic of a \(magic) file")
        guard found.elementsEqual(magic.rawValue.utf8) else { return .damaged("this is not a \(magic) file") }
        let version = try reader.readUInt32("version")
        let bodyLength = try reader.readUInt32("body length")
        let cluster = ClusterID(try reader.readUInt64("cluster"))
        let node = NodeID(try reader.readUInt64("node"))
        let fields = (
            try reader.readUInt64("field"), try reader.readUInt64("field"), try reader.readUInt64("field"),
            try reader.readUInt64("field")
        )
        let bodyChecksum = try reader.readUInt32("body checksum")
        let secret = try reader.readUInt64("secret")
        let covered = UnsafeRawBufferPointer(rebasing: bytes[..<reader.offset])
        guard crc32c(covered) == (try reader.readUInt32("checksum")) else {
            return .damaged("the checksum of the file's header does not hold")
        }
        guard version <= supportedVersion else { return .newer(version: version) }
        guard version > 0 else { return .damaged("the file's header names version 0, which there never was") }
        guard bodyLength <= UInt32(maximumBody) else {
            return .damaged("the file's header names a body of \(bodyLength) bytes")
        }
        return .valid(
            FileHeader(
                magic: magic, version: version, cluster: cluster, node: node, fields: fields, bodyLength: bodyLength,
                bodyChecksum: bodyChecksum, secret: version >= secretVersion ? secret : 0))
    }

    /// Header and checked body of a whole small file.
    static func readWithBody(_ bytes: [UInt8], expecting magic: Magic) -> (Reading, body: [UInt8]) {
        let reading = bytes.withUnsafeBytes { read($0, expecting: magic) }
        guard case .valid(let header) = reading else { return (reading, []) }
        let body = Array(bytes[byteCount...].prefix(Int(header.bodyLength)))
        guard body.count == Int(header.bodyLength), crc32c(body) == header.bodyChecksum else {
            return (.damaged("the checksum of the file's body does not hold"), [])
        }
        return (reading, body)
    }
}
