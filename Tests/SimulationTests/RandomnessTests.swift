import Testing

@testable import Simulation

@Suite("Chance")
struct RandomnessTests {
    @Test("A seed gives the same numbers again, and another seed others")
    func repeats() {
        var a = SeededRandom(seed: 7)
        var b = SeededRandom(seed: 7)
        var c = SeededRandom(seed: 8)
        let first = (0..<100).map { _ in a.next() }
        #expect(first == (0..<100).map { _ in b.next() })
        #expect(first != (0..<100).map { _ in c.next() })
    }

    @Test("Numbers stay within their range and reach both ends")
    func ranges() {
        var random = SeededRandom(seed: 1)
        let numbers = (0..<1_000).map { _ in random.within(3...7) }
        #expect(Set(numbers) == [3, 4, 5, 6, 7])
        #expect((0..<1_000).allSatisfy { _ in (10...20).contains(random.skewed(10...20)) })
        #expect(random.below(0 as UInt64) == 0)
    }

    @Test("Events come by time, and in the order of planning at the same time")
    func eventQueue() {
        var queue = EventQueue<Int>()
        var random = SeededRandom(seed: 3)
        var planned: [(time: UInt64, event: Int)] = []
        for event in 0..<2_000 {
            let time = random.below(50 as UInt64)
            planned.append((time, event))
            queue.plan(event, at: time)
        }
        let expected = planned.sorted { ($0.time, $0.event) < ($1.time, $1.event) }.map(\.event)
        var seen: [Int] = []
        while let (_, event) = queue.pop() { seen.append(event) }
        #expect(seen == expected)
    }
}
