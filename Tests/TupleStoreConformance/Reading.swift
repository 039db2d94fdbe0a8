import TupleSpace

extension TupleStoreConformance {
    static let readingChecks: [Check] = [
        Check(name: "events from where a read was go on right behind what it found") { suite, store, space in
            async let writing: Void = {
                for i in 1...150 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            }()
            // In the midst of the writes, whatever the server does at once with the read.
            var seen = 0
            while seen < 149 {
                let page = try await store.readAll(template(.any), from: space, page: Page(limit: 1_000))
                seen = page.tuples.count
                guard seen < 150 else { break }
                let events = try await store.events(matching: nil, in: space, after: page.position)
                let next = try await suite.events(1, from: events).first?.tuple.tuple
                try suite.require(next, equals: tuple(.int(Int64(seen + 1))), "the first event behind \(seen) tuples")
            }
            try await writing
        },
        Check(name: "pages go by order and cursor") { suite, store, space in
            for i in 1...7 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            let oldest = try await suite.pages(of: 3, .oldest, space, store)
            try suite.require(oldest, equals: [[1, 2, 3], [4, 5, 6], [7]], "the pages, oldest first")
            let newest = try await suite.pages(of: 3, .newest, space, store)
            try suite.require(newest, equals: [[7, 6, 5], [4, 3, 2], [1]], "the pages, newest first")
        },
        Check(name: "a reader sees its own writes") { suite, store, space in
            for i in 1...10 {
                let written = try await store.write(tuple(.int(Int64(i))), to: space, key: nil)
                for consistency in [Consistency.linearizable, .sequential(written.position)] {
                    let read = try await store.read(
                        template(number(Int64(i))), from: space, timeout: .none, consistency: consistency)
                    try suite.require(read.tuple?.id, equals: written.id, "what was read")
                    try suite.require(
                        read.position.index >= written.position.index,
                        "position \(read.position) is before the write's \(written.position)")
                }
            }
        },
        Check(name: "events come without gap or repeat, also when resumed") { suite, store, space in
            let first = try await store.write(tuple(.int(0)), to: space, key: nil)
            for i in 1...30 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            var numbers: [Value] = []
            var position = first.position
            // Each time from the middle of what was delivered before.
            while numbers.count < 30 {
                let stream = try await store.events(matching: template(.any), in: space, after: position)
                let part = try await suite.events(1, from: stream).prefix(4)
                numbers += part.map { $0.tuple.tuple.fields[0] }
                position = part.last?.position ?? position
            }
            try suite.require(numbers, equals: (1...30).map { Value.int($0) }, "the events")
        },
        Check(name: "events tell of writes, takes and returns that match") { suite, store, space in
            let stream = try await store.events(matching: template(text("yes")), in: space, after: nil)
            _ = try await store.write(tuple(.string("no")), to: space, key: nil)
            _ = try await store.write(tuple(.string("yes")), to: space, key: nil)
            let held = try await store.take(template(text("yes")), from: space, timeout: .none, key: nil)
            await held?.release()
            let kinds = try await suite.events(3, from: stream).map(\.kind)
            try suite.require(kinds, equals: [.write, .take, .giveBack], "the kinds of events")
        },
        Check(name: "events wait for what is not yet there") { suite, store, space in
            let stream = try await store.events(matching: nil, in: space, after: nil)
            async let events = suite.events(1, from: stream)
            let written = try await store.write(tuple(.int(1)), to: space, key: nil)
            try suite.require(try await events.first?.tuple.id, equals: written.id, "the event's tuple")
        },
    ]

    /// The numbers of single-field tuples, page by page.
    func pages(
        of limit: Int, _ order: Page.Order, _ space: String, _ store: any TupleStore
    ) async throws -> [[Int64]] {
        var pages: [[Int64]] = []
        var page = Page(limit: limit, order: order)
        while true {
            let (tuples, more, _) = try await store.readAll(
                template(.any), from: space, page: page, consistency: .linearizable)
            pages.append(
                tuples.map { stored in
                    if case .int(let number) = stored.tuple.fields[0] { number } else { -1 }
                })
            guard more, let last = tuples.last else { return pages }
            if order == .oldest { page.after = last.id } else { page.before = last.id }
        }
    }
}
