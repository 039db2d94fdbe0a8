import Foundation
import Raft
import Testing
import ZeroMQ

@testable import Cluster

@Suite("Plan files")
struct PlanTests {
    private let directory =
        FileManager.default.temporaryDirectory.path + "/starling-plan-\(UInt64.random(in: 0 ... .max))"

    @Test("A list of servers is read, with ports that follow from the first or are given")
    func placements() throws {
        #expect(
            try ServerPlacement.parse(list: "a=h:7440,b-2=10.0.0.2:1:2:3") == [
                ServerPlacement(name: "a", host: "h", peerPort: 7440, clientPort: 7460, httpPort: 7480),
                ServerPlacement(name: "b-2", host: "10.0.0.2", peerPort: 1, clientPort: 2, httpPort: 3),
            ])
        for wrong in [
            "", "a", "a=", "a=h", "a=h:0", "a=h:1:2", "A=h:1", "a=h:1,a=h:2", "a=h:1,", "a=h:65530", "a=:1", "a=h:x",
        ] {
            #expect(throws: PlanError.self, "\(wrong)") { try ServerPlacement.parse(list: wrong) }
        }
    }

    @Test("Two servers cannot have one address")
    func sameAddress() throws {
        let placements = try ServerPlacement.parse(list: "a=h:7440,b=h:7460")
        let error = #expect(throws: PlanError.self) { try ClusterPlan(placements) }
        #expect(error?.problem == "address h:7460 is there twice")
    }

    @Test("What is written is read again; secrets are readable by their owner only; nothing is overwritten")
    func files() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let plan = try ClusterPlan(try ServerPlacement.parse(list: "b=h:7441,a=h:7440"))
        let paths = try plan.write(to: directory)
        #expect(
            paths.map { ($0 as NSString).lastPathComponent } == [
                "b.plan.json", "a.plan.json", "operator.json", "client.json",
            ])
        for server in plan.servers {
            let path = "\(directory)/\(ClusterPlan.fileName(ofServer: server.name))"
            #expect(try ServerPlan.read(from: path) == server)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
        }
        let operatorFile = "\(directory)/operator.json"
        #expect(try OperatorKey.read(from: operatorFile) == plan.operatorKey)
        let mode = try FileManager.default.attributesOfItem(atPath: operatorFile)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        #expect(plan.servers.allSatisfy { $0.operators == [plan.operatorKey.keys.publicKey] })
        #expect(!"\(plan.operatorKey)".contains(plan.operatorKey.keys.secretZ85))
        #expect(try ClientPlan.read(from: "\(directory)/client.json") == plan.client)
        let client = try String(contentsOfFile: "\(directory)/client.json", encoding: .utf8)
        #expect(plan.servers.allSatisfy { !client.contains($0.keys.secretZ85) && !"\($0)".contains($0.keys.secretZ85) })
        #expect(Set(plan.servers.map(\.digest)).count == 1)
        #expect(throws: PlanError.self) { try plan.write(to: directory) }
    }

    @Test("A plan that is replaced can be read by whoever could read it before, and by nobody else")
    func replaced() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let plan = try ClusterPlan(try ServerPlacement.parse(list: "a=h:7440"))
        _ = try plan.write(to: directory)
        let path = "\(directory)/a.plan.json"
        func mode() throws -> Int? {
            (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
        }
        for wanted in [0o600, 0o640] {
            try FileManager.default.setAttributes([.posixPermissions: wanted], ofItemAtPath: path)
            try plan.servers[0].write(to: path)
            #expect(try mode() == wanted)
        }
        try plan.servers[0].write(to: directory + "/new.json")
        #expect(try ServerPlan.read(from: directory + "/new.json") == plan.servers[0])
        #expect(!FileManager.default.fileExists(atPath: path + ".tmp"))
    }

    @Test("Errors name the file, the field and what is expected")
    func errors() throws {
        let plan = try ClusterPlan(try ServerPlacement.parse(list: "a=h:7440")).servers[0]
        let text = String(decoding: try plan.encoded(), as: UTF8.self)
        func problem(_ old: String, _ new: String) -> String? {
            let changed = text.replacingOccurrences(of: old, with: new)
            #expect(changed != text)
            do {
                _ = try ServerPlan(decoding: Data(changed.utf8), file: "x.json")
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(problem("h:7440", "h") == "x.json, field servers[0].peer: expected HOST:PORT")
        #expect(problem("\"http\"", "\"htp\"") == "x.json, field servers[0].http: is missing")
        #expect(problem("\"version\" : 1", "\"version\" : \"1\"") == "x.json, field version: expected a whole number")
        #expect(
            problem("starling-server-plan", "other")?.hasPrefix("x.json, field format: expected starling-server-plan")
                == true)
        #expect(problem(plan.keys.secretZ85, "short")?.hasPrefix("x.json, field secretKey: expected 40") == true)
        #expect(problem(plan.cluster.description, "xyz")?.hasPrefix("x.json, field cluster: expected 16") == true)
        let syntax = try #require(problem("\"servers\" :", "\"servers\""))
        #expect(syntax.hasPrefix("x.json: expected JSON: ") && syntax.contains("line 10"), "\(syntax)")
    }
}
