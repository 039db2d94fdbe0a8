import ByteCoding

/// What a cluster has to have agreed on before something may be asked of it: all servers' programs know it then, and none that does not can
/// join any more.
public enum FeatureLevels {
    /// Leases, tuples by id, take-all, replace, statements; regular expressions.
    static let completeTuples: UInt32 = 3

    /// The highest that anything needs.
    public static let highest = completeTuples

    /// - Parameter command: with its header, as it goes to the leader.
    public static func needed(byCommand command: UnsafeRawBufferPointer) -> UInt32 {
        CommandView(command).map { needed(byOperation: $0.operation) } ?? 1
    }

    /// - Parameter operation: encoded, perhaps malformed.
    static func needed(byOperation operation: UnsafeRawBufferPointer) -> UInt32 {
        // Nearly always.
        if operation.first == OperationCode.write { return 1 }
        switch OperationView(operation) {
        case .take(let take): return needed(byTemplate: take.template)
        case .renew, .takeByID, .takeAll, .replace, .statement: return completeTuples
        case .write(let write): return write.lease == nil ? 1 : completeTuples
        case .keyed(let keyed):
            switch keyed.inner {
            case .take(let take): return needed(byTemplate: take.template)
            case .write(let write): return write.lease == nil ? 1 : completeTuples
            case .renew, .takeByID, .takeAll, .replace, .statement: return completeTuples
            case .other: return 1
            }
        default: return 1
        }
    }

    private static func needed(byTemplate template: UnsafeRawBufferPointer) -> UInt32 {
        EncodedTemplate.hasRegex(template) ? completeTuples : 1
    }
}
