import TupleSpace

extension TupleStoreConformance {
    static let matchingChecks: [Check] = [
        Check(name: "size decides before all") { suite, store, space in
            _ = try await store.write(tuple(.int(1), .int(2)), to: space, key: nil)
            try await suite.expectCount(0, template(.any), space, store)
            try await suite.expectCount(1, template(.any, .any), space, store)
            try await suite.expectCount(0, template(.any, .any, .any), space, store)
        },
        Check(name: "types") { suite, store, space in
            let values: [Value] = [
                .null, .bool(true), .int(5), .double(5.5), .string("s"), .bytes([1]), .list([.int(1)]),
                .map([.init(key: "k", value: .int(1))]), .symbol("s"),
            ]
            for value in values { _ = try await store.write(tuple(value), to: space, key: nil) }
            for (type, count) in [
                (ValueType.string, 1), (.number, 2), (.int, 1), (.float, 1), (.bool, 1), (.bytes, 1), (.list, 1),
                (.map, 1),
                (.symbol, 1),
            ] as [(ValueType, UInt64)] {
                try await suite.expectCount(count, template(.type(type)), space, store)
            }
            for value in values { try await suite.expectCount(1, template(.literal(value)), space, store) }
            try await suite.expectCount(UInt64(values.count), template(.any), space, store)
        },
        Check(name: "ints and doubles compare exactly") { suite, store, space in
            _ = try await store.write(tuple(.int(5)), to: space, key: nil)
            _ = try await store.write(tuple(.int(9_007_199_254_740_993)), to: space, key: nil)
            _ = try await store.write(tuple(.double(-0.0)), to: space, key: nil)
            try await suite.expectCount(1, template(.literal(.double(5))), space, store)
            try await suite.expectCount(0, template(.literal(.double(9_007_199_254_740_992))), space, store)
            try await suite.expectCount(1, template(number(0)), space, store)
        },
        Check(name: "strings compare as bytes") { suite, store, space in
            // The same letter composed and decomposed.
            _ = try await store.write(tuple(.string("\u{E9}")), to: space, key: nil)
            try await suite.expectCount(1, template(text("\u{E9}")), space, store)
            try await suite.expectCount(0, template(text("e\u{301}")), space, store)
        },
        Check(name: "ranges") { suite, store, space in
            for i in 1...5 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            _ = try await store.write(tuple(.double(2.5)), to: space, key: nil)
            for word in ["a", "b", "ba", "c"] { _ = try await store.write(tuple(.string(word)), to: space, key: nil) }
            let range = { (lower: Value, upper: Value, open: Bool) in
                template(.range(lower: lower, upper: upper, open: open))
            }
            try await suite.expectCount(4, range(.int(2), .int(4), false), space, store)
            try await suite.expectCount(3, range(.int(2), .double(4), true), space, store)
            try await suite.expectCount(3, range(.string("b"), .string("c"), false), space, store)
            try await suite.expectCount(2, range(.string("b"), .string("c"), true), space, store)
            try await suite.expectCount(0, range(.int(4), .int(2), false), space, store)
        },
        Check(name: "prefixes") { suite, store, space in
            for word in ["lamp", "lampion", "la", "Lamp"] {
                _ = try await store.write(tuple(.string(word)), to: space, key: nil)
            }
            _ = try await store.write(tuple(.symbol("lamp")), to: space, key: nil)
            try await suite.expectCount(2, template(.prefix("lamp")), space, store)
            try await suite.expectCount(4, template(.prefix("")), space, store)
        },
        Check(name: "what is no tuple, template or space is refused") { suite, store, space in
            try await suite.expectFailure(.invalidTuple) { _ = try await store.write(Tuple([]), to: space, key: nil) }
            try await suite.expectFailure(.invalidTuple) {
                _ = try await store.write(tuple(.double(.nan)), to: space, key: nil)
            }
            try await suite.expectFailure(.tupleTooLarge) {
                _ = try await store.write(
                    tuple(.bytes([UInt8](repeating: 0, count: Limits.tupleBytes))), to: space, key: nil)
            }
            try await suite.expectFailure(.invalidTemplate) {
                _ = try await store.take(Template([]), from: space, timeout: .none, key: nil)
            }
            try await suite.expectFailure(.invalidSpace) {
                _ = try await store.write(tuple(.int(1)), to: "", key: nil)
            }
        },
    ]

    func expectCount(
        _ expected: UInt64, _ template: Template, _ space: String, _ store: any TupleStore
    ) async throws {
        let count = try await store.count(template, in: space, consistency: .linearizable).count
        try require(count, equals: expected, "the count of \(template.fields)")
    }
}
