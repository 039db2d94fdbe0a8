import ByteCoding

/// The bytes of a message between servers, as `docs/formats/peer-messages.md` describes them. Decoding checks every
/// bound and never traps; whether what was said makes sense is for the node to judge.
///
/// There are two versions, so that programs of before and after run side by side. The first lacks some fields, which
/// are then as if nothing was said, and cannot say `timeoutNow`, which is always in the second.
extension Message {
    private var isVersion2: Bool { formatVersion >= 2 || body.kind == .timeoutNow }

    /// Appends the message in its version of the format. The payloads of entries are copied as they are.
    public func encode(into writer: inout ByteWriter) {
        let isVersion2 = isVersion2
        writer.write(UInt8(isVersion2 ? 2 : 1))
        writer.write(body.kind.rawValue)
        writer.write(featureLevel)
        writer.write(cluster.rawValue)
        writer.write(from.rawValue)
        writer.write(to.rawValue)
        writer.write(term.rawValue)
        switch body {
        case .preVoteRequest(let request), .voteRequest(let request):
            writer.write(request.lastIndex.rawValue)
            writer.write(request.lastTerm.rawValue)
            if isVersion2 { request.encodeRest(into: &writer) }
        case .preVoteResponse(let response), .voteResponse(let response):
            writer.write(response.granted)
            if isVersion2 { response.encodeRest(into: &writer) }
        case .appendRequest(let request): request.encode(into: &writer, isVersion2)
        case .appendResponse(let response): response.encode(into: &writer, isVersion2)
        case .readIndexRequest(let context): writer.write(context)
        case .readIndexResponse(let context, let index):
            writer.write(context)
            writer.write(index != nil)
            if let index { writer.write(index.rawValue) }
        case .timeoutNow: break
        }
    }

    /// Decodes exactly these bytes.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        let version = try reader.readByte("message version")
        guard version == 1 || version == 2 else { throw MalformedBytes("message version \(version)", at: 0) }
        guard let kind = Kind(rawValue: try reader.readByte("message kind")), version == 2 || kind != .timeoutNow else {
            throw MalformedBytes("message kind", at: 1)
        }
        formatVersion = version
        featureLevel = try reader.readUInt32("feature level")
        cluster = ClusterID(try reader.readUInt64("cluster"))
        from = NodeID(try reader.readUInt64("sender"))
        to = NodeID(try reader.readUInt64("receiver"))
        term = Term(try reader.readUInt64("term"))
        body = try Body(kind, from: &reader, version == 2)
        try reader.requireEnd("message")
    }

    fileprivate enum Kind: UInt8 {
        case preVoteRequest = 1
        case preVoteResponse = 2
        case voteRequest = 3
        case voteResponse = 4
        case appendRequest = 5
        case appendResponse = 6
        case readIndexRequest = 7
        case readIndexResponse = 8
        case timeoutNow = 9
    }
}

extension Message.Body {
    fileprivate var kind: Message.Kind {
        switch self {
        case .preVoteRequest: .preVoteRequest
        case .preVoteResponse: .preVoteResponse
        case .voteRequest: .voteRequest
        case .voteResponse: .voteResponse
        case .appendRequest: .appendRequest
        case .appendResponse: .appendResponse
        case .readIndexRequest: .readIndexRequest
        case .readIndexResponse: .readIndexResponse
        case .timeoutNow: .timeoutNow
        }
    }

    fileprivate init(
        _ kind: Message.Kind, from reader: inout ByteReader, _ isVersion2: Bool
    ) throws(MalformedBytes) {
        switch kind {
        case .preVoteRequest, .voteRequest:
            let index = LogIndex(try reader.readUInt64("last index"))
            let term = Term(try reader.readUInt64("last term"))
            var request = VoteRequest(lastIndex: index, lastTerm: term)
            if isVersion2 { try request.decodeRest(from: &reader) }
            self = kind == .voteRequest ? .voteRequest(request) : .preVoteRequest(request)
        case .preVoteResponse, .voteResponse:
            var response = VoteResponse(granted: try reader.readBool("granted"))
            if isVersion2 { try response.decodeRest(from: &reader) }
            self = kind == .voteResponse ? .voteResponse(response) : .preVoteResponse(response)
        case .appendRequest: self = .appendRequest(try AppendRequest(from: &reader, isVersion2))
        case .appendResponse: self = .appendResponse(try AppendResponse(from: &reader, isVersion2))
        case .readIndexRequest: self = .readIndexRequest(context: try reader.readUInt64("context"))
        case .readIndexResponse:
            let context = try reader.readUInt64("context")
            let index = try reader.readBool("has an index") ? LogIndex(try reader.readUInt64("index")) : nil
            self = .readIndexResponse(context: context, index: index)
        case .timeoutNow: self = .timeoutNow
        }
    }
}

extension VoteRequest {
    fileprivate func encodeRest(into writer: inout ByteWriter) {
        writer.write(isTransfer)
        writer.write(configurationIndex.rawValue)
        writer.write(sentAt)
    }

    fileprivate mutating func decodeRest(from reader: inout ByteReader) throws(MalformedBytes) {
        isTransfer = try reader.readBool("transfer")
        configurationIndex = LogIndex(try reader.readUInt64("index of the configuration"))
        sentAt = try reader.readUInt64("time of sending")
    }
}

extension VoteResponse {
    fileprivate func encodeRest(into writer: inout ByteWriter) {
        writer.write(sentAt)
        writer.write(newerConfiguration != nil)
        guard let newerConfiguration else { return }
        writer.write(newerConfiguration.index.rawValue)
        newerConfiguration.configuration.encode(into: &writer)
    }

    fileprivate mutating func decodeRest(from reader: inout ByteReader) throws(MalformedBytes) {
        sentAt = try reader.readUInt64("time of sending")
        guard try reader.readBool("has a configuration") else { return }
        let index = LogIndex(try reader.readUInt64("index of the configuration"))
        newerConfiguration = PlacedConfiguration(index: index, configuration: try Configuration(from: &reader))
    }
}

extension AppendRequest {
    fileprivate func encode(into writer: inout ByteWriter, _ isVersion2: Bool) {
        writer.write(previousIndex.rawValue)
        writer.write(previousTerm.rawValue)
        writer.write(commit.rawValue)
        writer.write(readRound)
        writer.write(sentAt)
        if isVersion2 { writer.write(electionTimeoutMilliseconds) }
        writer.writeVarint(UInt64(entries.count))
        for entry in entries {
            // The index is not written: entries follow each other behind `previousIndex`.
            writer.write(entry.kind.rawValue)
            writer.write(entry.term.rawValue)
            writer.writePrefixed(entry.payload)
        }
    }

    fileprivate init(from reader: inout ByteReader, _ isVersion2: Bool) throws(MalformedBytes) {
        previousIndex = LogIndex(try reader.readUInt64("previous index"))
        previousTerm = Term(try reader.readUInt64("previous term"))
        commit = LogIndex(try reader.readUInt64("commit index"))
        readRound = try reader.readUInt64("read round")
        sentAt = try reader.readUInt64("time of sending")
        electionTimeoutMilliseconds = isVersion2 ? try reader.readUInt32("election timeout") : 0
        let start = reader.offset
        let count = try reader.readCount(of: "entries", minimumBytes: AppendRequest.minimumEntryBytes)
        guard UInt64.max - previousIndex.rawValue >= UInt64(count) else {
            throw MalformedBytes("indices of entries exceed 64 bits", at: start)
        }
        entries = []
        entries.reserveCapacity(count)
        var index = previousIndex
        for _ in 0..<count {
            guard let kind = Entry.Kind(rawValue: try reader.readByte("entry kind")) else {
                throw MalformedBytes("entry kind", at: reader.offset - 1)
            }
            index = index.next
            let term = Term(try reader.readUInt64("entry term"))
            let payload = try reader.readPrefixedArray("entry payload")
            entries.append(Entry(index: index, term: term, kind: kind, payload: payload))
        }
    }

    /// Kind, term and a length of one byte.
    private static let minimumEntryBytes = 10
}

extension AppendResponse {
    private enum Kind: UInt8 {
        case accepted = 1
        case rejected = 2
        case alive = 3
    }

    fileprivate func encode(into writer: inout ByteWriter, _ isVersion2: Bool) {
        writer.write(readRound)
        writer.write(sentAt)
        if isVersion2 { writer.write(waitedForDisk) }
        switch result {
        case .accepted(let match):
            writer.write(Kind.accepted.rawValue)
            writer.write(match.rawValue)
        case .rejected(let previous, let hintIndex, let hintTerm):
            writer.write(Kind.rejected.rawValue)
            writer.write(previous.rawValue)
            writer.write(hintIndex.rawValue)
            writer.write(hintTerm.rawValue)
        case .alive: writer.write(Kind.alive.rawValue)
        }
    }

    fileprivate init(from reader: inout ByteReader, _ isVersion2: Bool) throws(MalformedBytes) {
        readRound = try reader.readUInt64("read round")
        sentAt = try reader.readUInt64("time of sending")
        waitedForDisk = isVersion2 ? try reader.readBool("waited for the disk") : false
        guard let kind = Kind(rawValue: try reader.readByte("append result")) else {
            throw MalformedBytes("append result", at: reader.offset - 1)
        }
        switch kind {
        case .accepted: result = .accepted(match: LogIndex(try reader.readUInt64("match index")))
        case .rejected:
            let previous = LogIndex(try reader.readUInt64("previous index"))
            let hint = LogIndex(try reader.readUInt64("hint index"))
            let term = Term(try reader.readUInt64("hint term"))
            result = .rejected(previousIndex: previous, hintIndex: hint, hintTerm: term)
        case .alive: result = .alive
        }
    }
}
