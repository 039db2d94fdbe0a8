// Placeholder equality, replaced with the exact semantics.
extension Value: Hashable {
    public static func == (a: Value, b: Value) -> Bool { false }
    public func hash(into hasher: inout Hasher) {}
}
