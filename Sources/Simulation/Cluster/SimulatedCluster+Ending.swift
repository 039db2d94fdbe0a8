import Raft
import Replica
import TupleSpace

/// What must be so when a run ends.
extension SimulatedCluster {
    /// Why the cluster has not recovered completely; nil if it has.
    package func unhealed() -> String? {
        if let reason = unhealedMembers() ?? unhealedSubscription() { return reason }
        if let item = checker.reference.model.leased { return "tuple \(item.id) has not gone, and its lease is short" }
        if !options.isSmallHistory, let one = checker.reference.model.reservations.first {
            return "reservation \(one.id) has not ended"
        }
        for client in clients where !client.isIdle { return "client \(client.number) waits: \(client.whatItWaitsFor)" }
        for session in checker.reference.machine.sessions where !clients.contains(where: { $0.lives(session.id) }) {
            return "session \(session.id) of a dead client has not ended"
        }
        for server in members where appliedIndex(server.number) != checker.commit {
            return "\(name(server)) has applied \(appliedIndex(server.number)) of \(checker.commit)"
        }
        for server in members where server.process?.issued.last != checker.commit {
            return "\(name(server)) has uncommitted entries"
        }
        return unrepaired()
    }

    /// Of the latest committed configuration.
    var members: [SimulatedServer] { checker.configuration.members.compactMap { server($0.id) } }

    private func unhealedMembers() -> String? {
        let configuration = checker.configuration
        if configuration.isJoint { return "the joint configuration \(configuration.voterNames) is not left" }
        if let missing = configuration.members.first(where: { server($0.id) == nil }) {
            return "the member \(missing.name) does not exist any more"
        }
        for server in members {
            guard let process = server.process else { return "\(name(server)) is down" }
            if server.isPaused { return "\(name(server)) stands still" }
            if process.replica.leader == nil { return "\(name(server)) knows no leader" }
            if let latest = process.issued.configuration, latest.configuration != configuration {
                return "\(name(server)) goes by the configuration at \(latest.index)"
            }
            if !server.hasNotedMembership { return "\(name(server)) would not know after a crash that it is a member" }
        }
        for member in configuration.members where member.role == .learner && member.promoteWhenCaughtUp {
            return "\(member.name) is not promoted"
        }
        let isUniform = members.allSatisfy { $0.featureLevel == Configuration.supportedFeatureLevel }
        if isUniform, configuration.featureLevel < Configuration.supportedFeatureLevel {
            return "all support feature level \(Configuration.supportedFeatureLevel), and "
                + "\(configuration.featureLevel) is in force"
        }
        for server in servers {
            guard let process = server.process else { continue }
            if !process.operatorRequests.isEmpty { return "\(name(server)) has an operator's request open" }
            if let reason = unawareOfRemoval(server, process) { return reason }
        }
        return nil
    }

    /// A server that was removed learns it from any member that it knows, unless it crashed before it had noted that it was a member.
    private func unawareOfRemoval(_ server: SimulatedServer, _ process: ServerProcess) -> String? {
        guard checker.configuration[server.id] == nil, !process.replica.isRemoved, server.hasNotedMembership else {
            return nil
        }
        // Who stands in a configuration that was never committed was never a member.
        guard checker.configurations.contains(where: { $0.configuration[server.id] != nil }) else { return nil }
        let known = process.replica.configuration
        guard known[server.id] != nil, known.members.contains(where: { checker.configuration[$0.id] != nil }) else {
            return nil
        }
        return "\(name(server)) does not know that it was removed"
    }

    /// A damaged server votes again when a leader that was elected without it has brought it up to date; and asks for one.
    private func unrepaired() -> String? {
        members.first(where: \.isDamaged).map { "\(name($0)) is not repaired" }
    }

    /// Every server's state against the replay, tuple by tuple.
    package func checkFinalStates() {
        checkSubscriptions()
        checkRefusals()
        for space in SimulatedClient.spaces + [SimulatedClient.grants] {
            // Whoever asks sees what they may.
            for credential in [.anonymous] + clients.map(\.ownName) {
                for server in members { checkFinalState(of: server, space, as: credential) }
            }
        }
    }

    private func checkFinalState(of server: SimulatedServer, _ space: String, as credential: Credential) {
        guard let machine = server.process?.replica.machine else { return }
        let any = Template([.any, .any])
        for query in [
            Query.count(space: space, template: any),
            Query.readAll(space: space, template: any, page: Page(limit: Limits.pageTuples)),
        ] {
            let expected = checker.reference.model.answer(query, at: checker.commit.rawValue, as: credential)
            let answer = machine.answer(query, as: credential)
            if isSame(answer, expected) { continue }
            checker.report(
                "all replicas end equal",
                "\(name(server)) answers \(query), asked by \(credential), with \(answer.words), by the log \(expected.words)"
            )
        }
    }
}
