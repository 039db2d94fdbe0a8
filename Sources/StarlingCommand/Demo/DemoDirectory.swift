import Certificates
import Cluster
import Foundation

/// A demo's directory: `plan/` (made once), a data directory and a log file a server.
struct DemoDirectory: Sendable {
    let path: String

    static func standard() -> String { UserDirectories().data + "/demo" }

    var planDirectory: String { path + "/plan" }
    var clientFile: String { "\(planDirectory)/\(ClusterPlan.clientFileName)" }
    /// Nil in a demo from before there were operators.
    var operatorFile: String? {
        let path = "\(planDirectory)/\(ClusterPlan.operatorFileName)"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    func planFile(_ name: String) -> String { "\(planDirectory)/\(ClusterPlan.fileName(ofServer: name))" }
    func data(_ name: String) -> String { "\(path)/\(name)" }
    func log(_ name: String) -> String { "\(path)/\(name).log" }

    /// The last lines that a server said.
    func logTail(_ name: String, lines count: Int = 5) -> String {
        let bytes = FileManager.default.contents(atPath: log(name)) ?? Data()
        let lines = String(decoding: bytes.suffix(4_096), as: UTF8.self).split(separator: "\n").suffix(count)
        return lines.isEmpty ? "  (nothing)" : lines.map { "  " + $0 }.joined(separator: "\n")
    }

    /// The plan that is here, or a new one.
    /// - Parameters:
    ///   - servers: how many; nil: as many as the plan has, or 3.
    ///   - portBase: the first peers' port; nil: as the plan has it, or 7440.
    func plan(servers: Int?, portBase: Int?) throws(Complaint) -> (plan: ClientPlan, isNew: Bool) {
        do throws(PlanError) {
            if FileManager.default.fileExists(atPath: clientFile) {
                let plan = try ClientPlan.read(from: clientFile)
                try check(plan, servers, portBase)
                return (plan, false)
            }
            let base = portBase ?? 7440
            let placements = (0..<(servers ?? 3)).map { index in
                ServerPlacement(
                    name: String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index))), host: "127.0.0.1",
                    peerPort: UInt16(base + index))
            }
            let plan = try ClusterPlan(placements)
            try write(plan)
            return (plan.client, true)
        } catch {
            throw Complaint(.failed, error.description)
        }
    }

    /// All of its files or none: a plan that lacks one would be of no use.
    private func write(_ plan: ClusterPlan) throws(PlanError) {
        let draft = planDirectory + ".draft"
        let files = FileManager.default
        try? files.removeItem(atPath: draft)
        _ = try plan.write(to: draft)
        do {
            try files.moveItem(atPath: draft, toPath: planDirectory)
        } catch {
            throw PlanError(planDirectory, error.localizedDescription)
        }
    }

    /// Of an authority that only this demo knows; those that are there and valid are used again.
    func makeCertificates(_ plan: ClientPlan) throws(Complaint) {
        do throws(CertificateProblem) {
            let isThere = FileManager.default.fileExists(
                atPath: CertificateFiles.authorityKeyFile(in: planDirectory))
            let authority =
                try isThere
                ? CertificateAuthority(readFrom: planDirectory)
                : CertificateAuthority(named: "starling demo \(plan.cluster)", days: 3_650)
            if !isThere { _ = try authority.write(to: planDirectory) }
            for server in plan.servers {
                let files = CertificateFiles(inDirectory: planDirectory, ofServer: server.name)
                if (try? files.load(for: server.publicKey)) != nil { continue }
                try authority.issue(for: server.publicKey, named: server.name, hosts: ["127.0.0.1"], days: 365)
                    .write(to: files, authority: authority)
            }
        } catch {
            throw Complaint(.failed, error.description)
        }
    }

    private func check(_ plan: ClientPlan, _ servers: Int?, _ portBase: Int?) throws(PlanError) {
        if let servers, servers != plan.servers.count {
            throw PlanError(
                path,
                "holds a demo of \(plan.servers.count) servers, and not of \(servers); give another directory with "
                    + "--data"
            )
        }
        let first = plan.servers.map(\.clientAddress).min() ?? ""
        if let portBase, !first.hasSuffix(":\(portBase + 20)") {
            throw PlanError(
                path,
                "holds a demo whose first server has its clients at \(first), which --port-base \(portBase) cannot "
                    + "change; give another directory with --data"
            )
        }
    }
}
