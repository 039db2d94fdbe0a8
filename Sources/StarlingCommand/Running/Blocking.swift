import Foundation

/// Runs what waits (for a disk, a process, a peer) on a thread of its own, away from Swift's few cooperative ones and from
/// Dispatch's global queues, which add a thread to blocked ones only after a second or two.
func blocking<Success: Sendable, Problem: Error>(
    _ body: @escaping @Sendable () throws(Problem) -> Success
) async throws(Problem) -> Success {
    let result: Result<Success, Problem> = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            do throws(Problem) {
                continuation.resume(returning: .success(try body()))
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
    }
    return try result.get()
}
