import Raft
import Replica
import WriteAheadLog

/// Bits that are inverted at rest, and servers that notice it when they start.
extension SimulatedCluster {
    /// Inverts some bits of a log segment or a snapshot, where that can be told from a write that a crash has torn, and
    /// if no more than a minority of any set of voters is damaged by it. Beyond that no system can hold.
    func rot(_ server: SimulatedServer) {
        guard server.hasStarted, !server.isRotten, !server.isDamaged, mayLose(server), membersRest else { return }
        let isInLog = faultRandom.chance(percent: 70)
        let places = isInLog ? placesInLog(server) : placesInSnapshots(server)
        var rotten: [String] = []
        for _ in 0..<faultRandom.within(1...3) {
            guard let (file, range) = faultRandom.pick(places), !range.isEmpty else { continue }
            let offset = range.lowerBound + faultRandom.below(range.count)
            if server.files.rot(file, at: offset, bit: faultRandom.below(8)) { rotten.append("\(file) at \(offset)") }
        }
        guard !rotten.isEmpty else { return }
        server.isRotten = true
        trace.fault(now, "bits rot on the disk of \(name(server)): \(rotten.joined(separator: ", "))")
        // Rot shows when a server starts, or sends the snapshot.
        guard faultRandom.chance(percent: 70), server.process != nil else { return }
        trace.fault(now, "\(name(server)) crashes, loses nothing else")
        crash(server, .nothing)
        planRestart(server)
    }

    /// What is a minority now stays one: no change of members is under way, or may yet come of what was asked.
    private var membersRest: Bool {
        guard let committed = checker.configurations.last, !committed.configuration.isJoint, simulatedOperator.isQuiet
        else { return false }
        let promotes = committed.configuration.members.contains { $0.role == .learner && $0.promoteWhenCaughtUp }
        let latest = servers.compactMap { ($0.process?.issued ?? $0.durable).configuration?.index }
        return !promotes && latest.allSatisfy { $0 <= committed.index }
    }

    private func mayLose(_ server: SimulatedServer) -> Bool {
        func isLost(_ id: NodeID) -> Bool {
            guard let other = self.server(id) else { return true }
            return other === server || other.isRotten || other.isDamaged
        }
        let configurations = [checker.configuration] + servers.compactMap { $0.durable.configuration?.configuration }
        return configurations.allSatisfy { $0.members.isEmpty || $0.isMinority(isLost) }
    }

    /// Everything in the log but its last batch: rot in that one looks as if it had never been finished. That this is
    /// no loss is an assumption, stated in the documentation.
    private func placesInLog(_ server: SimulatedServer) -> [(file: String, range: Range<Int>)] {
        guard
            let inspection = try? LogInspection.inspect(SimulatedCluster.dataDirectory, files: server.files),
            let last = inspection.segments.flatMap(\.records).last(where: { $0.kind == "commit mark" })
        else { return [] }
        return inspection.segments.compactMap { segment in
            guard let first = segment.records.first?.offset else { return nil }
            let end = segment.records.first { $0.batch >= last.batch }?.offset ?? segment.end
            return end > first ? (segment.file, first..<end) : nil
        }
    }

    private func placesInSnapshots(_ server: SimulatedServer) -> [(file: String, range: Range<Int>)] {
        guard let names = try? server.files.list(SimulatedCluster.dataDirectory) else { return [] }
        return names.filter { $0.hasPrefix("snapshot-") && !$0.hasSuffix(".tmp") }.compactMap { name in
            let path = SimulatedCluster.dataDirectory + "/" + name
            guard let size = try? server.files.open(path, .read).size(), size > 0 else { return nil }
            return (path, 0..<Int(size))
        }
    }

    /// The shell's part in a repair: when consensus says that the server may vote again, the disk remembers it.
    func considerRepaired(_ server: SimulatedServer, _ process: ServerProcess) {
        guard server.isDamaged, process.replica.mayVote else { return }
        do throws(LogError) {
            try process.log.markRepaired()
            server.isDamaged = false
            statistics.repairs += 1
            trace.fault(now, "\(name(server)) has been repaired by its peers")
        } catch {
            // It is found again at the next start.
            trace.note(now, "\(name(server)) cannot note that it is repaired: \(error)")
        }
    }
}
