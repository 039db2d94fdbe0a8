import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// Kinds of misfortune. A run draws from those that its options allow.
public struct Faults: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let loss = Faults(rawValue: 1 << 0)
    public static let duplication = Faults(rawValue: 1 << 1)
    /// Long delays, which also reorder.
    public static let delay = Faults(rawValue: 1 << 2)
    public static let partitions = Faults(rawValue: 1 << 3)
    /// The process dies; what it wrote and did not sync is kept by the operating system.
    public static let crashes = Faults(rawValue: 1 << 4)
    /// The power fails: unsynced data is lost or torn.
    public static let powerLoss = Faults(rawValue: 1 << 5)
    public static let slowDisks = Faults(rawValue: 1 << 6)
    public static let failingSync = Faults(rawValue: 1 << 7)
    public static let fullDisks = Faults(rawValue: 1 << 8)
    /// Wall clocks jump, and monotonic clocks run fast or slow.
    public static let clockJumps = Faults(rawValue: 1 << 9)
    /// A process stands still and goes on later, also between two of its effects.
    public static let pauses = Faults(rawValue: 1 << 10)
    /// Snapshots are taken often, and logs kept short.
    public static let snapshots = Faults(rawValue: 1 << 11)
    public static let clientDeaths = Faults(rawValue: 1 << 12)
    public static let clientLoss = Faults(rawValue: 1 << 13)

    /// Bits of log segments and snapshots are inverted on the disk: on a minority of servers between repairs.
    public static let rot = Faults(rawValue: 1 << 14)
    /// Servers are far apart: 0.1 to 300 ms one way.
    public static let distance = Faults(rawValue: 1 << 15)
    /// An operator changes the members.
    public static let members = Faults(rawValue: 1 << 16)
    /// An operator moves leadership, also before stopping a server.
    public static let transfers = Faults(rawValue: 1 << 17)
    /// Servers begin with an older program, and one after the other is restarted with the present one.
    public static let upgrades = Faults(rawValue: 1 << 18)

    public static let all = Faults(rawValue: (1 << 19) - 1)
    public static let none: Faults = []

    /// Each with its name, in the order of their bits.
    public static let names: [(fault: Faults, name: String)] = [
        (.loss, "loss"), (.duplication, "duplication"), (.delay, "delay"), (.partitions, "partitions"),
        (.crashes, "crashes"), (.powerLoss, "power loss"), (.slowDisks, "slow disks"), (.failingSync, "failing sync"),
        (.fullDisks, "full disks"), (.clockJumps, "clock jumps"), (.pauses, "pauses"), (.snapshots, "snapshots"),
        (.clientDeaths, "client deaths"), (.clientLoss, "client loss"), (.rot, "rot"), (.distance, "distance"),
        (.members, "members"), (.transfers, "transfers"), (.upgrades, "upgrades"),
    ]

    /// A name as it stands on a command line: without spaces.
    public static func argument(_ name: String) -> String {
        String(name.map { $0 == " " ? "-" : $0 })
    }

    /// Names as they stand on a command line, between commas; "none" for none. Nil if one of them is unknown.
    public init?(arguments: String) {
        self = []
        if arguments == "none" { return }
        for word in arguments.split(separator: ",") {
            guard let found = Faults.names.first(where: { Faults.argument($0.name) == word }) else { return nil }
            insert(found.fault)
        }
    }

    public var description: String {
        Faults.names.filter { contains($0.fault) }.map(\.name).joined(separator: ", ")
    }
}

/// What a run consists of. Together with the seed it decides everything.
public struct SimulationOptions: Sendable {
    /// Nil: the seed chooses 1 to 7, mostly 3 and 5.
    public var servers: Int?
    /// Nil: the seed chooses.
    public var clients: Int?
    /// Virtual time with faults.
    public var faultMilliseconds: UInt64 = 4_000
    /// Virtual time in which the cluster must have recovered completely once the faults are over.
    public var healingMilliseconds: UInt64 = 60_000
    public var allowedFaults: Faults = .all
    /// True: every allowed fault happens. False: each seed draws some of them (more different kinds of runs).
    public var usesAllFaults = false
    /// Of the allowed faults, these happen in every run.
    public var certainFaults: Faults = []
    /// Longest time between two misfortunes. Nil: the seed chooses.
    public var calmMilliseconds: UInt64?
    /// Whether leaders answer reads under a lease. Nil: the seed chooses.
    public var leaseReads: Bool?
    /// Nil: the seed chooses.
    public var thinkMilliseconds: ClosedRange<UInt64>?
    /// Machines on which new members can be started. Nil: three if members change.
    public var spares: Int?
    /// Milliseconds that every link takes in one direction. Nil: the seed chooses.
    public var linkMilliseconds: Double?
    /// If not nil, of the misfortunes of the run, counted from 0, only these happen. For shrinking.
    public var onlyMisfortunes: Set<Int>?
    /// So many operations each client has at most. Nil: no bound.
    public var operations: Int?
    /// Clients only write, take and read, as before feature level 3: a seed gives the run that it gave then.
    public var usesPlainOperations = false
    /// Few operations, all of which are also given to the Wing & Gong checker.
    public var isSmallHistory = false
    public var mutations: Mutations = []
    public var replicaMutations: ReplicaMutations = []
    public var storageMutations: StorageMutations = []
    public var tupleMutations: TupleMutations = []
    /// Lines of the readable trace that are kept; 0 makes none.
    public var traceLines = 0

    public init() {}
}

extension SimulationOptions {
    /// What differs from the usual, as arguments of `starling simulate`.
    public var arguments: String {
        let usual = SimulationOptions()
        var words: [String] = []
        if allowedFaults != usual.allowedFaults {
            let names = Faults.names.filter { allowedFaults.contains($0.fault) }.map { Faults.argument($0.name) }
            words.append("--faults \(names.isEmpty ? "none" : names.joined(separator: ","))")
        }
        if !certainFaults.isEmpty {
            let names = Faults.names.filter { certainFaults.contains($0.fault) }.map { Faults.argument($0.name) }
            words.append("--certain \(names.joined(separator: ","))")
        }
        if let calmMilliseconds { words.append("--calm-milliseconds \(calmMilliseconds)") }
        if let leaseReads { words.append(leaseReads ? "--lease-reads" : "--no-lease-reads") }
        let missing = KnownMutation.all.filter { $0.isApplied(self) }.map(\.name)
        if !missing.isEmpty { words.append("--without \(missing.joined(separator: ","))") }
        if let servers { words.append("--servers \(servers)") }
        if let spares { words.append("--spares \(spares)") }
        if let clients { words.append("--clients \(clients)") }
        if let operations { words.append("--operations \(operations)") }
        if let linkMilliseconds { words.append("--link-milliseconds \(linkMilliseconds)") }
        if faultMilliseconds != usual.faultMilliseconds { words.append("--milliseconds \(faultMilliseconds)") }
        if healingMilliseconds != usual.healingMilliseconds {
            words.append("--healing-milliseconds \(healingMilliseconds)")
        }
        if let onlyMisfortunes {
            let numbers = onlyMisfortunes.sorted().map(String.init).joined(separator: ",")
            words.append("--only \(numbers.isEmpty ? "none" : numbers)")
        }
        if usesPlainOperations { words.append("--plain") }
        if isSmallHistory { words.append("--small") }
        return words.map { " " + $0 }.joined()
    }
}
