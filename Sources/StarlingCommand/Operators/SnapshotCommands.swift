import ArgumentParser
import Gateways
import Raft
import WriteAheadLog

struct OperatorSnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Inspect, save and restore a server's snapshots.",
        subcommands: [SnapshotInspectCommand.self, SnapshotSaveCommand.self, SnapshotRestoreCommand.self])
}

struct SnapshotInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show a server's snapshots and check every checksum; exits 1 if one is damaged.",
        discussion: "  starling operator snapshot inspect data")

    @Argument(help: ArgumentHelp("The server's data directory.", valueName: "directory"))
    var directory: String
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let path = try dataDirectory(directory)
        let snapshots: [SnapshotInspection]
        do throws(LogError) {
            snapshots = try SnapshotInspection.inspect(path, files: PosixFileSystem())
        } catch {
            throw Complaint(.failed, error.description)
        }
        json ? Terminal.line(JSON.array(snapshots.map(\.json)).text) : show(snapshots)
        guard snapshots.allSatisfy({ $0.problem == nil }) else {
            throw Complaint(.failed, json ? "" : "a snapshot in \(directory) is damaged")
        }
    }

    private func show(_ snapshots: [SnapshotInspection]) {
        guard !snapshots.isEmpty else {
            Terminal.line("there is no snapshot yet in \(directory)")
            return
        }
        for snapshot in snapshots {
            Terminal.line(
                "\(snapshot.file): \(snapshot.place), \(Figures.grouped(Int(clamping: snapshot.fileBytes))) bytes")
            let names = snapshot.members.map(\.name).joined(separator: ", ")
            Terminal.line("  " + (snapshot.problem ?? "sound; members \(names)"))
        }
    }
}

extension SnapshotInspection {
    fileprivate var json: JSON {
        .object([
            .init("file", .string(file)), .init("index", .number(place.index.rawValue)),
            .init("term", .number(place.term.rawValue)), .init("file_bytes", .number(fileBytes)),
            .init("payload_bytes", .number(payloadBytes)),
            .init("members", .array(members.map { .string($0.name) })),
            .init("made_by", node.map { .string($0.description) } ?? .null),
            .init("problem", problem.map { .string($0) } ?? .null),
        ])
    }
}
