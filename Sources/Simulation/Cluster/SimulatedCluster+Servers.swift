import ByteCoding
import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// Starting, stopping and pausing servers.
extension SimulatedCluster {
    static let dataDirectory = "data"

    var logOptions: LogOptions {
        var options = LogOptions()
        options.segmentBytes = 64 << 10
        options.reserveBytes = 64 << 10
        options.freeBytesKept = 256 << 10
        options.mutations = self.options.storageMutations
        return options
    }

    /// How fast clocks may run, in 1,024ths. Leases are right only if none is faster than another by half.
    var clockRates: ClosedRange<UInt64> { replicaSettings.raft.leaseReads ? 900...1_150 : 300...3_000 }

    /// Starts a server's process on whatever its disk has.
    func start(_ server: SimulatedServer) {
        guard server.process == nil, !server.isRetired, checker.violation == nil else { return }
        do {
            let process = try open(server)
            server.process = process
            if faults.contains(.clockJumps), !isHealing, server.random.chance(percent: 40) {
                server.setClock(rate: server.random.within(clockRates), at: now)
            }
            server.isPaused = false
            trace.note(now, "\(name(server)) starts at \(process.issued.snapshot.index)...\(process.issued.last)")
            plan(.tick(server: server.number, life: server.life), after: random.below(10_000_000 as UInt64))
        } catch {
            checker.report("a server can start after any crash", "\(name(server)): \(error)")
        }
    }

    private func open(_ server: SimulatedServer) throws -> ServerProcess {
        var directory = try LogDirectory.open(
            SimulatedCluster.dataDirectory, files: server.files, holder: "process \(server.life)")
        try directory.initialise(
            clusterID: clusterID, nodeID: server.id, name: server.name, secret: server.id.rawValue)
        try directory.adopt(firstConfiguration: server.firstConfiguration)
        let store = try SnapshotStore(directory, mutations: options.storageMutations)
        let (log, recovered, report) = try WriteAheadLog.open(directory, snapshots: store, options: logOptions)
        let image = LogImage(recovered)
        check(image, recovered, report, of: server)
        var machine = StateMachine(mutations: options.tupleMutations)
        if recovered.snapshot.index > .zero { machine = try restore(recovered.snapshot, from: store) }
        var settings = replicaSettings
        settings.raft.supportedFeatureLevel = server.featureLevel
        let replica = Replica(
            id: server.id, cluster: clusterID, recovered: recovered, machine: machine, settings: settings,
            now: server.clock(now), seed: server.random.next())
        return ServerProcess(replica: replica, log: log, store: store, directory: directory, issued: image)
    }

    /// What a disk gives back after a crash is what was durable, and perhaps the write that was under way: nothing
    /// less, and nothing else.
    private func check(
        _ image: LogImage, _ recovered: RecoveredLog, _ report: OpenReport, of server: SimulatedServer
    ) {
        defer {
            server.durable = image
            server.perhapsDurable = nil
            server.hasStarted = true
        }
        guard server.hasStarted else { return }
        if server.isRotten || server.isDamaged { return checkRotten(image, recovered, report, of: server) }
        if !recovered.mayVote {
            checker.report(
                "a crash is no damage",
                "\(name(server)) finds \(report.findings.map(\.description).joined(separator: "; "))")
        }
        guard let difference = server.durable.difference(from: image) else { return }
        if let other = server.perhapsDurable, other.difference(from: image) == nil { return }
        checker.report("what is durable survives a crash", "\(name(server)) recovers \(difference)")
    }

    /// After rot a server has all that was durable, or says that it has not.
    private func checkRotten(
        _ image: LogImage, _ recovered: RecoveredLog, _ report: OpenReport, of server: SimulatedServer
    ) {
        let wasRotten = server.isRotten
        server.isRotten = false
        let versions = [server.durable, server.perhapsDurable].compactMap { $0 }
        if recovered.mayVote {
            let differences = versions.compactMap { $0.differenceAfterRot(from: image) }
            if differences.count == versions.count {
                checker.report("damage is noticed", "\(name(server)) recovers \(differences[0]), and would vote")
            }
        } else {
            trace.fault(
                now, "\(name(server)) is damaged: \(report.findings.map(\.description).joined(separator: "; "))")
            let contradictions = versions.compactMap { $0.contradiction(with: image, highestTerm: server.highestTerm) }
            if contradictions.count == versions.count {
                checker.report("damage adds nothing", "\(name(server)) recovers \(contradictions[0])")
            }
            if wasRotten { server.lost.append(server.durable) }
            server.isDamaged = true
        }
    }

    func restore(
        _ metadata: SnapshotMetadata, from store: SnapshotStore<SimulatedFileSystem>
    ) throws -> StateMachine {
        var reader = try store.reader(SnapshotPlace(index: metadata.index, term: metadata.term))
        var restorer = StateMachine.Restorer(mutations: options.tupleMutations)
        while let chunk = try reader.nextChunk() {
            try restorer.consume(chunk)
        }
        return try restorer.finish()
    }

    /// The process ends; what of its unsynced data the disk keeps is decided by `loss`.
    func crash(_ server: SimulatedServer, _ loss: SimulatedFileSystem.CrashLoss) {
        guard let process = server.process else { return }
        statistics.crashes += 1
        interruptWrites(server, process)
        server.highestTerm = max(server.highestTerm, process.issued.hardState.term)
        server.process = nil
        server.life += 1
        server.isPaused = false
        server.interruption = nil
        server.files.crash(loss)
        noticeEnd(of: server)
    }

    /// Most of those who were connected to a process notice soon that it is gone.
    private func noticeEnd(of server: SimulatedServer) {
        for other in servers where other.process != nil && server.random.chance(percent: 70) {
            guard !network.isBlocked(from: server.number, to: other.number) else { continue }
            let delay = network.distances[server.number * servers.count + other.number]
            plan(
                .connectionLost(server: other.number, server.id),
                after: delay + server.random.within(500_000...20_000_000 as ClosedRange<UInt64>))
        }
    }

    /// A crash meets the disk before, within or behind the write under way.
    private func interruptWrites(_ server: SimulatedServer, _ process: ServerProcess) {
        if !process.writing.isEmpty {
            var image = server.durable
            for item in process.writing { image.apply(item.write, item.stamps) }
            server.perhapsDurable = image
            switch server.random.below(4) {
            case 0: break
            case 1:
                server.files.failWrite()
                try? process.log.append(process.writing.map(\.write))
            case 2:
                server.files.failSync()
                try? process.log.append(process.writing.map(\.write))
            default: try? process.log.append(process.writing.map(\.write))
            }
        }
        if let snapshot = process.snapshotUnderWay, server.random.chance(percent: 50) {
            if server.random.chance(percent: 50) {
                server.files.failWrite(after: server.random.below(4))
            } else {
                server.files.failSync(after: server.random.below(2))
            }
            try? write(snapshot, to: process.store)
        }
    }

    func pause(_ server: SimulatedServer, nanoseconds: UInt64) {
        guard server.process != nil, !server.isPaused else { return }
        server.isPaused = true
        trace.fault(now, "\(name(server)) stands still for \(nanoseconds / 1_000_000) ms")
        plan(.end(.pause(server: server.number, life: server.life)), after: nanoseconds)
    }

    func resume(_ server: SimulatedServer) {
        guard let process = server.process, server.isPaused else { return }
        server.isPaused = false
        if var performance = process.remaining {
            process.remaining = nil
            perform(&performance, of: server, process)
        }
        guard server.process != nil, !process.isPassPlanned else { return }
        process.isPassPlanned = true
        plan(.pass(server: server.number, life: server.life), after: 1_000)
    }

    /// "a", "b", …
    func name(_ server: SimulatedServer) -> String { server.name }
    func name(_ id: NodeID) -> String { numbers[id].map { name(servers[$0]) } ?? "\(id)" }
}

extension StateMachine.Restorer {
    mutating func consume(_ piece: [UInt8]) throws(MalformedBytes) {
        // Typed errors do not pass through `withUnsafeBytes` of an array.
        let result: Result<Void, MalformedBytes> = piece.withUnsafeBytes { raw in
            do throws(MalformedBytes) {
                try consume(raw)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
