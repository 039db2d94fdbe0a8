/// What runs must be like in which a certain defence is needed.
struct Hunt: Sendable {
    /// Faults in every run.
    var certain: Faults
    /// Of all others, only these may happen.
    var allowed: Faults = .all
    var servers: Int?
    var leaseReads: Bool?
    var clients: Int? = 4
    /// With faults.
    var milliseconds: UInt64 = 2_000
    /// Until it must have recovered. Clients and subscribers that first ask a server which is no member any more may take longer, now and then.
    var healing: UInt64 = 20_000
    /// Longest time between two misfortunes.
    var calm: UInt64? = 250
    /// Clients draw also what feature levels 3 and 4 brought.
    var drawsAll = false
    /// The script that finds it, if random runs do not.
    var script: String?
    /// Why random runs do not find it, if they do not.
    var note: String?

    func scripted(_ name: String) -> Hunt {
        var hunt = self
        hunt.script = name
        return hunt
    }

    func drawingAll() -> Hunt {
        var hunt = self
        hunt.drawsAll = true
        return hunt
    }

    func noting(_ text: String) -> Hunt {
        var hunt = self
        hunt.note = text
        return hunt
    }

    func apply(_ options: inout SimulationOptions) {
        options.certainFaults = certain
        options.allowedFaults = allowed.union(certain)
        options.servers = options.servers ?? servers
        options.leaseReads = options.leaseReads ?? leaseReads
        options.clients = options.clients ?? clients
        options.calmMilliseconds = options.calmMilliseconds ?? calm
        options.faultMilliseconds = milliseconds
        options.healingMilliseconds = healing
        options.usesPlainOperations = !drawsAll
    }

    static let usual = Hunt(certain: [])
    static let all = Hunt.usual.drawingAll()
    static let allSnapshots = Hunt.snapshots.drawingAll()
    static let deaths = Hunt(certain: [.clientDeaths], milliseconds: 3_000).drawingAll()
    static let deathsAndSnapshots = Hunt(certain: [.clientDeaths, .snapshots, .crashes], milliseconds: 3_000)
        .drawingAll()
    static let network = Hunt(certain: [.loss, .duplication, .delay], allowed: [.partitions, .crashes])
    static let partitions = Hunt(
        certain: [.partitions, .crashes, .delay], allowed: [.clockJumps, .pauses, .loss, .slowDisks])
    static let powerLoss = Hunt(certain: [.powerLoss, .crashes], allowed: [.partitions, .slowDisks, .loss, .delay])
    static let slowDisks = Hunt(
        certain: [.slowDisks, .partitions], allowed: [.powerLoss, .crashes, .delay, .pauses, .loss])
    static let snapshots = Hunt(
        certain: [.snapshots, .powerLoss, .partitions], allowed: [.crashes, .loss, .slowDisks, .delay])
    static let members = Hunt(
        certain: [.members], allowed: [.partitions, .crashes, .delay, .loss, .transfers, .pauses, .slowDisks],
        milliseconds: 3_000)
    static let memberSnapshots = Hunt(
        certain: [.members, .snapshots, .crashes], allowed: [.partitions, .delay, .loss, .transfers],
        milliseconds: 3_000)
    static let leases = Hunt(
        certain: [.partitions, .transfers, .clockJumps], allowed: [.delay, .pauses, .crashes, .slowDisks],
        leaseReads: true)
    static let transfers = Hunt(
        certain: [.transfers, .members], allowed: [.partitions, .loss, .delay, .crashes, .pauses])
    static let far = Hunt(
        certain: [.distance], allowed: [.loss, .crashes, .partitions], milliseconds: 4_000, healing: 60_000)
    static let rot = Hunt(certain: [.rot, .crashes], allowed: [.partitions, .powerLoss, .delay], milliseconds: 3_000)
    static let rotFar = Hunt(
        certain: [.rot, .crashes, .distance], allowed: [.partitions, .delay], healing: 60_000)
    static let rotSnapshots = Hunt(
        certain: [.rot, .snapshots, .crashes, .powerLoss], allowed: [.partitions, .delay], milliseconds: 3_000)
    static let failingDisks = Hunt(
        certain: [.failingSync, .crashes, .powerLoss], allowed: [.partitions, .slowDisks])
    static let fullDisks = Hunt(certain: [.fullDisks], allowed: [.partitions, .crashes, .powerLoss, .snapshots])
    static let clocks = Hunt(
        certain: [.clockJumps], allowed: [.crashes, .partitions, .clientDeaths], healing: 6_000)
    static let upgrades = Hunt(certain: [.upgrades], allowed: [.crashes, .partitions, .members], milliseconds: 3_000)
}
