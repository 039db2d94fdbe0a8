import Raft

/// What the files of a data directory are called. Numbers are 16 hexadecimal digits, so that names sort as numbers do.
enum FileNames {
    static let lock = "lock"
    /// Of a server that joined: who it is and its secret key. Whoever starts it keeps it here, before the directory is anybody's.
    static let plan = "plan.json"
    /// Certificates and keys, which are put beside such a plan.
    static func isPEM(_ name: String) -> Bool { name.hasSuffix(".pem") || name.hasSuffix(".pem" + temporarySuffix) }
    static let identity = "identity"
    static let genesis = "genesis"
    static let held = "genesis-held"
    static let repair = "repair"
    /// Exists once this server has learnt that it is no member any more.
    static let removed = "removed"
    /// Exists from when a recovery is decided until everything staged for it is in its place.
    static let recovery = "recovery"
    static let stagedPrefix = "recovery-"
    static let temporarySuffix = ".tmp"
    static let damagedSuffix = ".damaged"

    static func segment(_ id: UInt64) -> String { "segment-" + hexadecimal(id) }
    static func prepared(_ number: UInt64) -> String { "prepared-" + hexadecimal(number) }
    static func reserve(_ number: Int) -> String { "reserve-" + hexadecimal(UInt64(number)) }
    static func snapshot(index: UInt64, term: UInt64) -> String {
        "snapshot-" + hexadecimal(index) + "-" + hexadecimal(term)
    }

    static func staged(_ name: String) -> String { stagedPrefix + name }
    /// What a file is called that a recovery replaced.
    static func before(_ cluster: ClusterID, _ name: String) -> String {
        "before-" + hexadecimal(cluster.rawValue) + "-" + name
    }
    /// The identity and the first configuration are replaced in one step each; copies of them were kept before.
    static func isReplacedByRecovery(_ name: String) -> Bool {
        segmentID(name) != nil || snapshotPlace(name) != nil || name == repair || name == held
            || name == removed
    }

    static func receiving(_ place: SnapshotPlace) -> String { "receiving-" + place.fileName + temporarySuffix }
    static func isReceiving(_ name: String) -> Bool { name.hasPrefix("receiving-") }
    static func receivingPlace(_ name: String) -> (index: UInt64, term: UInt64)? {
        guard name.hasPrefix("receiving-"), name.hasSuffix(temporarySuffix) else { return nil }
        return snapshotPlace(String(name.dropFirst("receiving-".count).dropLast(temporarySuffix.count)))
    }

    /// The id in a segment's name; also in that of one set aside if `damaged`.
    static func segmentID(_ name: String, damaged: Bool = false) -> UInt64? {
        guard damaged else { return number(of: name, after: "segment-") }
        guard name.hasSuffix(damagedSuffix) else { return nil }
        return number(of: String(name.dropLast(damagedSuffix.utf8.count)), after: "segment-")
    }

    static func isReserve(_ name: String) -> Bool { number(of: name, after: "reserve-") != nil }
    static func preparedNumber(_ name: String) -> UInt64? { number(of: name, after: "prepared-") }

    static func snapshotPlace(_ name: String) -> (index: UInt64, term: UInt64)? {
        guard name.utf8.count == 9 + 16 + 1 + 16 else { return nil }
        guard let index = number(of: String(name.dropLast(17)), after: "snapshot-"),
            let term = number(of: "-" + String(name.suffix(16)), after: "-"), name.dropLast(16).hasSuffix("-")
        else { return nil }
        return (index, term)
    }

    private static func number(of name: String, after prefix: String) -> UInt64? {
        guard name.hasPrefix(prefix) else { return nil }
        let digits = name.dropFirst(prefix.count)
        guard digits.utf8.count == 16, digits.utf8.allSatisfy(isLowercaseHexadecimal) else { return nil }
        return UInt64(digits, radix: 16)
    }

    private static func isLowercaseHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }
}

func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
