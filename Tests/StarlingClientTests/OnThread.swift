import ZeroMQ

/// Runs what blocks on a thread of its own: the few threads of Swift's tasks are for what does not.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do throws(ZeroMQError) {
            try startThread(named: "test") { continuation.resume(with: Result { try body() }) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
