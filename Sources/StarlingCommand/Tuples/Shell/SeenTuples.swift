import Gateways
import Synchronization
import TupleSpace

/// What a shell has typed and shown, for completion. Bounded: the newest of each kind are kept.
final class SeenTuples: Sendable {
    private struct Field: Hashable {
        var space: String
        var index: Int
    }

    private struct State {
        var spaces: [String] = []
        var values: [Field: [String]] = [:]
        var ids: [String: [String]] = [:]
    }

    static let spaceLimit = 100
    /// Of a field of a space's tuples, and of a space's ids.
    static let valueLimit = 100
    /// Longer values are not worth a Tab.
    static let valueBytes = 200

    private let state = Mutex(State())

    var spaces: [String] { state.withLock { $0.spaces } }

    /// As JSON.
    func values(at field: Int, in space: String) -> [String] {
        state.withLock { $0.values[Field(space: space, index: field)] ?? [] }
    }

    func ids(in space: String) -> [String] { state.withLock { $0.ids[space] ?? [] } }

    /// Of the commands that follow.
    var space: String? { state.withLock { $0.spaces.last } }

    func use(_ space: String) {
        state.withLock { state in
            guard let gone = Self.note(space, in: &state.spaces, limit: Self.spaceLimit) else { return }
            state.ids[gone] = nil
            for index in 0..<Limits.fieldsPerTuple { state.values[Field(space: gone, index: index)] = nil }
        }
    }

    func note(_ stored: StoredTuple, in space: String) {
        note(stored.tuple.fields, in: space)
        state.withLock { state in
            _ = Self.note(stored.id.description, in: &state.ids[space, default: []], limit: Self.valueLimit)
        }
    }

    /// A tuple or a template that was typed; anything else is not noted.
    func note(typed text: String, in space: String) {
        guard let template = try? JSONText.template(text) else { return }
        let values = template.fields.map { field in
            if case .literal(let value) = field { value } else { Value.null }
        }
        note(values, in: space)
    }

    private func note(_ values: [Value], in space: String) {
        for (index, value) in values.enumerated() {
            let json = JSONText.json(value)
            switch json {
            case .null, .array, .object: continue
            case .bool, .int, .double, .string: break
            }
            let text = json.text
            guard text.utf8.count <= Self.valueBytes else { continue }
            let place = Field(space: space, index: index)
            state.withLock { _ = Self.note(text, in: &$0.values[place, default: []], limit: Self.valueLimit) }
        }
    }

    /// - Returns: what had to go for it.
    private static func note(_ text: String, in list: inout [String], limit: Int) -> String? {
        list.removeAll { $0 == text }
        list.append(text)
        return list.count > limit ? list.removeFirst() : nil
    }
}
