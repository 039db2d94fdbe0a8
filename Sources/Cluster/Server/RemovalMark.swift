import Glibc
import Raft

/// A file in the data directory of a server that was removed from its cluster: the others have forgotten it, so that after a restart nobody
/// would tell it again.
struct RemovalMark {
    private let path: String

    init(dataDirectory: String) { path = dataDirectory + "/removed" }

    /// The sentence of an earlier `set`; nil if there is none.
    var sentence: String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1_024)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Should it not become durable, the next start only finds out later, or waits in vain.
    func set(at index: LogIndex?) {
        guard let file = fopen(path, "w") else { return }
        defer { fclose(file) }
        fputs("removed from the cluster" + (index.map { " at log index \($0)" } ?? ""), file)
        fflush(file)
        fsync(fileno(file))
    }
}
