import Raft
import Replica

/// What an operator does with servers, and whether what the cluster tells the operator is true.
extension SimulatedCluster {
    func retire(_ id: NodeID) {
        guard let server = server(id), !server.isRetired, checker.configuration[id] == nil else { return }
        // In the healing phase it lives until it knows that it was removed.
        guard !isHealing, !simulatedOperator.mayYetAdd(id) else { return }
        trace.fault(now, "\(name(server)) is stopped for good")
        crash(server, .nothing)
        server.isRetired = true
    }

    func stop(_ number: Int, _ life: Int) {
        let server = servers[number]
        guard server.life == life, server.process != nil, !isHealing else { return }
        trace.fault(now, "\(name(server)) is stopped")
        crash(server, .nothing)
        planRestart(server)
    }

    func upgradeNext() {
        let old = servers.filter { $0.featureLevel < Configuration.supportedFeatureLevel && !$0.isRetired }
        if let server = faultRandom.pick(old) { upgrade(server) }
    }

    /// The next process on it is of the present program.
    func upgrade(_ server: SimulatedServer) {
        guard server.featureLevel < Configuration.supportedFeatureLevel else { return }
        trace.fault(now, "\(name(server)) is upgraded")
        server.featureLevel = Configuration.supportedFeatureLevel
        guard server.process != nil else { return }
        crash(server, .nothing)
        planRestart(server)
    }

    // MARK: - Outcomes

    func tell(_ outcome: ClusterOutcome, of request: OperatorRequest, _ server: SimulatedServer) {
        trace.fault(now, "\(name(server)) tells the operator: \(words(outcome))")
        check(outcome, of: request, by: server)
        guard let delay = network.clientDelay(server: server.number) else { return }
        plan(.operatorHears(id: request.id, outcome), after: delay)
    }

    private func check(_ outcome: ClusterOutcome, of request: OperatorRequest, by server: SimulatedServer) {
        switch outcome {
        case .changed(let index):
            statistics.membersChanged += 1
            guard case .change(let changes) = request.request else { break }
            let committed = checker.configurations[request.configurationsSeen...].filter { $0.index <= index }
            guard let last = committed.last, last.index == index, !last.configuration.isJoint else {
                return checker.report(
                    "a change that was told is committed",
                    "\(name(server)) says that the members changed at \(index); no configuration is committed there")
            }
            for change in changes where !committed.contains(where: { $0.configuration.says(change) }) {
                checker.report(
                    "a change that was told is committed",
                    "\(name(server)) says at \(index) that it is done: \(change); no committed configuration says so")
            }
        case .transferred(let leader, let term):
            statistics.transfers += 1
            if checker.leader(in: term) != leader {
                checker.report(
                    "a transfer that was told came about",
                    "\(name(server)) says that \(name(leader)) leads term \(term); it is "
                        + "\(checker.leader(in: term).map(name) ?? "nobody")")
            }
        case .refused, .unknown: break
        }
    }

    /// Nodes that were certainly not added are no members.
    func checkRefusals() {
        for id in simulatedOperator.refused
        where checker.configurations.contains(where: { $0.configuration[id] != nil }) {
            checker.report("what was refused is not done", "\(name(id)) was refused, and is a member")
        }
    }

    // MARK: - In words

    func words(_ request: ClusterRequest) -> String {
        switch request {
        case .transfer(let target): "move leadership to \(target.map(name) ?? "anyone")"
        case .change(let changes): changes.map(words).joined(separator: ", ")
        }
    }

    private func words(_ change: MemberChange) -> String {
        switch change {
        case .add(let member):
            "add \(member.name) as a \(member.role)\(member.promoteWhenCaughtUp ? " to be promoted" : "")"
        case .remove(let id): "remove \(name(id))"
        case .setRole(let id, let role): "make \(name(id)) a \(role)"
        case .setPromoteWhenCaughtUp(let id, let promotes):
            "\(promotes ? "promote" : "not promote") \(name(id)) when caught up"
        case .setAddresses(let id, let peer, _, _): "move \(name(id)) to \(peer)"
        case .setNextKey(let id, let key): "\(key == nil ? "take back" : "announce") a key of \(name(id))"
        case .adoptNextKey(let id): "let \(name(id)) use its new key"
        }
    }

    /// Nil for what the trace tells by other lines.
    func words(_ notice: Notice) -> String? {
        switch notice {
        case .becameLeader, .lostLeadership, .leaderChanged, .snapshotTaken: nil
        case .snapshotInstalled(let index, let sender):
            "goes on from the snapshot at \(index) of \(sender.map(name) ?? "itself")"
        case .sendingSnapshot(let index, let peer): "sends the snapshot at \(index) to \(name(peer))"
        case .sessionsExpired(let count): "lets \(count) sessions end"
        case .configurationChanged(let index): "has applied the configuration at \(index)"
        default: "notes \(notice)"
        }
    }

    private func words(_ outcome: ClusterOutcome) -> String {
        switch outcome {
        case .changed(let index): "done at \(index)"
        case .transferred(let leader, let term): "\(name(leader)) leads in term \(term)"
        case .refused(let code, let sentence): "refused, \(code): \(sentence)"
        case .unknown(let sentence): "unknown: \(sentence)"
        }
    }
}

extension Configuration {
    /// Whether it is as the change would have it.
    fileprivate func says(_ change: MemberChange) -> Bool {
        switch change {
        case .add(let member): self[member.id] != nil
        case .remove(let id): self[id] == nil
        case .setRole(let id, let role): self[id]?.role == role
        case .setPromoteWhenCaughtUp(let id, let promotes):
            self[id].map { $0.promoteWhenCaughtUp == promotes || $0.role == .voter } ?? false
        case .setAddresses(let id, let peer, let client, let http):
            self[id].map { $0.peerAddress == peer && $0.clientAddress == client && $0.httpAddress == http } ?? false
        case .setNextKey(let id, let key): self[id]?.nextPublicKey == key
        case .adoptNextKey(let id): self[id].map { $0.nextPublicKey == nil } ?? false
        }
    }
}
