import ByteCoding

/// What a cluster has to have agreed on before something may be asked of it: all servers' programs know it then, and none that does not can
/// join any more.
public enum FeatureLevels {
    /// Leases, tuples by id, take-all, replace, statements; regular expressions.
    static let completeTuples: UInt32 = 3

    /// Reservations, failure tuples, policies and tokens; a bound on all replies that a session keeps.
    public static let rights: UInt32 = 4

    /// The highest that anything needs.
    public static let highest = rights

    /// - Parameter command: with its header, as it goes to the leader.
    public static func needed(byCommand command: UnsafeRawBufferPointer) -> UInt32 {
        guard let command = CommandView(command) else { return 1 }
        return command.isMarked ? rights : needed(byOperation: command.operation)
    }

    /// - Parameter operation: encoded, perhaps malformed.
    static func needed(byOperation operation: UnsafeRawBufferPointer) -> UInt32 {
        // Nearly always.
        if operation.first == OperationCode.write { return 1 }
        switch OperationView(operation) {
        case .take(let take): return needed(byTemplate: take.template)
        case .renew, .takeByID, .takeAll, .replace, .statement: return completeTuples
        case .write(let write): return write.lease == nil ? 1 : completeTuples
        case .reserve, .reservation, .rare: return rights
        case .keyed(let keyed): return needed(byOperation: keyed.operation)
        default: return 1
        }
    }

    private static func needed(byTemplate template: UnsafeRawBufferPointer) -> UInt32 {
        EncodedTemplate.hasRegex(template) ? completeTuples : 1
    }
}
