import Dispatch

/// Runs what waits (for a disk, a process, a peer) on a thread of its own, away from Swift's few cooperative ones.
func blocking<Success: Sendable, Problem: Error>(
    _ body: @escaping @Sendable () throws(Problem) -> Success
) async throws(Problem) -> Success {
    let result: Result<Success, Problem> = await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            do throws(Problem) {
                continuation.resume(returning: .success(try body()))
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
    }
    return try result.get()
}
