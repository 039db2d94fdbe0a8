import ArgumentParser
import ClientProtocol
import Cluster
import Foundation
import Glibc
import Raft
import StarlingClient
import TupleSpace
import WriteAheadLog

struct SnapshotSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Save the state as a file, as a backup: of a cluster that runs, or of a data directory.",
        discussion: """
              starling operator snapshot save --out backup.snapshot --operator-file operator.json

            asks a server for a snapshot of all that it has applied, and fetches it over the clients' port. With a data \
            directory it copies the newest sound snapshot there, which may lack what is in the log behind it; the server \
            may run or not:

              starling operator snapshot save data --out backup.snapshot
            """)

    @Argument(
        help: ArgumentHelp(
            "A server's data directory, on this machine; without it a running server is asked.", valueName: "directory")
    )
    var directory: String?
    @Option(help: ArgumentHelp("The file to make.", valueName: "file"))
    var out: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let target = UserDirectories.expanded(out)
        guard access(target, F_OK) != 0 else {
            throw Complaint(.failed, "\(target) exists already, and is not overwritten")
        }
        if let directory {
            try copyNewest(of: directory, to: target)
        } else {
            try await fetch(to: target)
        }
    }

    private func copyNewest(of directory: String, to target: String) throws {
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
        try BackupFile(target).make { temporary in
            do {
                try FileManager.default.copyItem(atPath: newest.file, toPath: temporary)
            } catch {
                throw Complaint(.failed, "\(newest.file) cannot be copied to \(target): \(error.localizedDescription)")
            }
        }
        Terminal.line("\(newest.place) is in \(target)")
    }

    private func fetch(to target: String) async throws {
        try await connection.withClient(as: .operator) { client in
            var index: UInt64 = 0
            // Another server may have to go on, which has other snapshots: then all begins anew.
            for attempt in 1... {
                do throws(Failure) {
                    index = try await fetch(client, to: target)
                    break
                } catch {
                    guard error.code == .positionGone, attempt < 5 else { throw error }
                    Terminal.progress("begins anew: \(error.message)\n")
                }
            }
            Terminal.line("all up to log index \(index) is in \(target)")
        }
    }

    /// - Returns: the snapshot's log index.
    private func fetch(_ client: StarlingClient, to target: String) async throws(Failure) -> UInt64 {
        var piece = try await client.snapshotPiece(SnapshotPieceRequest())
        let bar = ProgressBar(
            "fetching a snapshot of \(Figures.grouped(Int(clamping: piece.total >> 10))) KiB",
            total: Int(clamping: piece.total))
        let backup = BackupFile(target)
        do {
            try backup.begin()
            var offset: UInt64 = 0
            while true {
                try backup.append(piece.bytes)
                offset += UInt64(piece.bytes.count)
                bar.show(Int(clamping: offset))
                guard offset < piece.total else { break }
                let next = try await client.snapshotPiece(
                    SnapshotPieceRequest(index: piece.index, term: piece.term, offset: offset))
                guard next.offset == offset, next.total == piece.total, !next.bytes.isEmpty else {
                    throw Failure(.malformed, "the server sent another piece than the one that was asked for")
                }
                piece = next
            }
            try backup.finish()
            bar.end()
            return piece.index
        } catch {
            backup.discard()
            if let failure = error as? Failure { throw failure }
            throw Failure(.diskFull, "\(error)")
        }
    }
}

/// A backup's file. It has its name only when it is whole and durable: a copy that was interrupted is no backup and in nobody's way.
final class BackupFile {
    private let target: String
    private var handle: FileHandle?
    private var temporary: String { target + ".tmp" }

    init(_ target: String) { self.target = target }

    /// - Parameter fill: makes the file of this name.
    func make(_ fill: (String) throws -> Void) throws {
        unlink(temporary)
        do {
            try fill(temporary)
            try finish()
        } catch {
            discard()
            throw error
        }
    }

    func begin() throws(Complaint) {
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Complaint(.failed, "\(target) cannot be made: \(String(cString: strerror(errno)))")
        }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func append(_ bytes: [UInt8]) throws(Complaint) {
        do {
            try handle?.write(contentsOf: Data(bytes))
        } catch {
            throw Complaint(.failed, "\(target) cannot be written: \(error.localizedDescription)")
        }
    }

    func finish() throws {
        let handle = try handle ?? FileHandle(forWritingTo: URL(fileURLWithPath: temporary))
        try handle.synchronize()
        try handle.close()
        self.handle = nil
        do throws(SnapshotRestorationError) {
            _ = try SnapshotRestoration(temporary, files: PosixFileSystem()).verify()
        } catch {
            throw Complaint(.failed, "the copy is not whole: \(error)")
        }
        do throws(FileSystemError) {
            try PosixFileSystem().rename(temporary, to: target)
            try PosixFileSystem().syncDirectory(UserDirectories.parent(target))
        } catch {
            throw Complaint(.failed, error.description)
        }
    }

    func discard() {
        try? handle?.close()
        handle = nil
        unlink(temporary)
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
