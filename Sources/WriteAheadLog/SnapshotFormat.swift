import ByteCoding
import Raft

/// Which snapshot: the last entry it stands for. The file is named after it.
public struct SnapshotPlace: Hashable, Sendable, CustomStringConvertible {
    public var index: LogIndex
    public var term: Term

    public init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }

    public var description: String { "snapshot at \(index) of term \(term)" }
    var fileName: String { FileNames.snapshot(index: index.rawValue, term: term.rawValue) }
}

/// Why a snapshot was not written, read or received. The log is not concerned: a snapshot can be made again.
public enum SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    case file(FileSystemError)
    case damaged(file: String, reason: String)
    case newerVersion(file: String, found: UInt32, supported: UInt32)
    case otherCluster(file: String, found: ClusterID, expected: ClusterID)
    /// A file whose contents stand for another place than its name or its sender says.
    case otherPlace(file: String, found: SnapshotPlace, expected: SnapshotPlace)
    case notInitialised(path: String)
    /// Metadata that could not be read again.
    case malformedMetadata

    public var description: String {
        switch self {
        case .file(let error): error.description
        case .damaged(let file, let reason): "the snapshot \(file) is damaged: \(reason)"
        case .newerVersion(let file, let found, let supported):
            "\(file) has format version \(found), and this program knows versions up to \(supported): "
                + "install the newer program that wrote it"
        case .otherCluster(let file, let found, let expected):
            "\(file) is a snapshot of cluster \(found), not of cluster \(expected)"
        case .otherPlace(let file, let found, let expected): "\(file) should be the \(expected) and is the \(found)"
        case .notInitialised(let path): "the data directory \(path) has no identity yet"
        case .malformedMetadata: "the snapshot's configuration is malformed"
        }
    }
}

enum SnapshotFormat {
    /// A chunk's payload is not longer than this.
    static let maximumChunk = 256 << 10
    /// Length and checksum before a chunk's payload.
    static let chunkHeader = 8
    /// After the last chunk: a chunk header of zeros, payload length, number of chunks, a mark, and the checksum of all
    /// before it.
    static let footer = 8 + 8 + 8 + 8 + 4
    static let endMark = "STARDONE"
}

func snapshotStep<Result>(_ body: () throws(FileSystemError) -> Result) throws(SnapshotError) -> Result {
    do throws(FileSystemError) {
        return try body()
    } catch {
        throw .file(error)
    }
}
