import ByteCoding
import Testing

@testable import TupleSpace

@Suite("The index of those who wait outside of the replicated state")
struct TemplateIndexTests {
    private static let spaces = ["s", "t", "e\u{301}", "\u{E9}"]

    private struct Source {
        var chance: SeededGenerator

        mutating func value() -> Value {
            switch chance.below(6) {
            case 0: .double(Double(chance.below(4)))
            case 1: .string(["a", "ab", "b"][chance.below(3)])
            case 2: .null
            case 3: .list([.int(Int64(chance.below(2)))])
            default: .int(Int64(chance.below(4)))
            }
        }

        mutating func field() -> TemplateField {
            switch chance.below(9) {
            case 0: .type(.number)
            case 1: .prefix("a")
            case 2: .range(lower: .int(1), upper: .int(2), open: false)
            case 3: .regex("^a.?$")
            case 4, 5: .any
            default: .literal(value())
            }
        }

        mutating func arity() -> Int { 1 + chance.below(3) }
        mutating func space() -> String { TemplateIndexTests.spaces[chance.below(spaces.count)] }

        mutating func template() -> Template? {
            chance.chance(10) ? nil : Template((0..<arity()).map { _ in field() })
        }

        mutating func event(_ number: UInt64) -> Event {
            Event(
                position: Position(index: number, ordinal: 0), kind: [.write, .take, .expire][chance.below(3)],
                space: space(),
                tuple: StoredTuple(id: TupleID(number), tuple: Tuple((0..<arity()).map { _ in value() })), caller: "ann"
            )
        }
    }

    /// Templates come and go; each event is compared with a look at every one of them.
    @Test("finds in ascending order whoever a look at each would find", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var source = Source(chance: SeededGenerator(seed: seed))
        var index = TemplateIndex<Int>()
        var naive: [Int: (space: String, template: Template?)] = [:]
        var matched = 0
        for number in 0..<1_500 {
            let key = source.chance.below(120)
            if source.chance.chance(25) {
                index.remove(key)
                naive[key] = nil
            } else {
                let (space, template) = (source.space(), source.template())
                index.insert(key, EventFilter(space: space, template: template))
                naive[key] = (space, template)
            }
            let event = source.event(UInt64(number + 1))
            let expected = naive.filter { _, wanted in
                wanted.space.hasSameUTF8(as: event.space) && (wanted.template?.matches(event.tuple.tuple) ?? true)
            }
            let found = withView(of: event) { index.matches($0) }
            #expect(found == expected.keys.sorted(), "seed \(seed), event \(event)")
            matched += found.count
        }
        #expect(index.count == naive.count && matched > 3_000)
    }

    @Test("An event does not look at those that cannot match, however many there are")
    func looksAtFew() {
        var index = TemplateIndex<Int>()
        for key in 0..<3_000 {
            index.insert(key, EventFilter(space: "s", template: Template(.literal(.int(Int64(key))), .any)))
            index.insert(10_000 + key, EventFilter(space: "other \(key)", template: nil))
            index.insert(
                20_000 + key, EventFilter(space: "s", template: Template(.any, .any, .literal(.int(Int64(key))))))
        }
        let tuple = Tuple(.int(5), .int(5))
        let event = Event(
            position: Position(index: 1, ordinal: 0), kind: .write, space: "s",
            tuple: StoredTuple(id: TupleID(1), tuple: tuple), caller: "")
        #expect(withView(of: event) { index.candidateCount(for: $0) } == 1)
        #expect(withView(of: event) { index.matches($0) } == [5])
    }

    @Test("An event is in the ring what it was")
    func views() {
        var source = Source(chance: SeededGenerator(seed: 7))
        for number in 1...200 {
            let event = source.event(UInt64(number))
            #expect(withView(of: event) { $0.event } == event)
        }
    }
}

private func withView<Result>(of event: Event, _ body: (EventView) -> Result) -> Result {
    var writer = ByteWriter()
    event.encode(into: &writer)
    return writer.bytes.withUnsafeBytes { body(EventView($0)) }
}
