import StarlingClient
import TupleSpace

extension TupleStore {
    /// Does a statement that begins with the absence of what it writes: whoever comes later finds it done.
    func runUnlessDone(_ statement: Statement) async throws(Failure) {
        do throws(Failure) {
            _ = try await run(statement)
        } catch where error.code == .statementFailed {
            return
        }
    }
}
