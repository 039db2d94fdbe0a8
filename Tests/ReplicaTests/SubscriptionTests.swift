import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Subscriptions")
struct SubscriptionTests {
    private func subscribe(
        _ world: inout World, _ i: Int, _ template: Template? = nil, after position: Position? = nil
    ) -> RequestToken {
        let token = world.token()
        world.pass(i) { $0.subscribe(token, space: "s", template: template, after: position) }
        return token
    }

    @Test("A subscriber is first told where it begins, then of what matches, in order")
    func live() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let all = subscribe(&world, follower)
        let two = subscribe(&world, follower, anything(2))
        #expect(world.servers[follower].batches[all]?.first?.events.isEmpty == true)
        for number in 1...3 { world.command(follower, write(Int64(number)), UInt64(number)) }
        world.settle()
        #expect(world.events(follower, all) == [1, 2, 3])
        #expect(world.events(follower, two) == [2])
    }

    @Test("One who resumes gets everything behind its position, page by page, without gap or repeat")
    func resume() {
        var world = World(1) { $0.eventsPerDelivery = 7 }
        world.elect()
        world.open(0)
        for number in 1...50 {
            world.command(0, write(Int64(number)), UInt64(number))
            if number % 9 == 0 { world.settle() }
        }
        world.settle()
        let first = subscribe(&world, 0, after: Position(index: 0, ordinal: 0))
        // More comes while it reads on.
        for number in 51...80 {
            world.command(0, write(Int64(number)), UInt64(number))
            world.settle()
        }
        world.run(milliseconds: 200)
        #expect(world.events(0, first) == (1...80).map { Int64($0) })
        for cut in [1, 4, 9] {
            let batches = world.servers[0].batches[first] ?? []
            let position = batches[min(cut, batches.count - 1)].position
            let seen = batches.prefix(min(cut, batches.count - 1) + 1).flatMap(\.events).count
            let again = subscribe(&world, 0, after: position)
            world.run(milliseconds: 200)
            #expect(world.events(0, again) == ((seen + 1)...80).map { Int64($0) })
        }
    }

    @Test("A position from a server that is further ahead repeats nothing")
    func fromTheFuture() {
        var world = World(1)
        world.elect()
        world.open(0)
        world.command(0, write(1), 1)
        world.settle()
        let last = world.servers[0].replica.appliedIndex.rawValue
        let token = subscribe(&world, 0, after: Position(index: last + 1, ordinal: 0))
        world.command(0, write(2), 2)
        world.settle()
        world.command(0, write(3), 3)
        world.settle()
        #expect(world.events(0, token) == [3], "event (last + 1).0 was seen elsewhere")
    }

    /// Subscribers with all kinds of templates come, go and resume elsewhere; each must have got what a look at every event says.
    @Test("Each gets exactly what matches, whoever else there is", arguments: 0..<12 as Range<UInt64>)
    func random(seed: UInt64) {
        struct Subscriber {
            var token: RequestToken
            var template: Template?
            var start: Position
            /// What it got under earlier tokens.
            var events: [Event] = []
        }
        var chance = SplitMix(seed: seed)
        var world = World(1) {
            $0.eventsPerDelivery = 5
            $0.subscriptionHeartbeatMilliseconds = 300
        }
        world.elect()
        world.open(0)
        func template(_ number: Int64) -> Template? {
            switch chance.next() % 4 {
            case 0: nil
            case 1: Template([.range(lower: .int(number), upper: .int(number + 2), open: true)])
            default: anything(number)
            }
        }
        func received(_ token: RequestToken) -> [Event] { (world.servers[0].batches[token] ?? []).flatMap(\.events) }
        var subscribers: [Subscriber] = []
        var sequence: UInt64 = 0
        for _ in 0..<150 {
            switch chance.next() % 10 {
            case 0...2:
                let wanted = template(Int64(chance.next() % 8))
                let start = world.servers[0].replica.position
                let token = subscribe(&world, 0, wanted, after: chance.next() % 2 == 0 ? start : nil)
                subscribers.append(Subscriber(token: token, template: wanted, start: start))
            case 3 where !subscribers.isEmpty:
                let place = Int(chance.next() % UInt64(subscribers.count))
                let old = subscribers[place]
                guard let position = world.servers[0].batches[old.token]?.last?.position else { continue }
                world.pass(0) { $0.forget(old.token) }
                subscribers[place].events += received(old.token)
                subscribers[place].token = subscribe(&world, 0, old.template, after: position)
            case 4: world.run(milliseconds: 100)
            case 5:
                sequence += 1
                world.command(0, take(.none, Int64(chance.next() % 8)), sequence)
            default:
                for _ in 0...chance.next() % 4 {
                    sequence += 1
                    world.command(0, write(Int64(chance.next() % 8)), sequence)
                }
                if chance.next() % 2 == 0 { world.settle() }
            }
        }
        world.run(milliseconds: 700)
        let start = world.servers[0].replica.machine.firstResumablePosition
        let all = world.servers[0].replica.machine.events(after: start, limit: .max) ?? []
        for subscriber in subscribers {
            let expected = all.filter { event in
                event.position > subscriber.start && (subscriber.template?.matches(event.tuple.tuple) ?? true)
            }
            #expect(subscriber.events + received(subscriber.token) == expected)
            #expect(world.servers[0].batches[subscriber.token]?.last?.position == world.servers[0].replica.position)
        }
        #expect(subscribers.count > 20 && all.count > 100)
    }

    @Test("One that is idle for longer than the ring remembers still goes on when the state is replaced")
    func idleBeyondTheRing() {
        var subscriptions = Subscriptions()
        let (token, later) = (RequestToken(1), Position(index: 90_000, ordinal: 0))
        subscriptions.insert(
            token,
            .init(
                filter: EventFilter(space: "s", template: anything(1)), space: "s", credential: .anonymous,
                position: Position(index: 1, ordinal: 0),
                isCatchingUp: false, toldAt: .zero))
        subscriptions.dispatched = Position(index: 80_000, ordinal: 3)
        subscriptions.restart(at: later)
        #expect(subscriptions[token]?.position == Position(index: 80_000, ordinal: 3))
        #expect(subscriptions[token]?.isCatchingUp == true && subscriptions.dispatched == later)
    }

    @Test("Idle subscribers are moved on by heartbeats")
    func heartbeats() {
        var world = World(1) { $0.subscriptionHeartbeatMilliseconds = 1_000 }
        world.elect()
        world.open(0)
        let token = subscribe(&world, 0, anything(99))
        let before = world.servers[0].batches[token]?.last?.position
        world.command(0, write(1), 1)
        world.settle()
        world.run(milliseconds: 1_500)
        let batches = world.servers[0].batches[token] ?? []
        #expect(batches.count >= 2 && batches.allSatisfy(\.events.isEmpty))
        #expect(batches.last.map { last in before.map { last.position > $0 } ?? false } == true)
    }

    @Test("One that has gone gets nothing more; order of tokens does not matter")
    func forgotten() {
        var world = World(1)
        world.elect()
        world.open(0)
        let tokens = [RequestToken(1 << 63 + 5), RequestToken(900), RequestToken(1 << 63 + 6), RequestToken(901)]
        for token in tokens { world.pass(0) { $0.subscribe(token, space: "s", template: nil, after: nil) } }
        world.pass(0) { $0.forget(tokens[0]) }
        world.pass(0) { $0.forget(tokens[1]) }
        world.command(0, write(1), 1)
        world.settle()
        #expect(tokens.map { world.events(0, $0) } == [[], [], [1], [1]])
        #expect(world.servers[0].replica.subscriptions.tokens == [tokens[3], tokens[2]])
    }

    @Test("Their number is bounded")
    func bounds() {
        var world = World(1) { $0.maximumSubscriptions = 2 }
        let tokens = (0..<3).map { _ in subscribe(&world, 0) }
        #expect(world.servers[0].ended[tokens[2]]?.code == .busy)
        #expect(world.servers[0].ended[tokens[1]] == nil)
    }
}
