import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Feature levels")
struct FeatureLevelTests {
    private static let template = Template([.any])
    private static let leased = TupleSpace.Operation.writeLeased(
        space: "s", tuple: Tuple([.int(1)]), leaseMilliseconds: 5_000)
    private static let reserve = TupleSpace.Operation.reserve(
        space: "s", template: template, timeout: .none, reservationMilliseconds: 5_000)

    /// What came with a level, and who asks for it.
    private static let operations: [UInt32: [(TupleSpace.Operation, String)]] = [
        3: [
            leased, .statement(Statement([.init(.always)])),
            .take(space: "s", template: Template([.regex("a")]), timeout: .none, holds: false),
            .keyed(key: "k", digest: [], leased),
            .takeAll(space: "s", template: template, page: Page(limit: 1)),
            .renew(space: "s", id: TupleID(1), lease: .forever), .takeByID(space: "s", id: TupleID(1)),
            .replace(space: "s", id: TupleID(1), tuple: Tuple([.null])),
        ].map { ($0, "") },
        4: [
            reserve, .keyed(key: "r", digest: [], reserve), .reservation(ReservationID(1), .release),
            .leave([FailureTuple(Tuple([.int(1)]), to: "s")]), .setPolicy(space: "s", nil),
            .setToken(TokenRecord(digest: digest, user: "ann")), .removeToken(digest),
        ].map { ($0, "") } + [(write(1), "!"), (write(1), Credential.token(digest).text)],
    ]

    private static let digest: TokenDigest = {
        guard let digest = TokenDigest(sha256: [UInt8](repeating: 7, count: 32)) else { fatalError("32 bytes") }
        return digest
    }()

    /// Of session 0.
    private func commandsOfTheLeader(_ entry: Entry) -> Int {
        guard entry.kind == .command else { return 0 }
        var count = 0
        var rest = entry.payload.dropFirst(17)
        while rest.count > 12 {
            if rest.dropFirst(4).prefix(8).allSatisfy({ $0 == 0 }) { count += 1 }
            rest = rest.dropFirst(4 + rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) })
        }
        return count
    }

    private func levels(_ world: World) -> [UInt32] { world.servers.map(\.replica.machine.featureLevel) }

    @Test(
        "What an older program would not know is refused while there may be one, wherever it is asked, and taken afterwards",
        arguments: [2, 3, 4] as [UInt32])
    func refused(level: UInt32) {
        var world = World(3, featureLevel: level) { $0.raft.supportedFeatureLevel = level }
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(follower)
        var sequence: UInt64 = 0
        for (needed, operations) in Self.operations {
            for (operation, caller) in operations {
                for server in [leader, follower] {
                    sequence += 1
                    let token = world.command(server, operation, sequence, caller: caller)
                    world.settle()
                    #expect((world.failure(server, token) == .unsupported) == (level < needed), "\(operation)")
                    #expect(world.replyCount(server, token) == 1)
                    guard level < needed, case .failed(let failure)? = world.reply(server, token) else { continue }
                    #expect(failure.message.contains("feature level \(needed), and the cluster is at \(level)"))
                }
            }
        }
        // What both know goes on.
        let token = world.command(follower, write(5), 100)
        world.settle()
        #expect(world.written(follower, token) != nil)
    }

    @Test(
        "With the last old program gone the level rises by itself, the state machines hear of it, and what needs it is taken"
    )
    func upgrade() {
        var world = World(3, featureLevel: 3) { $0.raft.supportedFeatureLevel = 3 }
        world.elect()
        world.settings.raft.supportedFeatureLevel = 4
        world.open(0)
        for server in world.servers.indices {
            world.elect()
            let token = world.command(server, Self.reserve, UInt64(1 + server))
            world.settle()
            #expect(world.failure(server, token) == .unsupported)
            world.crash(server)
            world.run(milliseconds: 1_500)
            world.restart(server)
        }
        world.elect()
        world.run(milliseconds: 2_000)
        #expect(world.servers.allSatisfy { $0.replica.featureLevel == 4 })
        let token = world.command(world.followers[0], Self.reserve, 10)
        world.settle()
        #expect(world.reply(world.followers[0], token) == .noMatch)
        #expect(levels(world) == [4, 4, 4])
    }

    @Test("Every state machine is told level 4 with the first command, and lower ones never")
    func told() {
        for level: UInt32 in [3, 4] {
            var world = World(3, featureLevel: level) { $0.raft.supportedFeatureLevel = level }
            let leader = world.elect()
            #expect(levels(world) == [0, 0, 0])
            world.open(leader)
            #expect(levels(world) == (level < 4 ? [0, 0, 0] : [4, 4, 4]))
            // Once heard it is not said again.
            world.command(leader, write(1), 1)
            world.settle()
            #expect(world.servers[leader].entries.map(commandsOfTheLeader).reduce(0, +) == (level < 4 ? 0 : 1))
        }
    }

    @Test(
        "The bound on what a session keeps holds from the entry on that tells the level: with the first of that level's leader"
    )
    func keptReplies() {
        let big = TupleSpace.Operation.write(
            space: "s", tuple: Tuple([.bytes([UInt8](repeating: 1, count: 1_048_550))]))
        var world = World(1, featureLevel: 3) { $0.raft.supportedFeatureLevel = 3 }
        world.elect()
        for session: UInt64 in [1, 2] { world.open(0, session: session) }
        func keep(_ sequence: UInt64) -> Failure.Code? {
            world.command(0, big, session: 2, sequence, acknowledged: sequence)
            world.settle()
            let take = TupleSpace.Operation.take(space: "s", template: Self.template, timeout: .none, holds: false)
            let token = world.command(0, take, sequence)
            world.settle()
            return world.failure(0, token)
        }
        for sequence in 1...18 as ClosedRange<UInt64> { #expect(keep(sequence) == nil) }
        world.settings.raft.supportedFeatureLevel = 4
        world.crash(0)
        world.restart(0)
        world.elect()
        world.run(milliseconds: 1_000)
        #expect(world.servers[0].replica.featureLevel == 4)
        // The first entry, a write's, tells the level.
        #expect(keep(19) == .sessionWindowFull)
        #expect(levels(world) == [4])
        let token = world.command(0, .acknowledge, 100, acknowledged: 19)
        world.settle()
        #expect(world.reply(0, token) == .done)
        #expect(keep(20) == nil)
    }
}
