import ByteCoding
import Raft
import Testing
import ZeroMQ

@testable import Cluster

@Suite("The first start")
struct FirstStartTests {
    @Test("A server alone in its plan needs nobody")
    func single() throws {
        var world = FirstStartWorld(try makePlans(["a"]))
        world.heal(rounds: 1)
        #expect(world.servers[0].adopted == nil, "it holds the configuration before it finishes")
        world.step(0, .persisted)
        #expect(world.servers[0].adopted?.members.map(\.name) == ["a"])
    }

    @Test("Servers agree in whatever order they start, and not before the last has", arguments: [2, 3, 5])
    func anyOrder(_ count: Int) throws {
        let plans = try makePlans((0..<count).map { "s\($0)" })
        for rotation in 0..<count {
            var world = FirstStartWorld(plans)
            let order = (0..<count).map { ($0 * 2 + rotation) % count }
            for index in (Set(order).count == count ? order : Array(0..<count)) {
                #expect(world.servers.allSatisfy { $0.adopted == nil && $0.held == nil })
                world.servers[index].boot()
                var running = world
                running.sent = []
                for other in running.servers.indices where running.servers[other].machine != nil {
                    running.step(other, .tick(.zero))
                }
                world = running
                for (to, message) in world.sent where world.servers[to].machine != nil && index != order.last {
                    world.deliver(message, to: to)
                }
            }
            world.heal()
            #expect(world.violation == nil)
            #expect(world.servers.allSatisfy { $0.adopted != nil && $0.adopted == world.servers[0].adopted })
            #expect(world.servers[0].adopted?.members.map(\.id.rawValue) == (1...UInt64(count)).map { $0 })
        }
    }

    @Test("While one server is away nobody holds anything, and the operator is told whom all wait for")
    func oneAway() throws {
        var world = FirstStartWorld(try makePlans(["a", "b", "c"]))
        for index in 0..<2 { world.servers[index].boot() }
        for _ in 0..<5 {
            for index in 0..<2 { world.step(index, .tick(.zero)) }
            for (to, message) in world.sent where to < 2 { world.deliver(message, to: to) }
        }
        #expect(world.servers.allSatisfy { $0.held == nil && $0.storing == nil && $0.adopted == nil })
        #expect(world.servers[0].machine?.waitingFor.map(\.name) == ["c"])
    }

    @Test("A server wiped before the others know all ids takes part with its new one, once they have heard it")
    func earlyWipe() throws {
        var world = FirstStartWorld(try makePlans(["a", "b", "c"]))
        for index in 0..<3 { world.servers[index].boot() }
        world.step(2, .tick(.zero))
        for (to, message) in world.sent { world.deliver(message, to: to) }
        world.servers[2].wipe(newNode: 33)
        world.sent = []
        world.step(2, .tick(.zero))
        for (to, message) in world.sent { world.deliver(message, to: to) }
        world.heal()
        #expect(world.violation == nil)
        #expect(world.servers.allSatisfy { $0.adopted?[NodeID(33)]?.name == "c" })
    }

    @Test("A server wiped after the cluster began is told to join as a new one")
    func lateWipe() throws {
        var world = FirstStartWorld(try makePlans(["a", "b", "c"]))
        world.heal()
        world.servers[2].wipe(newNode: 33)
        world.heal()
        #expect(
            world.servers[2].refusal == .clusterWithoutUs("a") || world.servers[2].refusal == .clusterWithoutUs("b"))
        #expect(world.servers[2].refusal?.description.contains("starling cluster add") == true)
        #expect(world.servers[0].adopted != nil && world.violation == nil)
    }

    @Test("A server wiped while others hold the old configuration stops the start, and all say what to do")
    func wipeInBetween() throws {
        var world = FirstStartWorld(try makePlans(["a", "b", "c"]))
        for index in 0..<3 { world.servers[index].boot() }
        for index in 0..<3 { world.step(index, .tick(.zero)) }
        for (to, message) in world.sent where to == 0 { world.deliver(message, to: to) }
        world.step(0, .persisted)
        #expect(world.servers[0].held != nil && world.servers[1].held == nil)
        world.servers[2].wipe(newNode: 33)
        world.heal()
        #expect(world.servers.allSatisfy { $0.adopted == nil } && world.violation == nil)
        #expect(world.servers[2].refusal == .begunWithoutUs("a") || world.servers[2].refusal == .begunWithoutUs("b"))
    }

    @Test("Servers of two different plans do not start together")
    func mixedPlans() throws {
        let one = try makePlans(["a", "b"])
        var two = try makePlans(["a", "b"])
        two[1].servers[0].httpAddress = "elsewhere:1"
        var world = FirstStartWorld([one[0], two[1]])
        world.heal()
        let refusals = world.servers.compactMap(\.refusal)
        #expect(!refusals.isEmpty && refusals.allSatisfy { [.otherPlan("a"), .otherPlan("b")].contains($0) })
        #expect(world.servers.allSatisfy { $0.held == nil && $0.adopted == nil })
    }

    @Test("A copied data directory is recognised")
    func copiedDirectory() throws {
        let plans = try makePlans(["a", "b", "c"])
        var world = FirstStartWorld(plans)
        world.servers[2].node = NodeID(2)
        world.heal()
        #expect(world.servers.allSatisfy { $0.adopted == nil })
        #expect(world.servers.contains { $0.refusal == .sameNode("c", "b") || $0.refusal == .sameNode("b", "c") })
    }

    @Test("Who does not prove its name, or is not in the plan, is not listened to")
    func impostors() throws {
        let plans = try makePlans(["a", "b"])
        var server = FirstStartServer(plans[0], node: 1)
        server.boot()
        func message(_ name: String, _ node: UInt64) -> FirstStartMessage {
            FirstStartMessage(
                name: name, node: NodeID(node), plan: plans[0].digest, configuration: nil, isFinished: false, asks: true
            )
        }
        #expect(server.step(.message(message("b", 2), from: "c")).isEmpty)
        #expect(server.step(.message(message("z", 2), from: "z")).isEmpty)
        #expect(server.step(.message(message("a", 2), from: nil)).isEmpty)
        #expect(server.storing == nil && server.refusal == nil)
        #expect(server.step(.message(message("b", 2), from: "b")).map(\.to) == ["b"])
        #expect(server.storing != nil)
    }

    @Test("Messages survive encoding, and no cut or changed one traps")
    func encoding() throws {
        let plans = try makePlans(["a", "b"])
        let configuration = Configuration(members: [plans[0].own.member(id: NodeID(1))])
        for (held, finished) in [(nil, false), (configuration, false), (configuration, true)]
            as [(Configuration?, Bool)]
        {
            let message = FirstStartMessage(
                name: "a", node: NodeID(7), plan: 9, configuration: held, isFinished: finished, asks: !finished)
            var writer = ByteWriter()
            message.encode(into: &writer)
            let bytes = writer.bytes
            #expect(try bytes.withUnsafeBytes { try FirstStartMessage(decoding: $0) } == message)
            for length in bytes.indices {
                #expect(throws: MalformedBytes.self) {
                    try bytes.prefix(length).withUnsafeBytes { _ = try FirstStartMessage(decoding: $0) }
                }
            }
            for index in bytes.indices {
                for bit in 0..<8 {
                    var changed = bytes
                    changed[index] ^= 1 << bit
                    _ = changed.withUnsafeBytes { try? FirstStartMessage(decoding: $0) }
                }
            }
        }
    }
}
