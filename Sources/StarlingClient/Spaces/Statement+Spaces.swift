import TupleSpace

// Guards and steps of a statement in the words of spaces, for what `update`, `move` and `write(_:ifAbsent:)` cannot say.

extension Statement {
    /// One alternative, done as one or not at all.
    public init(_ guarded: Guard, _ steps: Step..., timeout: Timeout = .none) {
        self.init([Alternative(guarded, steps)], timeout: timeout)
    }
}

extension Statement.Guard {
    /// Takes the oldest match.
    public static func take<each Pattern: FieldPattern>(from space: Space, _ template: repeat each Pattern) -> Self {
        .take(space: space.name, .init(TypedTemplate(repeat each template).template))
    }

    /// Finds the oldest match and leaves it.
    public static func read<each Pattern: FieldPattern>(from space: Space, _ template: repeat each Pattern) -> Self {
        .read(space: space.name, .init(TypedTemplate(repeat each template).template))
    }
}

extension Statement.Step {
    public static func write<each Field: FieldValue>(
        to space: Space, _ fields: repeat each Field, lease: Timeout = .forever
    ) -> Self {
        .write(space: space.name, .init(Tuple(repeat each fields)), lease: lease)
    }

    /// Takes the oldest match; the statement fails if there is none.
    public static func take<each Pattern: FieldPattern>(from space: Space, _ template: repeat each Pattern) -> Self {
        .take(space: space.name, .init(TypedTemplate(repeat each template).template))
    }

    /// Takes the oldest match, if there is one.
    public static func takeIfAny<each Pattern: FieldPattern>(
        from space: Space, _ template: repeat each Pattern
    ) -> Self {
        .takeIfAny(space: space.name, .init(TypedTemplate(repeat each template).template))
    }

    /// Finds the oldest match and leaves it; the statement fails if there is none.
    public static func read<each Pattern: FieldPattern>(from space: Space, _ template: repeat each Pattern) -> Self {
        .read(space: space.name, .init(TypedTemplate(repeat each template).template))
    }

    /// The statement fails if there is a match.
    public static func absent<each Pattern: FieldPattern>(from space: Space, _ template: repeat each Pattern) -> Self {
        .absent(space: space.name, .init(TypedTemplate(repeat each template).template))
    }

    /// Puts another tuple in the place of the one that an earlier `read` found: the guard is step 0.
    public static func replace<each Field: FieldValue>(step: Int, with fields: repeat each Field) -> Self {
        .replace(step: step, .init(Tuple(repeat each fields)))
    }
}

extension Statement.TupleExpression {
    init(_ tuple: Tuple) { self.init(tuple.fields.map { .value($0) }) }
}

extension Statement.TemplateExpression {
    init(_ template: Template) { self.init(template.fields.map { .plain($0) }) }
    /// Matches what equals the tuple.
    init(equalTo tuple: Tuple) { self.init(tuple.fields.map { .plain(.literal($0)) }) }
}
