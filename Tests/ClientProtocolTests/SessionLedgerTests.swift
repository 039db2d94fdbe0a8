import ClientProtocol
import Testing
import TupleSpace

@Suite("The session ledger")
struct SessionLedgerTests {
    private func ledger() -> SessionLedger { SessionLedger(session: SessionID(1)) }

    @Test("with one command at a time the floor says everything")
    func oneAtATime() {
        var ledger = ledger()
        for sequence in UInt64(1)...100 {
            let ticket = ledger.begin()
            #expect(ticket == .init(sequence: sequence, acknowledgedBelow: sequence, acknowledged: []))
            ledger.answered(sequence)
            ledger.acknowledge(sequence)
        }
        #expect(ledger.unacknowledgedCount == 0)
    }

    @Test("behind a command that waits, single numbers are told once")
    func singles() {
        var ledger = ledger()
        for _ in 1...4 { _ = ledger.begin() }
        ledger.acknowledge(3)
        ledger.acknowledge(2)
        #expect(ledger.begin() == .init(sequence: 5, acknowledgedBelow: 1, acknowledged: [2, 3]))
        #expect(ledger.begin().acknowledged.isEmpty)
        ledger.acknowledge(1)
        #expect(ledger.begin() == .init(sequence: 7, acknowledgedBelow: 4, acknowledged: []))
    }

    @Test("what a command told that was given up is told again, unless the floor has passed it")
    func abandoned() {
        var ledger = ledger()
        for _ in 1...3 { _ = ledger.begin() }
        ledger.acknowledge(2)
        ledger.acknowledge(3)
        let carrier = ledger.begin()
        #expect(carrier.acknowledged == [2, 3])
        ledger.abandoned(carrier.sequence)
        #expect(ledger.begin().acknowledged == [2, 3])
        ledger.answered(5)
        ledger.abandoned(5)
        #expect(ledger.begin().acknowledged.isEmpty, "its answer had come")
    }

    @Test("the window is full at its limit, and acknowledging makes room")
    func window() {
        var ledger = ledger()
        for _ in 0..<Limits.sessionWindow {
            #expect(!ledger.isFull)
            _ = ledger.begin()
        }
        #expect(ledger.isFull)
        ledger.acknowledge(100)
        #expect(!ledger.isFull)
    }

    @Test("numbers never given out cannot be acknowledged")
    func unknown() {
        var ledger = ledger()
        _ = ledger.begin()
        ledger.acknowledge(2)
        ledger.acknowledge(0)
        ledger.acknowledge(.max)
        #expect(ledger.floor == 1 && ledger.unacknowledgedCount == 1)
    }

    /// What a server knows of acknowledgements, by the simplest means.
    private struct Server {
        var below: UInt64 = 0
        var single: Set<UInt64> = []
        mutating func hear(_ ticket: SessionLedger.Ticket) {
            below = max(below, ticket.acknowledgedBelow)
            single.formUnion(ticket.acknowledged)
        }
        func knows(_ sequence: UInt64) -> Bool { sequence < below || single.contains(sequence) }
    }

    @Test(
        "whatever comes in whatever order, the server is told all that was acknowledged and nothing else",
        arguments: 0..<50)
    func properties(seed: Int) {
        var chance = SeededGenerator(seed: UInt64(seed))
        var ledger = ledger()
        var server = Server()
        var acknowledged: Set<UInt64> = []
        var inFlight: [SessionLedger.Ticket] = []
        for _ in 0..<2_000 {
            switch Int.random(in: 0..<5, using: &chance) {
            case 0, 1:
                guard !ledger.isFull else { continue }
                let ticket = ledger.begin()
                #expect(ticket.acknowledged.count <= SessionLedger.singlesPerCommand)
                #expect(ticket.acknowledged == ticket.acknowledged.sorted())
                #expect(ticket.acknowledged.allSatisfy { acknowledged.contains($0) && $0 >= ticket.acknowledgedBelow })
                #expect((1..<ticket.acknowledgedBelow).allSatisfy { acknowledged.contains($0) })
                inFlight.append(ticket)
            case 2:
                guard let ticket = inFlight.randomElement(using: &chance) else { continue }
                inFlight.removeAll { $0 == ticket }
                server.hear(ticket)
                ledger.answered(ticket.sequence)
            case 3:
                guard !inFlight.isEmpty, Int.random(in: 0..<8, using: &chance) == 0 else { continue }
                ledger.abandoned(inFlight.removeFirst().sequence)
            default:
                let sequence = UInt64.random(in: 1...ledger.nextSequence, using: &chance)
                if sequence < ledger.nextSequence { acknowledged.insert(sequence) }
                ledger.acknowledge(sequence)
            }
            #expect(ledger.unacknowledgedCount == Int(ledger.nextSequence) - 1 - acknowledged.count)
        }
        settle(&ledger, &server, inFlight)
        for sequence in 1..<ledger.nextSequence {
            #expect(ledger.isAcknowledged(sequence) == acknowledged.contains(sequence))
            #expect(server.knows(sequence) == acknowledged.contains(sequence))
        }
    }

    /// All arrives, and enough further commands to tell the rest.
    private func settle(_ ledger: inout SessionLedger, _ server: inout Server, _ inFlight: [SessionLedger.Ticket]) {
        for ticket in inFlight { server.hear(ticket) }
        repeat { server.hear(ledger.begin()) } while ledger.hasUntoldSingles
    }
}
