import Raft
import Testing

@testable import Cluster

/// What can happen to servers in their first start, and how far a search goes.
private struct Search {
    enum Event {
        case tick(Int)
        case persisted(Int)
        /// The message at this place of the board, to this server.
        case deliver(Int, to: Int)
        case crash(Int)
        case wipe(Int)
    }

    struct State {
        var world: FirstStartWorld
        var crashes = 0
        var wipes = 0
    }

    var seen: Set<[UInt8]> = []
    var violations: [String] = []
    var stuck = 0

    /// Every order of events, each message delivered never, once or often, from every state that can be reached.
    mutating func explore(_ first: State, limit: Int) {
        var frontier = [first]
        seen.insert(fingerprint(first))
        while let state = frontier.popLast(), seen.count < limit, violations.isEmpty {
            for event in events(state) {
                let next = apply(event, to: state)
                if let violation = next.world.violation { violations.append(violation) }
                if seen.insert(fingerprint(next)).inserted { frontier.append(next) }
            }
            if first.wipes == 0, seen.count % 50 == 0 { checkHealing(state) }
        }
    }

    /// Without wipes, everybody finishes as soon as the network is good again.
    private mutating func checkHealing(_ state: State) {
        var world = state.world
        world.heal()
        if world.violation != nil || world.servers.contains(where: { $0.adopted == nil }) { stuck += 1 }
    }

    func events(_ state: State) -> [Event] {
        var events: [Event] = []
        for index in state.world.servers.indices {
            let server = state.world.servers[index]
            if server.refusal == nil, server.adopted == nil { events.append(.tick(index)) }
            if server.storing != nil { events.append(.persisted(index)) }
            if state.crashes > 0 { events.append(.crash(index)) }
            if state.wipes > 0 { events.append(.wipe(index)) }
        }
        for (position, sent) in state.world.sent.enumerated() {
            for (index, server) in state.world.servers.enumerated()
            where server.plan.name != sent.message.name && server.refusal == nil {
                events.append(.deliver(position, to: index))
            }
        }
        return events
    }

    func apply(_ event: Event, to state: State) -> State {
        var state = state
        switch event {
        case .tick(let index): state.world.step(index, .tick(.zero))
        case .persisted(let index): state.world.step(index, .persisted)
        case .deliver(let position, let index):
            state.world.deliver(state.world.sent[position].message, to: index)
        case .crash(let index):
            state.crashes -= 1
            state.world.servers[index].boot()
        case .wipe(let index):
            state.wipes -= 1
            state.world.servers[index].wipe(newNode: UInt64(index + 11))
        }
        pin(&state.world)
        return state
    }

    /// What was once said hangs on a board for everybody, and wants an answer: more than the machines do, which keeps the
    /// states few, since to whom and why something was said no longer tells them apart.
    private func pin(_ world: inout FirstStartWorld) {
        var board: [(to: Int, message: FirstStartMessage)] = []
        for (_, message) in world.sent {
            var message = message
            message.asks = true
            if !board.contains(where: { $0.message == message }) { board.append((0, message)) }
        }
        world.sent = board
    }

    /// Two states with the same bytes have the same future.
    func fingerprint(_ state: State) -> [UInt8] {
        var bytes = [UInt8(state.crashes), UInt8(state.wipes)]
        func add(_ configuration: Configuration?) {
            guard let configuration else { return bytes.append(0) }
            for member in configuration.members { bytes.append(UInt8(truncatingIfNeeded: member.id.rawValue)) }
        }
        for server in state.world.servers {
            bytes.append(UInt8(truncatingIfNeeded: server.node.rawValue))
            for configuration in [server.held, server.adopted, server.storing] {
                add(configuration)
                bytes.append(0xFF)
            }
            bytes.append(server.refusal == nil ? 0 : 1)
            for (node, configuration, isFinished) in server.machine?.known ?? [] {
                bytes.append(UInt8(truncatingIfNeeded: node.rawValue))
                add(configuration)
                bytes.append(isFinished ? 0xFE : 0xFF)
            }
            bytes.append(0xFD)
        }
        // The order in which messages were first sent is of no account: a set, as sorted bytes.
        var messages: [[UInt8]] = []
        for (_, message) in state.world.sent {
            var entry = [UInt8(truncatingIfNeeded: message.node.rawValue), message.isFinished ? 1 : 0]
            for member in message.configuration?.members ?? [] {
                entry.append(UInt8(truncatingIfNeeded: member.id.rawValue))
            }
            messages.append(entry)
        }
        for entry in messages.sorted(by: { $0.lexicographicallyPrecedes($1) }) { bytes += [0xFC] + entry }
        return bytes
    }
}

@Suite("Every interleaving of a first start")
struct FirstStartInterleavingTests {
    private func explore(_ names: [String], crashes: Int, wipes: Int, limit: Int) throws -> Search {
        var world = FirstStartWorld(try makePlans(names))
        for index in world.servers.indices { world.servers[index].boot() }
        var search = Search()
        search.explore(.init(world: world, crashes: crashes, wipes: wipes), limit: limit)
        #expect(search.violations.isEmpty)
        #expect(search.seen.count < limit, "the search has reached every state")
        return search
    }

    @Test("of two servers, with two crashes and a wipe: never two configurations")
    func two() throws {
        let search = try explore(["a", "b"], crashes: 2, wipes: 1, limit: 100_000)
        #expect(search.seen.count > 3000)
    }

    @Test("of three servers, with loss, repetition and reordering: agreement, and it always comes")
    func three() throws {
        let search = try explore(["a", "b", "c"], crashes: 0, wipes: 0, limit: 100_000)
        #expect(search.seen.count > 1000)
        #expect(search.stuck == 0)
    }

    @Test("of three servers, one of which may crash at any point: agreement, and it always comes")
    func threeWithCrash() throws {
        let search = try explore(["a", "b", "c"], crashes: 1, wipes: 0, limit: 100_000)
        #expect(search.stuck == 0 && search.seen.count > 3000)
    }
}
