import Raft
import Replica

/// What goes wrong, and when: drawn from the seed, or told by a script.
extension SimulatedCluster {
    // MARK: - For scripts

    /// - keepsCache: the process dies and the machine does not.
    package func crash(_ server: Int, loss: SimulatedFileSystem.CrashLoss = .everything) {
        trace.fault(now, "\(name(servers[server])) crashes, loses \(loss)")
        crash(servers[server], loss)
    }

    package func restart(_ server: Int) { start(servers[server]) }

    /// Crashes a server in its next pass that has more effects than this, behind so many of them.
    package func crash(_ server: Int, afterEffects count: Int) {
        servers[server].interruption = .crash(afterEffects: count, .everything)
    }

    package func pause(_ server: Int, milliseconds: UInt64) {
        pause(servers[server], nanoseconds: milliseconds * 1_000_000)
    }

    package func isolate(_ server: Int) {
        network.separate([server], from: Array(servers.indices))
        trace.fault(now, "\(name(servers[server])) is cut off from the other servers")
    }

    package func separate(_ side: [Int], from others: [Int]) {
        network.separate(side, from: others)
        trace.fault(now, "\(side) and \(others) are cut off from each other")
    }

    package func block(from: Int, to: Int) { network.block(from: from, to: to) }
    package func unblock(from: Int, to: Int) { network.unblock(from: from, to: to) }
    /// Of a link in one direction.
    package func setDistance(from: Int, to: Int, milliseconds: UInt64) {
        network.distances[from * servers.count + to] = milliseconds * 1_000_000
    }
    /// A server is told that its connection to another one broke.
    package func loseConnection(of server: Int, to other: Int) {
        receive(servers[server], .connectionLost(servers[other].id))
    }
    package func setWriteDelay(_ server: Int, milliseconds: ClosedRange<UInt64>) {
        servers[server].writeDelay = milliseconds.lowerBound * 1_000_000...milliseconds.upperBound * 1_000_000
    }
    package func healNetwork() { network.heal() }
    package func setClockRate(_ server: Int, percent: UInt64) {
        servers[server].setClock(rate: percent * 1_024 / 100, at: now)
    }
    package func jumpWallClock(_ server: Int, milliseconds: Int64) { servers[server].wallOffset += milliseconds }
    package func failNextSync(_ server: Int) { servers[server].files.failNextSync() }
    package func stallDisk(_ server: Int, milliseconds: UInt64) {
        servers[server].stalledUntil = now + milliseconds * 1_000_000
    }
    package func setCapacity(_ server: Int, bytes: UInt64) { servers[server].files.setCapacity(bytes) }
    package func usedBytes(_ server: Int) -> UInt64 { servers[server].files.usedBytes }
    package func takeSnapshot(_ server: Int) { receive(servers[server], .takeSnapshot) }

    // MARK: - From the seed

    package func beginFaults() {
        plan(.misfortune, after: faultRandom.within(20_000_000...400_000_000))
    }

    /// How long a server stays down depends on nothing but how often it has been down before: leaving out a misfortune
    /// changes as little as possible of the others.
    func planRestart(_ server: SimulatedServer) {
        var chance = SeededRandom(seed: misfortuneSeed ^ UInt64(server.number + 1) << 32 ^ UInt64(server.life))
        let delay = isHealing ? 10_000_000 : chance.skewed(5_000_000...1_500_000_000)
        plan(.end(.down(server: server.number)), after: delay)
    }

    func strike() {
        guard !isHealing else { return }
        faultRandom = SeededRandom(seed: misfortuneSeed &+ UInt64(misfortunes) &* 0x9E37_79B9_7F4A_7C15)
        let number = misfortunes
        misfortunes += 1
        plan(.misfortune, after: faultRandom.skewed(10_000_000...calm))
        if let only = options.onlyMisfortunes, !only.contains(number) { return }
        trace.misfortune = number
        misfortune()
        trace.misfortune = nil
    }

    private func misfortune() {
        let kinds: [Faults] = [
            .partitions, .partitions, .crashes, .powerLoss, .slowDisks, .failingSync, .fullDisks, .clockJumps, .pauses,
            .snapshots, .clientDeaths, .rot, .rot, .members, .members, .members, .transfers, .upgrades,
        ]
        guard let kind = faultRandom.pick(kinds.filter { faults.contains($0) }) else { return }
        let server = servers[victim()]
        switch kind {
        case .partitions: partition()
        case .crashes, .powerLoss: strikeDown(server, kind)
        case .slowDisks: slow(server)
        case .failingSync:
            guard server.process != nil else { return }
            trace.fault(now, "a coming sync of \(name(server)) will fail")
            server.files.failSync(after: faultRandom.within(0...2))
        case .fullDisks: fill(server)
        case .clockJumps where faultRandom.chance(percent: 50):
            let rate: UInt64 = faultRandom.within(clockRates)
            server.setClock(rate: rate, at: now)
            trace.fault(now, "the clock of \(name(server)) runs at \(rate * 100 / 1_024) percent")
        case .clockJumps:
            let jump = Int64(faultRandom.within(0...7_200_000)) - 3_600_000
            server.wallOffset += jump
            trace.fault(now, "the wall clock of \(name(server)) jumps by \(jump) ms")
        case .pauses: strikeStill(server)
        case .snapshots:
            if server.process != nil { receive(server, .takeSnapshot) }
        case .clientDeaths:
            guard let client = faultRandom.pick(clients) else { return }
            trace.fault(now, "client \(client.number) dies")
            client.die(in: self)
        case .rot: rot(server)
        case .members: simulatedOperator.changeMembers(in: self)
        case .transfers:
            if faultRandom.chance(percent: 50) {
                simulatedOperator.transfer(in: self)
            } else {
                simulatedOperator.stopCleanly(server, in: self)
            }
        case .upgrades: upgradeNext()
        default: return
        }
    }

    /// Any server, but the leader more often than others: it has most to lose.
    private func victim() -> Int {
        let inUse = servers.indices.filter { !servers[$0].isRetired }
        let any = faultRandom.pick(inUse) ?? 0
        guard faultRandom.chance(percent: 40), let leader else { return any }
        return leader
    }

    private func strikeDown(_ server: SimulatedServer, _ kind: Faults) {
        let losses: [SimulatedFileSystem.CrashLoss] = kind == .crashes ? [.nothing] : [.some, .everything]
        guard let loss = faultRandom.pick(losses) else { return }
        if faultRandom.chance(percent: 60) {
            // In the midst of its next pass that has something to do.
            server.interruption = .crash(afterEffects: faultRandom.below(6), loss)
            return
        }
        var victims = [server]
        if faultRandom.chance(percent: 25) { victims += servers.filter { _ in faultRandom.chance(percent: 50) } }
        for victim in victims where victim.process != nil {
            trace.fault(now, "\(name(victim)) crashes, loses \(loss)")
            crash(victim, loss)
            planRestart(victim)
        }
    }

    private func strikeStill(_ server: SimulatedServer) {
        let time = faultRandom.skewed(5_000_000...2_000_000_000)
        if faultRandom.chance(percent: 50) {
            server.interruption = .pause(afterEffects: faultRandom.below(5), nanoseconds: time)
        } else {
            pause(server, nanoseconds: time)
        }
    }

    private func slow(_ server: SimulatedServer) {
        if faultRandom.chance(percent: 50) {
            let time = faultRandom.skewed(20_000_000...2_000_000_000)
            server.stalledUntil = now + time
            trace.fault(now, "the disk of \(name(server)) hangs for \(time / 1_000_000) ms")
        } else {
            let slowest: UInt64 = faultRandom.within(1_000_000...60_000_000)
            server.writeDelay = 100_000...slowest
            trace.fault(now, "the disk of \(name(server)) takes up to \(slowest / 1_000) µs")
        }
    }

    private func fill(_ server: SimulatedServer) {
        server.files.setCapacity(server.files.usedBytes + faultRandom.below(409_600 as UInt64))
        trace.fault(now, "the disk of \(name(server)) is full")
        plan(.end(.fullDisk(server: server.number)), after: faultRandom.skewed(50_000_000...2_000_000_000))
    }

    private func partition() {
        let all = Array(servers.indices)
        switch faultRandom.below(9) {
        case 5, 6: return coup()
        case 7: return sleepyLeader()
        case 0:
            let one = victim()
            isolate(one)
            if faultRandom.chance(percent: 30) { network.hideFromClients(one) }
        case 1:
            let side = all.filter { _ in faultRandom.chance(percent: 50) }
            separate(side, from: all.filter { !side.contains($0) })
        case 2:
            let links = faultRandom.within(1...4)
            for _ in 0..<links {
                guard let from = faultRandom.pick(all), let to = faultRandom.pick(all) else { return }
                network.block(from: from, to: to)
                trace.fault(now, "nothing passes from \(from) to \(to)")
            }
        case 3:
            // One server sees only one other.
            let one = victim()
            let friend = faultRandom.below(all.count)
            separate([one], from: all.filter { $0 != friend })
            // Or the two of them see only each other.
            if faultRandom.chance(percent: 50) { separate([friend], from: all.filter { $0 != one }) }
        default:
            let one = victim()
            for other in all { network.block(from: one, to: other) }
            trace.fault(now, "nothing that \(name(servers[one])) says arrives")
        }
        plan(.end(.partition(crashes: nil)), after: faultRandom.skewed(20_000_000...2_500_000_000))
    }

    /// The leader is cut off with few friends and goes on alone, while the others elect another one; when the network
    /// is whole again, that one dies. Whose log wins?
    private func coup() {
        guard let old = leader else { return }
        let friends = servers.indices.filter { $0 != old && !servers[$0].isRetired && faultRandom.chance(percent: 20) }
        let side = [old] + friends
        separate(side, from: servers.indices.filter { !side.contains($0) })
        let dies = faults.contains(.crashes) && faultRandom.chance(percent: 60)
        plan(
            .end(.partition(crashes: dies ? faultRandom.chance(percent: 50) : nil)),
            after: faultRandom.within(300_000_000...1_500_000_000))
    }

    /// A leader that is cut off and whose clock is slow believes in itself for long, while the others have another one.
    private func sleepyLeader() {
        guard let old = leader else { return }
        let friends = servers.indices.filter { $0 != old && !servers[$0].isRetired && faultRandom.chance(percent: 30) }
        let side = [old] + friends.prefix(max(0, members.count / 2 - 1))
        separate(side, from: servers.indices.filter { !side.contains($0) })
        if faults.contains(.clockJumps) {
            for number in side { servers[number].setClock(rate: clockRates.lowerBound, at: now) }
            trace.fault(now, "the clocks of \(side) are slow")
        }
        plan(.end(.partition(crashes: nil)), after: faultRandom.within(300_000_000...1_500_000_000))
    }

    func end(_ ending: SimulationEvent.Ending) {
        switch ending {
        case .down(let number): start(servers[number])
        case .pause(let number, let life):
            if servers[number].life == life { resume(servers[number]) }
        case .partition(let crashes):
            network.heal()
            trace.fault(now, "the network is whole")
            guard let losesAll = crashes, !isHealing, let leader else { return }
            crash(leader, loss: losesAll ? .everything : .nothing)
            planRestart(servers[leader])
        case .fullDisk(let number): servers[number].files.setCapacity(64 << 20)
        }
    }

    /// All faults end, and everybody comes back.
    package func beginHealing() {
        isHealing = true
        trace.fault(now, "all faults end")
        healingBegan = now
        network.heal()
        network.weather = SimulatedNetwork.Weather()
        for server in servers {
            server.interruption = nil
            server.stalledUntil = 0
            server.setClock(rate: 1_024, at: now)
            server.writeDelay = 100_000...800_000
            server.files.setCapacity(64 << 20)
            resume(server)
            if server.process == nil, !server.isRetired { planRestart(server) }
        }
        for (turn, server) in servers.filter({ $0.featureLevel < Configuration.supportedFeatureLevel }).enumerated() {
            plan(.upgrade(server: server.number), after: UInt64(turn) * 400_000_000)
        }
        for client in clients { client.windDown(in: self) }
    }
}
