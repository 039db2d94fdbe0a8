import Raft
import ZeroMQ

@testable import Cluster

/// Plans of one cluster, with keys that are not random, so that runs repeat.
func makePlans(_ names: [String], cluster: UInt64 = 0xC1) throws -> [ServerPlan] {
    let keys = try names.indices.map { index in
        guard let pair = CurveKeyPair(secretKey: [UInt8](repeating: UInt8(index + 1), count: 32)) else {
            throw GaveUp()
        }
        return pair
    }
    let servers = names.indices.map { index in
        PlannedServer(
            name: names[index], peerAddress: "h:\(index + 1)", clientAddress: "h:\(index + 101)",
            httpAddress: "h:\(index + 201)", publicKey: keys[index].publicKey)
    }
    return names.indices.map {
        ServerPlan(cluster: ClusterID(cluster), name: names[$0], keys: keys[$0], servers: servers)
    }
}

/// One server of a first start: the machine, its disk, and what became of it.
struct FirstStartServer {
    let plan: ServerPlan
    /// The disk.
    var node: NodeID
    var held: Configuration?
    var adopted: Configuration?
    /// The process.
    var machine: FirstStart?
    var storing: Configuration?
    var refusal: FirstStartRefusal?

    init(_ plan: ServerPlan, node: UInt64) {
        self.plan = plan
        self.node = NodeID(node)
    }

    /// The process starts, or starts again after a crash: what was not on the disk is gone.
    mutating func boot() {
        storing = nil
        refusal = nil
        machine = adopted == nil ? FirstStart(plan: plan, node: node, held: held, askEveryMilliseconds: 0) : nil
    }

    /// The disk is lost; with it the id.
    mutating func wipe(newNode: UInt64) {
        node = NodeID(newNode)
        held = nil
        adopted = nil
        boot()
    }

    /// - Returns: what it sends.
    mutating func step(_ input: FirstStart.Input) -> [(message: FirstStartMessage, to: String)] {
        guard refusal == nil else { return [] }
        if let adopted {
            guard case .message(let message, let from) = input else { return [] }
            let responder = FirstStartResponder(plan: plan, node: node, configuration: adopted)
            return responder.answer(to: message, from: from).map { [$0] } ?? []
        }
        if case .persisted = input {
            guard let configuration = storing else { return [] }
            held = configuration
            storing = nil
        }
        var effects: [FirstStart.Effect] = []
        machine?.step(input, into: &effects)
        var sent: [(message: FirstStartMessage, to: String)] = []
        for effect in effects {
            switch effect {
            case .send(let message, let name): sent.append((message, name))
            case .persist(let configuration): storing = configuration
            case .finished(let configuration): adopted = configuration
            case .refused(let reason): refusal = reason
            }
        }
        return sent
    }
}

/// A few servers and every message ever sent: any of them may arrive at any time, any number of times, or never.
struct FirstStartWorld {
    var servers: [FirstStartServer] = []
    /// Without repeats.
    var sent: [(to: Int, message: FirstStartMessage)] = []
    var violation: String?

    init(_ plans: [ServerPlan]) {
        for (index, plan) in plans.enumerated() { servers.append(FirstStartServer(plan, node: UInt64(index + 1))) }
    }

    mutating func step(_ index: Int, _ input: FirstStart.Input) {
        let before = servers[index]
        for (message, name) in servers[index].step(input) {
            guard let to = servers.firstIndex(where: { $0.plan.name == name }) else { continue }
            if let held = message.configuration, held != servers[index].held {
                violation = "\(before.plan.name) told of a configuration that is not on its disk"
            }
            if !sent.contains(where: { $0.to == to && $0.message == message }) { sent.append((to, message)) }
        }
        if let held = before.held, servers[index].held != held { violation = "\(before.plan.name) broke its word" }
        let adopted = servers.compactMap(\.adopted)
        if adopted.contains(where: { $0 != adopted[0] }) {
            violation = "two servers finished with different configurations"
        }
        for server in servers where server.adopted != nil && server.adopted?[server.node]?.name != server.plan.name {
            violation = "\(server.plan.name) adopted a configuration that does not name its id"
        }
    }

    mutating func deliver(_ message: FirstStartMessage, to index: Int) {
        step(index, .message(message, from: message.name))
    }

    /// Everybody is heard by everybody, again and again: what must come true now comes true.
    mutating func heal(rounds: Int = 6) {
        for index in servers.indices where servers[index].machine == nil && servers[index].adopted == nil {
            servers[index].boot()
        }
        for _ in 0..<rounds {
            // Only what is sent from now on: what was sent before may be lost.
            sent = []
            for index in servers.indices { step(index, .tick(.zero)) }
            var position = 0
            while position < sent.count {
                let (to, message) = sent[position]
                deliver(message, to: to)
                step(to, .persisted)
                position += 1
            }
        }
    }
}
