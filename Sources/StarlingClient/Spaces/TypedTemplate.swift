import TupleSpace

/// A template that knows the Swift types of what it matches.
struct TypedTemplate<Fields: Sendable>: Sendable {
    let template: Template
    private let decode: @Sendable ([Value]) throws(NoSuchField) -> Fields

    /// A field whose value is none of the template's type.
    private struct NoSuchField: Error {
        var number: Int
        var value: Value
        var type: String
    }

    init<each Pattern: FieldPattern>(_ patterns: repeat each Pattern) where Fields == (repeat (each Pattern).Matched) {
        var fields: [TemplateField] = []
        for pattern in repeat each patterns { fields.append(pattern.templateField) }
        template = Template(fields)
        decode = { values throws(NoSuchField) in
            var number = 0
            func next<T: FieldValue>(_ type: T.Type) throws(NoSuchField) -> T {
                let value = values[number]
                number += 1
                guard let field = T(fieldValue: value) else {
                    throw NoSuchField(number: number, value: value, type: "\(type)")
                }
                return field
            }
            return (repeat try next((each Pattern).Matched.self))
        }
    }

    /// - Parameter stored: matches the template.
    /// - Throws: `invalid-tuple` if it has a field that is none of the template's type, which happens where a template matches more than
    ///   its type holds: an enumeration's strings, a custom type, a fraction in a range of ints.
    func fields(of stored: StoredTuple, in space: String) throws(Failure) -> Fields {
        do throws(NoSuchField) {
            return try decode(stored.tuple.fields)
        } catch {
            throw Failure(
                .invalidTuple,
                "field \(error.number) of tuple \(stored.id) in \"\(space)\" is \("\(error.value)".prefix(64)), which is no "
                    + error.type)
        }
    }
}

extension Tuple {
    init<each Field: FieldValue>(_ fields: repeat each Field) {
        var values: [Value] = []
        for field in repeat each fields { values.append(field.fieldValue) }
        self.init(values)
    }
}
