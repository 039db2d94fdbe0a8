import Raft

/// Why a data directory cannot be used. Each description says what is wrong, where, and what to do.
public enum LogDirectoryError: Error, Equatable, Sendable, CustomStringConvertible {
    case file(FileSystemError)
    /// Another process has the directory; `holder` is what it wrote about itself, e.g. "pid 4711".
    case inUse(path: String, holder: String)
    /// There are files here, and none says that this is a Starling data directory.
    case notStarling(path: String, found: String)
    case otherCluster(path: String, found: ClusterID, expected: ClusterID)
    case otherNode(path: String, found: NodeID, expected: NodeID)
    case newerVersion(file: String, found: UInt32, supported: UInt32)
    /// A file that is written once and synced whole does not hold its checksum.
    case damaged(file: String, reason: String)
    case notInitialised(path: String)
    case alreadyInitialised(path: String, as: LogIdentity)
    case noConfiguration(path: String)
    case otherConfiguration(path: String)
    case badName(String)
    /// A first configuration that could not be read again, e.g. with a member named twice.
    case malformedConfiguration

    public var description: String {
        switch self {
        case .file(let error):
            error.description
        case .inUse(let path, let holder):
            "the data directory \(path) is in use by another process (\(holder)): stop that one, or give this server a "
                + "directory of its own"
        case .notStarling(let path, let found):
            "\(path) is not a Starling data directory: it holds \(found) and no identity file: name an empty or a new "
                + "directory"
        case .otherCluster(let path, let found, let expected):
            "\(path) belongs to cluster \(found), but this server is set up for cluster \(expected): name the right "
                + "directory, or a new one to join as a new member"
        case .otherNode(let path, let found, let expected):
            "\(path) belongs to node \(found), not to node \(expected): the directories of two servers were exchanged "
                + "or copied; name the right one"
        case .newerVersion(let file, let found, let supported):
            "\(file) has format version \(found), and this program knows versions up to \(supported): "
                + "install the newer program that wrote it"
        case .damaged(let file, let reason):
            "\(file) is damaged: \(reason): restore it from a backup, or join as a new member with a new directory"
        case .notInitialised(let path):
            "the data directory \(path) has no identity yet: it must be initialised first"
        case .alreadyInitialised(let path, let identity):
            "\(path) was initialised already, as \(identity.name) "
                + "(node \(identity.node) of cluster \(identity.cluster))"
        case .noConfiguration(let path):
            "\(path) has no first configuration yet: it must be adopted before the log can be opened"
        case .otherConfiguration(let path):
            "\(path) holds another first configuration already; a first configuration never changes"
        case .malformedConfiguration:
            "the first configuration is malformed: members must be in ascending order of id, each once"
        case .badName(let name):
            "the server name \"\(name)\" is not 1 to 63 of a-z, 0-9 and -"
        }
    }
}

/// Whose directory it is. Never changes.
public struct LogIdentity: Equatable, Sendable {
    public var cluster: ClusterID
    public var node: NodeID
    /// The server's name when it was initialised, for people; the configuration has the one in force.
    public var name: String
    /// What the checksums of the log's records begin from, besides who the server is: chosen at random and told to nobody, so that no client
    /// can make bytes that pass for a record. 0 in a directory that an earlier program made.
    var secret: UInt64

    init(cluster: ClusterID, node: NodeID, name: String, secret: UInt64) {
        self.cluster = cluster
        self.node = node
        self.name = name
        self.secret = secret
    }

    /// Of an identity file.
    init(_ header: FileHeader, name: String) {
        self.init(cluster: header.cluster, node: header.node, name: name, secret: header.secret)
    }

    func fileHeader() -> FileHeader {
        FileHeader(
            magic: .identity, version: secret == 0 ? 1 : FileHeader.secretVersion, cluster: cluster, node: node,
            secret: secret)
    }

    /// Of the same server.
    public static func == (a: LogIdentity, b: LogIdentity) -> Bool {
        a.cluster == b.cluster && a.node == b.node && a.name == b.name
    }
}
