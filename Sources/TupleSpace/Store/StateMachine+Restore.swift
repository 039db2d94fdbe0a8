import ByteCoding

extension StateMachine {
    /// Rebuilds from what `StateImage.encode` emitted, piece by piece in the same order and whatever sizes; indexes are rebuilt in bulk.
    public struct Restorer {
        public init() {}
        public mutating func consume(_ piece: UnsafeRawBufferPointer) throws(MalformedBytes) {}
        /// - Throws: if the pieces end too early or contradict themselves.
        public consuming func finish() throws(MalformedBytes) -> StateMachine { StateMachine() }
    }
}
