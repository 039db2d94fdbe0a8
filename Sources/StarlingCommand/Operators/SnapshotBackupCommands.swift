import ArgumentParser
import Cluster
import Foundation
import Glibc
import Raft
import WriteAheadLog

struct SnapshotSaveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Copy a server's newest sound snapshot to a file, as a backup.",
        discussion: """
            The server may run meanwhile. What is in its log behind the snapshot is not in the backup.

              starling operator snapshot save data --out backup.snapshot
            """)

    @Argument(help: ArgumentHelp("The server's data directory.", valueName: "directory"))
    var directory: String
    @Option(help: ArgumentHelp("The file to make.", valueName: "file"))
    var out: String

    func run() throws {
        let path = try dataDirectory(directory)
        let snapshots: [SnapshotInspection]
        do throws(LogError) {
            snapshots = try SnapshotInspection.inspect(path, files: PosixFileSystem())
        } catch {
            throw Complaint(.failed, error.description)
        }
        guard let newest = snapshots.first(where: { $0.problem == nil }) else {
            throw Complaint(.notFound, "there is no sound snapshot in \(directory)")
        }
        let target = UserDirectories.expanded(out)
        guard access(target, F_OK) != 0 else {
            throw Complaint(.failed, "\(target) exists already, and is not overwritten")
        }
        try copy(newest.file, to: target)
        Terminal.line("\(newest.place) is in \(target)")
    }

    /// It has its name only when it is whole and durable: a copy that was interrupted is no backup and in nobody's way.
    private func copy(_ source: String, to target: String) throws {
        let temporary = target + ".tmp"
        unlink(temporary)
        do {
            try FileManager.default.copyItem(atPath: source, toPath: temporary)
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: temporary))
            try handle.synchronize()
            try handle.close()
        } catch {
            unlink(temporary)
            throw Complaint(.failed, "\(source) cannot be copied to \(target): \(error.localizedDescription)")
        }
        do throws(SnapshotRestorationError) {
            _ = try SnapshotRestoration(temporary, files: PosixFileSystem()).verify()
        } catch {
            unlink(temporary)
            throw Complaint(.failed, "the copy is not whole: \(error)")
        }
        do throws(FileSystemError) {
            try PosixFileSystem().rename(temporary, to: target)
            try PosixFileSystem().syncDirectory(UserDirectories.parent(target))
        } catch {
            throw Complaint(.failed, error.description)
        }
    }
}

struct SnapshotRestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Begin a new cluster of one server with a saved snapshot's state.",
        discussion: """
            The plan is that of a cluster of one; further servers are added as members.

              starling cluster plan --servers a=127.0.0.1:7440 --out plan
              starling operator snapshot restore backup.snapshot --data data --plan plan/a.plan.json
            """)

    @Argument(help: ArgumentHelp("The saved snapshot.", valueName: "file"))
    var file: String
    @Option(help: ArgumentHelp("The new server's data directory; made if need be.", valueName: "directory"))
    var data: String
    @Option(help: ArgumentHelp("The new server's plan file.", valueName: "file"))
    var plan: String

    func run() throws {
        let new = try ServerPlan.read(from: UserDirectories.expanded(plan))
        guard new.servers.count == 1 else {
            throw Complaint(.wrongUsage, "\(plan) lists \(new.servers.count) servers: restore needs the plan of one")
        }
        let path = UserDirectories.expanded(data)
        do throws(SnapshotRestorationError) {
            try SnapshotRestoration(UserDirectories.expanded(file), files: PosixFileSystem()).restore(
                to: path, cluster: new.cluster, own: new.own.member(id: NodeID(.random(in: 1 ... .max))),
                holder: "pid \(getpid()), operator snapshot restore")
        } catch {
            throw Complaint(.failed, error.description)
        }
        Terminal.line("\(path) holds the state of \(file), as server \(new.name) of cluster \(new.cluster).")
        Terminal.line("Start it: starling serve --data \(data) --name \(new.name) --plan \(plan)")
    }
}
