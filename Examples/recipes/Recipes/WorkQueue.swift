import StarlingClient
import TupleSpace

/// A queue that loses no job, whoever dies: docs/recipes/work-queue.md.
///
///     ("job", what)            in the space of jobs, the oldest first
///     (job's id, result)       in the space of results, one for each job
public struct WorkQueue: Sendable {
    private let jobs: Space
    private let results: Space

    public init(in store: any TupleStore, named name: String) {
        jobs = store.space("\(name) jobs")
        results = store.space("\(name) results")
    }

    @discardableResult
    public func add(_ job: String) async throws -> String { String(describing: try await jobs.write("job", job).id) }

    /// Works on the oldest job, once there is one.
    ///
    /// While `work` runs the job is reserved: nobody else sees it. It returns to its place if this worker dies, hangs for longer than
    /// `milliseconds`, or throws. So a job may be worked on twice, but only one result of it is kept.
    /// - Returns: false if no job came in time.
    public func workOnce(
        waiting timeout: Timeout, reserving milliseconds: UInt64 = 30_000, _ work: (String) async throws -> String
    ) async throws -> Bool {
        let template = Template([.literal(.string("job")), .type(.string)])
        let found = try await jobs.store.reserve(template, from: jobs.name, timeout: timeout, for: milliseconds)
        guard let reserved = found.reserved, case .string(let job) = reserved.stored.tuple.fields[1] else { return false }
        do {
            let result = try await work(job)
            let id = String(describing: reserved.stored.id)
            // Two that worked on the same job come here one after the other: the second finds a result, and adds none.
            _ = try await results.write(id, result, ifAbsent: id, .any(String.self))
        } catch {
            _ = try await jobs.store.release(reserved.reservation)
            throw error
        }
        // Should its time have been up, another works on it, or has done so: in vain.
        _ = try await jobs.store.complete(reserved.reservation)
        return true
    }

    /// The result of a job, once it is there.
    public func result(of id: String, waiting timeout: Timeout) async throws -> String? {
        try await results.read(id, .any(String.self), timeout: timeout)?.1
    }

    public func counts() async throws -> (waiting: Int, done: Int) {
        (try await jobs.count("job", .any(String.self)), try await results.count(.any(String.self), .any(String.self)))
    }
}
