import StarlingClient
import Testing

@Suite("Finding typed tuples", .timeLimit(.minutes(1)))
struct FindingTests {
    enum Kind: String, FieldValue { case resize, crop }

    @Test("what was written comes back with the types of the template", arguments: Place.allCases)
    func types(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            try await space.write(Kind.resize, 5, 2.5, true, [1, 2] as [UInt8], "img/cat", Value.list([.null]))
            let found: (Kind, Int, Double, Bool, [UInt8], String, Value)? = try await space.read(
                .any(Kind.self), .any(Int.self), .any(Double.self), .any(Bool.self), .any([UInt8].self),
                .any(String.self), .any)
            let (kind, int, double, bool, bytes, text, value) = try #require(found)
            #expect(kind == .resize && int == 5 && double == 2.5 && bool)
            #expect(bytes == [1, 2] && text == "img/cat" && value == .list([.null]))

            let literal = try await space.read(
                "resize", 4...6, 2.0..<3.0, true, .any, .prefix("img/"), Value.list([.null]))
            #expect(literal?.1 == 5 && literal?.5 == "img/cat")
            #expect(try await space.read(.any, 1..<5, .any, .any, .any, .any, .any) == nil)
            #expect(try await space.count(.any, .any, .any, .any, .any, .regex("^img/[a-z]+$"), .any) == 1)
            #expect(try await space.count(.any, .any, .any, .any, .any, .regex("dog"), .any) == 0)
            #expect(try await space.count(.any, .any, .any(Int.self), .any, .any, .any, .any) == 0)
        }
    }

    @Test("a template of one field gives that field")
    func single() async throws {
        let space = InMemoryTupleStore().space("s")
        try await space.write(7)
        let found: Int? = try await space.take(.any(Int.self))
        #expect(found == 7)
    }

    @Test("numbers are one kind: ints come as doubles, doubles without a fraction as ints")
    func numbers() async throws {
        let space = InMemoryTupleStore().space("s")
        try await space.write(5)
        let read: Double? = try await space.read(.any(Double.self))
        let taken: Double? = try await space.take(4.5...5.5)
        #expect(read == 5 && taken == 5)
        try await space.write(5.0)
        let literal: Int? = try await space.read(5)
        let int: Int? = try await space.read(.any(Int.self))
        #expect(literal == 5 && int == nil)
    }

    @Test("what has none of the template's types is named, and stays", arguments: Place.allCases)
    func wrongTypes(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let id = try await space.write("size", 2.5).id
            let problem = "field 2 of tuple \(id) in \"jobs\" is double(2.5), which is no Int"
            let read = await #expect(throws: Failure.self) { try await space.read("size", 1...5) }
            #expect(read == Failure(.invalidTuple, problem))
            let taken = await #expect(throws: Failure.self) { try await space.take("size", 1...5) }
            #expect(taken == Failure(.invalidTuple, problem))
            #expect(try await space.take("size", 1.0...5.0)?.1 == 2.5)

            try await space.write("rotate")
            let unknown = await #expect(throws: Failure.self) { try await space.take(.any(Kind.self)) }
            #expect(unknown?.message.contains("is string(\"rotate\"), which is no Kind") == true)
        }
    }

    @Test("a page keeps apart what has none of the template's types, so that nothing is lost by taking it")
    func others() async throws {
        let space = InMemoryTupleStore().space("s")
        try await space.write("crop")
        try await space.write("rotate")
        let read = try await space.readAll(.any(Kind.self))
        #expect(read.map(\.fields) == [.crop] && read.others.map(\.tuple) == [Tuple([.string("rotate")])])
        let taken = try await space.takeAll(.any(Kind.self))
        #expect(taken.map(\.fields) == [.crop] && taken.others == read.others)
        #expect(try await space.count(.any) == 0)
    }

    @Test("a template that cannot be is refused with the reason", arguments: Place.allCases)
    func refusals(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            let regex = await #expect(throws: Failure.self) { try await space.read(.regex("(")) }
            #expect(regex?.code == .invalidTemplate)
            let empty = await #expect(throws: Failure.self) { try await space.take() }
            #expect(empty?.message == "A template has 1 to 64 fields, and this one has 0.")
            let name = await #expect(throws: Failure.self) { try await space.store.space("").write(1) }
            #expect(name?.code == .invalidSpace)
            let long = await #expect(throws: Failure.self) { try await space.take(1, timeout: .seconds(.infinity)) }
            #expect(long?.message.contains("2592000000") == true, "\(long?.message ?? "")")
        }
    }

    @Test("pages go on behind one another, in either order", arguments: Place.allCases)
    func pages(_ place: Place) async throws {
        try await place.withSpace { space, _ in
            for number in 1...5 { try await space.write("job", number) }
            for (order, expected) in [(Page.Order.oldest, [1, 2, 3, 4, 5]), (.newest, [5, 4, 3, 2, 1])] {
                var numbers: [Int] = []
                var last: TupleID?
                repeat {
                    let page = try await space.readAll("job", .any(Int.self), limit: 2, order: order, after: last)
                    numbers += page.map(\.fields.1)
                    last = page.next
                } while last != nil
                #expect(numbers == expected)
            }
            let taken = try await space.takeAll("job", 2...4, limit: 2, order: .newest)
            #expect(taken.map(\.fields.1) == [4, 3] && taken.next == taken.last?.id)
            #expect(try await space.count("job", .any) == 3)
        }
    }

    @Test("seconds are rounded to milliseconds, and never less than none")
    func seconds() {
        #expect(Timeout.seconds(1.5) == .milliseconds(1_500))
        #expect(Timeout.seconds(-1) == .none && Timeout.seconds(.nan) == .none)
    }
}
