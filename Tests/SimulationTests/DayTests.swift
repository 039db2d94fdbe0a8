import Raft
import Testing

@testable import Simulation

/// Whole days are on docs/simulation.md; here is a minute of one for each distance, with five failovers.
@Suite("Quiet days")
struct DayTests {
    @Test(
        "Nobody is elected without need, and a leader's death is over within the bound",
        arguments: [0.1, 20, 150, 300])
    func quiet(_ linkMilliseconds: Double) {
        let result = Simulator.day(linkMilliseconds: linkMilliseconds, hours: 0.02)
        #expect(result.holds, "\(result)")
        #expect(result.failoverMilliseconds.count == 5)
        #expect(result.events > 2_000)
    }

    @Test("A day in which something is violated does not hold")
    func canFail() {
        #expect(!Simulator.day(linkMilliseconds: 20, hours: 0.01, mutations: .commitWithoutMajority).holds)
    }
}
