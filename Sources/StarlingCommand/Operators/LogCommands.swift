import ArgumentParser
import Gateways
import Raft
import WriteAheadLog

struct OperatorLogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Read a server's log.",
        subcommands: [LogInspectCommand.self, LogVerifyCommand.self])
}

/// The log of a directory, read whole.
private func inspectLog(_ directory: String) throws(Complaint) -> LogInspection {
    let path = try dataDirectory(directory)
    do throws(LogError) {
        return try LogInspection.inspect(path, files: PosixFileSystem())
    } catch {
        throw Complaint(.failed, error.description)
    }
}

struct LogInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show a log's last entry, term and vote, segments, and its records.",
        discussion: """
            The last line but the segments' is what to compare survivors by: the longest log is the one whose last \
            entry has the highest term and, among those, the highest index.

              starling operator log inspect data
            """)

    @Argument(help: ArgumentHelp("The server's data directory.", valueName: "directory"))
    var directory: String
    @Flag(help: "Show every record.")
    var records = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let log = try inspectLog(directory)
        if json {
            Terminal.line(log.json(records: records).text)
            return
        }
        for line in log.lines(records: records) { Terminal.line(line) }
    }
}

struct LogVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every checksum of a log; exits 1 if it is damaged.",
        discussion: """
              starling operator log verify data

            A torn tail is no damage: it is a write that was under way when the machine stopped.
            """)

    @Argument(help: ArgumentHelp("The server's data directory.", valueName: "directory"))
    var directory: String
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let log = try inspectLog(directory)
        json ? Terminal.line(log.json(records: false).text) : log.segmentLines.forEach { Terminal.line($0) }
        if let repair = log.pendingRepair, !json { Terminal.line("repair by its peers is pending: \(repair)") }
        guard !log.isDamaged else { throw Complaint(.failed, json ? "" : "the log in \(directory) is damaged") }
        if !json { Terminal.line("every batch of the log is sound, up to \(log.lastEntry)") }
    }
}

extension LogInspection {
    var lastEntry: String { "index \(lastIndex) of term \(lastTerm)" }

    func lines(records: Bool) -> [String] {
        var lines = [
            "server \(owner.name), node \(owner.node) of cluster \(owner.cluster)",
            "last entry: \(lastEntry)",
            "term \(hardState.term), " + (hardState.vote.map { "voted for node \($0)" } ?? "no vote"),
            snapshot.index.rawValue == 0 ? "no snapshot is marked" : "marked: \(snapshot)",
        ]
        if let pendingRepair { lines.append("repair by its peers is pending: \(pendingRepair)") }
        guard records else { return lines + segmentLines }
        for segment in segments {
            lines.append("\(segment.file): \(segment.verdict)")
            lines += segment.records.map { "  \($0)" }
        }
        return lines
    }

    var segmentLines: [String] {
        var table = Table(
            ("segment", .left), ("batches from", .right), ("records", .right), ("end", .right), ("verdict", .left))
        for segment in segments {
            table.add(
                segment.file, "\(segment.firstBatch)", "\(segment.records.count)", "\(segment.end)", segment.verdict)
        }
        return table.lines
    }

    func json(records: Bool) -> JSON {
        .object([
            .init("server", .string(owner.name)), .init("node", .string(owner.node.description)),
            .init("cluster", .string(owner.cluster.description)),
            .init("last_index", .number(lastIndex.rawValue)), .init("last_term", .number(lastTerm.rawValue)),
            .init("term", .number(hardState.term.rawValue)),
            .init("vote", hardState.vote.map { .string($0.description) } ?? .null),
            .init("snapshot_index", .number(snapshot.index.rawValue)),
            .init("pending_repair", pendingRepair.map { .string($0) } ?? .null),
            .init("damaged", .bool(isDamaged)),
            .init("segments", .array(segments.map { $0.json(records: records) })),
        ])
    }
}

extension LogInspection.Segment {
    fileprivate func json(records showsRecords: Bool) -> JSON {
        var members: [JSON.Member] = [
            .init("file", .string(file)), .init("first_batch", .number(firstBatch)),
            .init("end", .number(UInt64(end))), .init("verdict", .string(verdict)),
        ]
        guard showsRecords else {
            return .object(members + [.init("records", .number(UInt64(records.count)))])
        }
        let records = records.map { record in
            JSON.object([
                .init("offset", .number(UInt64(record.offset))), .init("batch", .number(record.batch)),
                .init("kind", .string(record.kind)), .init("index", .number(record.index)),
                .init("term", .number(record.term)), .init("payload_bytes", .number(UInt64(record.payloadBytes))),
            ])
        }
        members.append(.init("records", .array(records)))
        return .object(members)
    }
}

extension JSON {
    /// What does not fit JSON's integers is not a count of ours.
    static func number(_ value: UInt64) -> JSON { .int(Int64(clamping: value)) }
}
