import ArgumentParser
import Certificates
import Cluster
import Foundation
import ZeroMQ

struct CertCurveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "curve", abstract: "Make a CURVE key pair for one more operator of a cluster.",
        discussion: """
              starling cert curve --client-file plan/client.json --out ann.operator.json

            Ann gives the file to her commands as --operator-file and keeps it to herself. Each server takes her changes once \
            the public key, which this prints, is among the `operators` of its plan file and it has been started again.
            """)

    @Option(help: ArgumentHelp("The cluster's client file.", valueName: "file"))
    var clientFile: String
    @Option(help: ArgumentHelp("The file for the keys; it must not exist.", valueName: "file"))
    var out: String

    func run() throws {
        let plan = try ClientPlan.read(from: UserDirectories.expanded(clientFile))
        let key = OperatorKey(cluster: plan.cluster, keys: try CurveKeyPair.generate())
        let path = UserDirectories.expanded(out)
        let bytes = [UInt8](try key.encoded())
        do throws(NewFile.Failure) {
            try NewFile.make(path, bytes, mode: 0o600)
        } catch {
            throw Complaint(.failed, "\(path) \(error)")
        }
        Terminal.line("\(path): a key of cluster \(plan.cluster), with the public half")
        Terminal.line("  \(key.keys.publicKey)")
    }
}
