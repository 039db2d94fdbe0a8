import Cluster
import Foundation
import Raft
import StarlingClient
import Synchronization
import TupleSpace
import WriteAheadLog
import ZeroMQ

/// A server that joins a running cluster: it makes its keys, learns whom to listen to, and asks to be added until it is.
struct Joining {
    /// Of the cluster, as `--join` names it.
    let address: ClusterAddress
    let log: ServerLog

    /// The cluster as one of its servers sees it.
    func report() async throws -> ClusterReport {
        let client = try address.client()
        do {
            let report = try await client.report()
            await client.close()
            return report
        } catch {
            await client.close()
            throw error
        }
    }

    /// Says to every member, again and again, that the server waits, until it is a member.
    func announce(_ server: Server, _ member: Member, keys: CurveKeyPair, to report: ClusterReport) async {
        let isEncrypted = address.endpoints.contains { $0.publicKey != nil }
        var settings = ClientSettings()
        settings.cluster = server.cluster.rawValue
        settings.operationTimeout = 2_000
        settings.keys = keys
        var clients: [StarlingClient] = []
        for other in report.members where other.node != server.node {
            let key = isEncrypted ? CurvePublicKey(z85: other.publicKey) : nil
            guard let endpoint = ServerEndpoint(other.client, publicKey: key), !isEncrypted || key != nil,
                let client = try? StarlingClient(servers: [endpoint], settings: settings)
            else { continue }
            clients.append(client)
        }
        await announce(server, member, clients)
        for client in clients { await client.close() }
    }

    private func announce(_ server: Server, _ member: Member, _ clients: [StarlingClient]) async {
        var told: Set<String> = []
        while !Task.isCancelled {
            if server.status.peers.contains(where: { $0.member.id == server.node }) {
                return log.say("server \(server.name) is a member of cluster \(server.cluster) now")
            }
            let refusals = await withTaskGroup(of: String?.self) { group in
                for client in clients {
                    group.addTask {
                        do throws(Failure) {
                            try await client.announce(member)
                            return nil
                        } catch {
                            // Who cannot be reached now is asked again.
                            return error.code == .noLeader || error.code == .outcomeUnknown ? nil : error.message
                        }
                    }
                }
                return await group.reduce(into: [String]()) { if let text = $1 { $0.append(text) } }
            }
            for refusal in refusals where told.insert(refusal).inserted {
                log.say(.warning, "this server cannot be added so: \(refusal)")
            }
            // Servers remember for ten seconds: a few may be lost.
            try? await Task.sleep(for: .seconds(1))
        }
    }
}

/// Where a server's plan comes from.
enum PlanSource {
    /// `--plan`, or the file that a server which joined keeps with its data.
    static func read(_ path: String, name: String) throws(Complaint) -> ServerPlan {
        let plan: ServerPlan
        do throws(PlanError) {
            plan = try ServerPlan.read(from: path)
        } catch {
            throw Complaint(.failed, "the plan is not usable: \(error)\n`starling cluster plan` makes plan files.")
        }
        guard plan.name == name else {
            throw Complaint(
                .wrongUsage,
                "the plan file \(path) is for server \(plan.name), and not for \(name): each server needs its own")
        }
        return plan
    }

    /// Of a server that joins and was told other addresses than the first time: those are the ones it asks to be added with.
    static func renew(_ path: String, _ settings: Settings, name: String) throws(Complaint) -> ServerPlan {
        var plan = try read(path, name: name)
        guard let i = plan.servers.firstIndex(where: { $0.name == name }) else { return plan }
        let before = plan
        if let peer = settings[.peer] { plan.servers[i].peerAddress = try reachable(peer, .peer, settings) }
        if let client = settings[.client] { plan.servers[i].clientAddress = try reachable(client, .client, settings) }
        if let http = settings[.http] { plan.servers[i].httpAddress = try reachable(http, .http, settings) }
        guard plan != before else { return plan }
        do throws(PlanError) {
            try plan.write(to: path)
        } catch {
            throw Complaint(.failed, error.description)
        }
        return plan
    }

    private static func reachable(_ address: String, _ setting: Setting, _ settings: Settings) throws(Complaint)
        -> String
    {
        guard let endpoint = Endpoint(address), endpoint.port > 0, endpoint.host != "*", endpoint.host != "0.0.0.0"
        else {
            throw Complaint(
                .wrongUsage,
                "\(settings.origin(of: setting)): \(address) is not HOST:PORT where the others can reach this server")
        }
        return address
    }

    static func pathOfJoined(_ data: String) -> String { LogDirectory<PosixFileSystem>.planFile(in: data) }

    /// Makes the keys of a server that joins, and its plan, which lists only itself.
    static func make(_ settings: Settings, name: String, data: String, _ report: ClusterReport) throws(Complaint)
        -> ServerPlan
    {
        guard PlannedServer.isValid(name: name) else {
            throw Complaint(
                .wrongUsage, "\(settings.origin(of: .name)): a name is 1 to 63 of a-z, 0-9 and -, and not \"\(name)\"")
        }
        guard let cluster = UInt64(report.clusterId, radix: 16), cluster != 0 else {
            throw Complaint(.failed, "the server says that its cluster is \"\(report.clusterId)\", which is no id")
        }
        var addresses: [String] = []
        for setting in [Setting.peer, .client, .http] {
            addresses.append(try reachable(try settings.required(setting), setting, settings))
        }
        do {
            let keys = try CurveKeyPair.generate()
            let own = PlannedServer(
                name: name, peerAddress: addresses[0], clientAddress: addresses[1], httpAddress: addresses[2],
                publicKey: keys.publicKey)
            let plan = ServerPlan(
                cluster: ClusterID(cluster), name: name, keys: keys, servers: [own],
                operators: report.operators.compactMap { CurvePublicKey(z85: $0) })
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let others = try FileManager.default.contentsOfDirectory(atPath: data)
            guard others.isEmpty else {
                throw Complaint(
                    .failed,
                    "the data directory \(data) is not empty, and holds no server that joined: \(others.sorted().prefix(3).joined(separator: ", "))"
                )
            }
            try plan.write(to: pathOfJoined(data))
            return plan
        } catch let complaint as Complaint {
            throw complaint
        } catch {
            throw Complaint(.failed, "the keys of server \(name) cannot be kept in \(data): \(error)")
        }
    }
}
