import TupleSpace

/// What every `TupleStore` does, as functions that a test target calls with a way to make one.
///
/// Each check uses spaces of its own name, so that one store may serve them all. They wait for things to happen, never for time
/// to pass, but for the time-outs that are themselves in question.
public struct TupleStoreConformance: Sendable {
    /// What did not hold, in a sentence.
    public struct Violation: Error, CustomStringConvertible {
        public var description: String
    }

    /// Makes a store, or gives one that stands. It may have been used before.
    public typealias Factory = @Sendable () async throws -> any TupleStore

    public struct Check: Sendable, CustomStringConvertible {
        public var name: String
        var body: @Sendable (TupleStoreConformance, any TupleStore, String) async throws -> Void

        public var description: String { name }
    }

    private let factory: Factory
    /// Spaces begin with it, so that runs on one store do not meet.
    private let prefix: String

    public init(spacePrefix: String = "conformance", _ factory: @escaping Factory) {
        self.factory = factory
        prefix = spacePrefix
    }

    /// All checks, for a parameterized test.
    public static let checks: [Check] =
        matchingChecks + waitingChecks + takingChecks + readingChecks + changingChecks
        + reservingChecks + sessionChecks

    /// - Throws: a `Violation`, or what the store threw.
    public func run(_ check: Check) async throws {
        let store = try await factory()
        let space = prefix + " " + check.name
        try await check.body(self, store, String(space.prefix(120)))
    }

    // MARK: - For the checks

    func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
        if !condition { throw Violation(description: sentence()) }
    }

    func require<T: Equatable>(_ actual: T, equals expected: T, _ what: String) throws {
        if actual != expected { throw Violation(description: "\(what) is \(actual) and not \(expected)") }
    }

    func expectFailure(_ code: Failure.Code, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as Failure {
            return try require(failure.code, equals: code, "the failure")
        }
        throw Violation(description: "nothing failed where \(code.rawValue) should have")
    }

    /// Takes, and makes the take final.
    func takeForGood(
        _ template: Template, _ space: String, _ store: any TupleStore, timeout: Timeout = .none
    ) async throws -> StoredTuple? {
        let held = try await store.take(template, from: space, timeout: timeout, key: nil)
        await held?.acknowledge()
        return held?.stored
    }

    /// Asks again and again until it is so: for what happens a moment later elsewhere.
    func eventually(_ sentence: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Violation(description: "it never came about that " + sentence)
    }

    /// At least so many events.
    func events(_ count: Int, from stream: EventStream) async throws -> [Event] {
        var result: [Event] = []
        for try await batch in stream {
            result += batch.events
            if result.count >= count { break }
        }
        return result
    }
}

/// Shorter ways to say tuples and templates.
func tuple(_ fields: Value...) -> Tuple { Tuple(fields) }
func template(_ fields: TemplateField...) -> Template { Template(fields) }
func text(_ text: String) -> TemplateField { .literal(.string(text)) }
func number(_ number: Int64) -> TemplateField { .literal(.int(number)) }
