import Cluster
import Foundation
import Glibc
import Raft
import WriteAheadLog
import ZeroMQ

/// The plan file, the operator's file and the client file of a recovered server. They are written before the recovery they belong to, and
/// found again if that is repeated.
struct RecoveryPlanFiles {
    let directory: String
    let server: Member
    /// That the server is of as yet.
    let present: ClusterID

    var planPath: String { "\(directory)/\(ClusterPlan.fileName(ofServer: server.name))" }
    var clientPath: String { "\(directory)/\(ClusterPlan.clientFileName)" }
    var operatorPath: String { "\(directory)/\(ClusterPlan.operatorFileName)" }

    /// What an earlier attempt wrote; nil if nothing.
    func read() throws(Complaint) -> ServerPlan? {
        guard access(planPath, F_OK) == 0 else { return nil }
        do throws(PlanError) {
            let plan = try ServerPlan.read(from: planPath)
            guard plan.name == server.name, plan.servers.count == 1 else {
                throw PlanError(planPath, "exists already, is not a recovered server's, and is not overwritten")
            }
            return plan
        } catch {
            throw Complaint(.failed, error.description)
        }
    }

    /// A new cluster's id, with the keys of `kept` or new ones.
    func make(keys kept: ServerPlan?) throws(Complaint) -> ServerPlan {
        let keys: CurveKeyPair
        if let kept {
            keys = kept.keys
        } else {
            do throws(ZeroMQError) {
                keys = try CurveKeyPair.generate()
            } catch {
                throw Complaint(.failed, "no key can be made: \(error)")
            }
        }
        let own = PlannedServer(
            name: server.name, peerAddress: server.peerAddress, clientAddress: server.clientAddress,
            httpAddress: server.httpAddress, publicKey: keys.publicKey)
        let key = try newOperator()
        return ServerPlan(
            cluster: key.cluster, name: server.name, keys: keys, servers: [own], operators: [key.keys.publicKey])
    }

    /// A new cluster has a new operator; its file is there before the plan, which says that all is there.
    private func newOperator() throws(Complaint) -> OperatorKey {
        do {
            if access(operatorPath, F_OK) == 0 {
                let key = try OperatorKey.read(from: operatorPath)
                guard key.cluster != present else {
                    throw Complaint(
                        .failed, "\(operatorPath) is of the present cluster: name another directory with --out")
                }
                return key
            }
            let key = OperatorKey(cluster: ClusterID(.random(in: 1 ... .max)), keys: try CurveKeyPair.generate())
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try publish(key.encoded(), operatorPath, mode: 0o600)
            return key
        } catch let complaint as Complaint {
            throw complaint
        } catch {
            throw Complaint(.failed, "\(error)")
        }
    }

    /// Each file whole or not at all, and on the disk; a file of the same contents may be there.
    func write(_ plan: ServerPlan) throws(Complaint) {
        let client = ClientPlan(
            cluster: plan.cluster,
            servers: plan.servers.map {
                .init(
                    name: $0.name, clientAddress: $0.clientAddress, httpAddress: $0.httpAddress, publicKey: $0.publicKey
                )
            })
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try publish(plan.encoded(), planPath, mode: 0o600)
            try publish(client.encoded(), clientPath, mode: 0o644)
        } catch let complaint as Complaint {
            throw complaint
        } catch {
            throw Complaint(.failed, "\(error)")
        }
    }

    private func publish(_ data: Data, _ path: String, mode: mode_t) throws {
        if let there = FileManager.default.contents(atPath: path) {
            guard there == data else { throw Complaint(.failed, "\(path) exists already, and is not overwritten") }
            return
        }
        let temporary = path + ".tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw Complaint(.failed, "\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try handle.write(contentsOf: data)
        try handle.synchronize()
        do throws(FileSystemError) {
            try PosixFileSystem().rename(temporary, to: path)
            try PosixFileSystem().syncDirectory(UserDirectories.parent(path))
        } catch {
            throw Complaint(.failed, error.description)
        }
    }
}
