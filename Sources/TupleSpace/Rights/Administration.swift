extension Operation {
    /// Whether an operation, by the first byte of its encoding, is one that changes what others may do.
    public static func administers(code: UInt8) -> Bool {
        [OperationCode.setPolicy, OperationCode.setToken, OperationCode.removeToken].contains(code)
    }
}

extension Query {
    /// Whether a query, by the first byte of its encoding, is one about what others may do.
    public static func administers(code: UInt8) -> Bool {
        [QueryCode.spaces, QueryCode.policy, QueryCode.tokens].contains(code)
    }
}
