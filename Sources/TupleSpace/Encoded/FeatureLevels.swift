import ByteCoding

/// What a cluster has to have agreed on before something may be asked of it: all servers' programs know it then, and none that does not can
/// join any more.
public enum FeatureLevels {
    /// Leases, tuples by id, take-all, replace, statements; regular expressions.
    static let completeTuples: UInt32 = 3

    /// - Parameter operation: encoded, perhaps malformed.
    public static func needed(byOperation operation: UnsafeRawBufferPointer) -> UInt32 {
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

    /// - Parameter query: encoded, perhaps malformed.
    public static func needed(byQuery query: UnsafeRawBufferPointer) -> UInt32 {
        QueryView(query).map { needed(byTemplate: $0.template) } ?? 1
    }

    private static func needed(byTemplate template: UnsafeRawBufferPointer) -> UInt32 {
        EncodedTemplate.hasRegex(template) ? completeTuples : 1
    }
}
