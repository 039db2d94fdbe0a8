import TupleSpace

extension FailureTuple {
    /// In the words of spaces: `FailureTuple(to: client.space("deaths"), "worker", name)`.
    /// - lease: how long it is there, from the death on.
    public init<each Field: FieldValue>(
        to space: Space, _ fields: repeat each Field, lease: Timeout = .forever
    ) {
        self.init(Tuple(repeat each fields), to: space.name, lease: lease)
    }
}
