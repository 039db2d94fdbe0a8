/// What one seed came to.
public struct RunResult: Sendable {
    public var seed: UInt64
    /// Inputs that servers and clients were given.
    public var events: UInt64
    /// Of virtual time.
    public var virtualMilliseconds: UInt64
    /// Of real time.
    public var seconds: Double
    /// Equal for equal seeds, options and programs, in any process.
    public var traceHash: UInt64
    public var statistics: RunStatistics
    /// Misfortunes that were drawn, whether or not they were allowed to happen.
    public var misfortunes: Int
    /// At the beginning.
    public var servers: Int
    public var clients: Int
    /// The last steps in words, if the run kept a trace.
    public var trace: [String]
    /// Nil if everything held.
    public var failure: SimulationFailure?

    public var eventsPerSecond: Double { seconds > 0 ? Double(events) / seconds : 0 }
}

/// How much happened, so that one can see whether a run was worth it.
public struct RunStatistics: Sendable, Equatable {
    public var committedEntries: UInt64 = 0
    public var commandsAnswered: UInt64 = 0
    public var readsAnswered: UInt64 = 0
    /// Alternatives of statements that were done.
    public var statementsDone: UInt64 = 0
    public var leasesEnded: UInt64 = 0
    /// Takes that reserved.
    public var reserved: UInt64 = 0
    /// That the dead left.
    public var failureTuples: UInt64 = 0
    /// Commands that a policy forbade.
    public var refusedByPolicy: UInt64 = 0
    public var retries: UInt64 = 0
    public var elections: UInt64 = 0
    public var crashes: UInt64 = 0
    public var snapshotsTaken: UInt64 = 0
    public var snapshotsInstalled: UInt64 = 0
    public var sessionsExpired: UInt64 = 0
    /// To subscribers.
    public var eventsTold: UInt64 = 0
    /// Requests of an operator that were done.
    public var membersChanged: UInt64 = 0
    /// Committed ones.
    public var configurations: UInt64 = 0
    public var transfers: UInt64 = 0
    /// Servers that were damaged and vote again.
    public var repairs: UInt64 = 0
    public var messages: UInt64 = 0
    public var messagesLost: UInt64 = 0

    public init() {}

    public static func + (a: RunStatistics, b: RunStatistics) -> RunStatistics {
        var sum = a
        sum.committedEntries += b.committedEntries
        sum.commandsAnswered += b.commandsAnswered
        sum.readsAnswered += b.readsAnswered
        sum.statementsDone += b.statementsDone
        sum.leasesEnded += b.leasesEnded
        sum.reserved += b.reserved
        sum.failureTuples += b.failureTuples
        sum.refusedByPolicy += b.refusedByPolicy
        sum.retries += b.retries
        sum.elections += b.elections
        sum.crashes += b.crashes
        sum.snapshotsTaken += b.snapshotsTaken
        sum.snapshotsInstalled += b.snapshotsInstalled
        sum.sessionsExpired += b.sessionsExpired
        sum.eventsTold += b.eventsTold
        sum.membersChanged += b.membersChanged
        sum.configurations += b.configurations
        sum.transfers += b.transfers
        sum.repairs += b.repairs
        sum.messages += b.messages
        sum.messagesLost += b.messagesLost
        return sum
    }
}

/// Something that must never happen, and did.
public struct SimulationFailure: Error, Sendable, CustomStringConvertible {
    public var seed: UInt64
    /// The event at which it was noticed, counted from the run's beginning.
    public var step: UInt64
    public var virtualMilliseconds: UInt64
    /// Which invariant, in a few words.
    public var invariant: String
    static let unrecovered = "the cluster recovers"
    /// What was seen.
    public var details: String
    /// The faults of the run, each with its time.
    public var schedule: [String]
    /// The last steps before it, if the run kept a trace.
    public var trace: [String]
    /// The faults that are needed for it, and how long the run was, after shrinking.
    public var options: SimulationOptions

    public var description: String {
        var lines = [
            "seed \(seed), step \(step), \(virtualMilliseconds) ms: \(invariant)",
            "  \(details)",
            "  faults allowed: \(options.allowedFaults.description); fault phase of \(options.faultMilliseconds) ms",
            "  replay: starling simulate --seed \(seed)\(options.arguments) --trace 200",
            "  fault schedule:",
        ]
        lines += schedule.map { "    " + $0 }
        if !trace.isEmpty { lines.append("  last steps:") }
        lines += trace.map { "    " + $0 }
        return lines.joined(separator: "\n")
    }
}

/// What many seeds came to.
public struct ManyRunsResult: Sendable {
    public var seeds: Int
    public var events: UInt64
    /// Of real time, for all together.
    public var seconds: Double
    public var statistics: RunStatistics
    /// In ascending order of seed.
    public var failures: [SimulationFailure]

    public var eventsPerSecond: Double { seconds > 0 ? Double(events) / seconds : 0 }
}
