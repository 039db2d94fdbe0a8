import Glibc
import StarlingClient
import Synchronization

/// Where a load's requests are written, one by one, for scripts that look at parts of a run.
final class SampleFile: Sendable {
    private let path: String
    private let descriptor: Int32
    /// The first thing that went wrong.
    private let failure = Mutex<String?>(nil)

    init(_ path: String) throws(Complaint) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Complaint(.failed, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    func append(_ samples: [LoadSample]) {
        let failure = samples.withUnsafeBytes { bytes -> String? in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { return String(cString: strerror(errno)) }
                rest = rest.dropFirst(count)
            }
            return nil
        }
        if let failure { self.failure.withLock { $0 = $0 ?? failure } }
    }

    /// - Throws: unless everything was written.
    func check() throws(Complaint) {
        if let reason = failure.withLock({ $0 }) { throw Complaint(.failed, "cannot write \(path): \(reason)") }
    }
}
