import ByteCoding

/// The first byte of an encoded query.
enum QueryCode {
    static let read: UInt8 = 1
    static let readAll: UInt8 = 2
    static let count: UInt8 = 3
    static let spaces: UInt8 = 4
    static let policy: UInt8 = 5
    static let tokens: UInt8 = 6
}

extension Query {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .read(let space, let template):
            writer.write(QueryCode.read)
            writer.write(space)
            template.encode(into: &writer)
        case .readAll(let space, let template, let page):
            writer.write(QueryCode.readAll)
            writer.write(space)
            page.encode(into: &writer)
            template.encode(into: &writer)
        case .count(let space, let template):
            writer.write(QueryCode.count)
            writer.write(space)
            template.encode(into: &writer)
        case .spaces(let after, let limit):
            writer.write(QueryCode.spaces)
            writer.write(after ?? "")
            writer.writeVarint(UInt64(max(0, limit)))
        case .policy(let space):
            writer.write(QueryCode.policy)
            writer.write(space)
        case .tokens(let after, let limit):
            writer.write(QueryCode.tokens)
            writer.write(after?.text ?? "")
            writer.writeVarint(UInt64(max(0, limit)))
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        switch try reader.readByte("query") {
        case QueryCode.read:
            self = .read(space: try reader.readString("space"), template: try Template(from: &reader))
        case QueryCode.readAll:
            let space = try reader.readString("space")
            let page = try Page(from: &reader)
            self = .readAll(space: space, template: try Template(from: &reader), page: page)
        case QueryCode.count:
            self = .count(space: try reader.readString("space"), template: try Template(from: &reader))
        case QueryCode.spaces:
            let after = try reader.readString("space")
            self = .spaces(after: after.isEmpty ? nil : after, limit: try Self.limit(&reader))
        case QueryCode.policy: self = .policy(space: try reader.readString("space"))
        case QueryCode.tokens:
            let after = try reader.readString("digest of a token")
            let digest = TokenDigest(after)
            guard after.isEmpty || digest != nil else { throw MalformedBytes("digest of a token", at: start) }
            self = .tokens(after: digest, limit: try Self.limit(&reader))
        default: throw MalformedBytes("unknown query", at: start)
        }
    }
}

extension Query {
    private static func limit(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
        let start = reader.offset
        let limit = try reader.readVarint("page limit")
        guard limit <= UInt64(Int32.max) else { throw MalformedBytes("page", at: start) }
        return Int(limit)
    }
}

extension Page {
    private static let newestFlag: UInt8 = 1
    private static let afterFlag: UInt8 = 2
    private static let beforeFlag: UInt8 = 4

    /// Varint limit, flags u8, then the cursors that the flags name, u64 each.
    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(max(0, limit)))
        var flags: UInt8 = 0
        if order == .newest { flags |= Self.newestFlag }
        if after != nil { flags |= Self.afterFlag }
        if before != nil { flags |= Self.beforeFlag }
        writer.write(flags)
        if let after { writer.write(after.rawValue) }
        if let before { writer.write(before.rawValue) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let limit = try reader.readVarint("page limit")
        let flags = try reader.readByte("page flags")
        guard limit <= UInt64(Int32.max), flags < 8 else { throw MalformedBytes("page", at: start) }
        self.init(
            limit: Int(limit), order: flags & Self.newestFlag != 0 ? .newest : .oldest,
            after: flags & Self.afterFlag != 0 ? TupleID(try reader.readUInt64("cursor")) : nil,
            before: flags & Self.beforeFlag != 0 ? TupleID(try reader.readUInt64("cursor")) : nil)
    }
}
