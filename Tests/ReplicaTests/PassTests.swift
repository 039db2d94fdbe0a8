import ByteCoding
import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("What one pass does")
struct PassTests {
    @Test("A server that has much to catch up with applies a bounded amount in one pass, and all of it in the end")
    func boundedApply() {
        var world = World(1) { $0.appliedBytesPerPass = 200 }
        world.elect()
        world.open(0)
        for sequence in 1...50 {
            world.command(0, write(Int64(sequence)), UInt64(sequence))
            // Each an entry of its own.
            world.settle()
        }
        let all = world.servers[0].replica.machine.appliedIndex
        world.crash(0)
        world.restart(0)
        var most: UInt64 = 0
        for _ in 0..<500 where world.servers[0].replica.machine.appliedIndex < all {
            let before = world.servers[0].replica.machine.appliedIndex
            world.milliseconds += 10
            world.pass(0)
            world.sync(0)
            most = max(most, world.servers[0].replica.machine.appliedIndex - before)
        }
        #expect(world.servers[0].replica.machine.appliedIndex >= all)
        #expect(world.servers[0].replica.machine.tupleCount == 50)
        #expect(all > 50)
        #expect(most < 10, "200 bytes are a few entries, and not all \(all) of them")
    }

    @Test("Of forwarded commands that are cut short, miscounted or too long, the leader takes none")
    func damagedForwarding() {
        var world = World(3)
        let leader = world.elect()
        world.settle()
        let sender = NodeID(UInt64(world.followers[0] + 1))
        var writer = ByteWriter()
        PeerMessage.forward([[UInt8](repeating: 1, count: 40), [UInt8](repeating: 2, count: 40)]).encode(into: &writer)
        let whole = writer.take()
        var miscounted = whole
        miscounted[1] = 3
        let damaged = (1..<whole.count).map { Array(whole[..<$0]) } + [whole + [0], miscounted]
        for bytes in damaged {
            #expect(throws: MalformedBytes.self) {
                try bytes.withUnsafeBytes { try world.servers[leader].replica.receive($0, from: sender) }
            }
            #expect(world.servers[leader].replica.batch.isEmpty)
        }
        #expect(throws: Never.self) {
            try whole.withUnsafeBytes { try world.servers[leader].replica.receive($0, from: sender) }
        }
        #expect(world.servers[leader].replica.batch.commandCount == 2)
    }
}
