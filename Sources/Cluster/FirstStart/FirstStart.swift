import Raft

/// How servers that a plan names agree on their first configuration. A pure value; a shell sends, stores and keeps time.
///
/// Three steps, each waiting for **all** servers of the plan:
/// 1. *Gather*: every server tells its node id, which is on its disk already. Whoever knows all ids makes the configuration.
/// 2. *Hold*: it stores that configuration, for good, and tells that it has.
/// 3. *Finish*: whoever knows that every server holds the very same one may vote.
///
/// Why no two servers ever finish with different configurations: a server stores at most one in the life of its disk, and
/// finishing with X takes the word of every server, under the id that X gives it, that it holds X. Two that differ would need
/// two words of each server, and only a server that lost its disk, and so its id, could give them. Without step 3 a server
/// wiped during the first start could be in one configuration with its old id and in another with its new one.
///
/// A crash at any point loses only what others repeat. A wipe does no harm if the others hear the new id before they know all
/// ids; a later one never leads to two configurations, but ends the first start: it is refused, and says what to do.
public struct FirstStart: Sendable {
    public enum Input: Sendable {
        /// Also the first input. Time never goes back.
        case tick(MonotonicTime)
        /// - from: the server whose key the connection proved; nil if connections prove nothing.
        case message(FirstStartMessage, from: String?)
        /// The configuration of the last `persist` effect is durable.
        case persisted
    }

    public enum Effect: Equatable, Sendable {
        case send(FirstStartMessage, to: String)
        /// Make it durable as the held configuration, and say `persisted`.
        case persist(Configuration)
        /// The last effect: make it durable as the configuration in force, then vote.
        case finished(Configuration)
        /// The last effect: this server must not start.
        case refused(FirstStartRefusal)
    }

    /// What another server last said.
    private struct View: Equatable, Sendable {
        var node: NodeID
        var configuration: Configuration?
        var isFinished: Bool
    }

    private enum Stage: Equatable, Sendable {
        case gathering
        case storing(Configuration)
        case holding(Configuration)
        case over
    }

    public let plan: ServerPlan
    public let node: NodeID
    private let digest: UInt64
    private let interval: UInt64
    private var stage: Stage
    /// In the order of `plan.servers`; nothing at this server's own place.
    private var views: [View?]
    private var nextAsk: MonotonicTime?

    /// - Parameters:
    ///   - node: this server's id, durable already.
    ///   - held: the configuration that was stored by an earlier `persist`, if any.
    ///   - askEveryMilliseconds: how often servers that are still waited for are asked.
    public init(plan: ServerPlan, node: NodeID, held: Configuration?, askEveryMilliseconds: UInt64 = 200) {
        self.plan = plan
        self.node = node
        digest = plan.digest
        interval = askEveryMilliseconds
        stage = held.map(Stage.holding) ?? .gathering
        views = Array(repeating: nil, count: plan.servers.count)
    }

    public mutating func step(_ input: Input, into effects: inout [Effect]) {
        guard stage != .over else { return }
        switch input {
        case .tick(let now):
            advance(&effects)
            guard nextAsk.map({ $0 <= now }) ?? true else { return }
            nextAsk = now.advanced(byMilliseconds: interval)
            askTheRest(&effects)
        case .message(let message, let from):
            receive(message, from, &effects)
            advance(&effects)
        case .persisted:
            guard case .storing(let configuration) = stage else { return }
            stage = .holding(configuration)
            advance(&effects)
            askTheRest(&effects)
        }
    }

    // MARK: Telling

    private func message(asks: Bool) -> FirstStartMessage {
        // What is being stored is not told before it is durable.
        var held: Configuration?
        if case .holding(let configuration) = stage { held = configuration }
        return FirstStartMessage(
            name: plan.name, node: node, plan: digest, configuration: held, isFinished: false, asks: asks)
    }

    private func askTheRest(_ effects: inout [Effect]) {
        guard stage != .over else { return }
        for (position, server) in plan.servers.enumerated() where !isDone(position) {
            effects.append(.send(message(asks: true), to: server.name))
        }
    }

    // MARK: Listening

    private mutating func receive(_ message: FirstStartMessage, _ from: String?, _ effects: inout [Effect]) {
        guard from == nil || from == message.name, message.name != plan.name,
            let position = plan.servers.firstIndex(where: { $0.name == message.name })
        else { return }
        if let refusal = objection(to: message, position) {
            stage = .over
            effects.append(.refused(refusal))
            return
        }
        // A message that was overtaken takes nothing back: what a disk holds it holds for good, and a new disk has a new id.
        if views[position]?.node != message.node || message.configuration != nil {
            let finished =
                message.isFinished || (views[position].map { $0.node == message.node && $0.isFinished } ?? false)
            views[position] = View(node: message.node, configuration: message.configuration, isFinished: finished)
        }
        if case .gathering = stage, let configuration = message.configuration { store(configuration, &effects) }
        if message.asks { effects.append(.send(self.message(asks: false), to: message.name)) }
    }

    /// Why the message shows that this server cannot start.
    private func objection(to message: FirstStartMessage, _ position: Int) -> FirstStartRefusal? {
        guard message.plan == digest else { return .otherPlan(message.name) }
        if message.node == node { return .sameNode(message.name, plan.name) }
        for other in views.indices where other != position && views[other]?.node == message.node {
            return .sameNode(message.name, plan.servers[other].name)
        }
        guard let theirs = message.configuration else { return nil }
        if theirs[node]?.name != plan.name {
            return message.isFinished ? .clusterWithoutUs(message.name) : .begunWithoutUs(message.name)
        }
        guard isOfPlan(theirs) else { return .conflict(message.name) }
        switch stage {
        case .storing(let ours), .holding(let ours): return ours == theirs ? nil : .conflict(message.name)
        case .gathering, .over: return nil
        }
    }

    /// True if the configuration is the plan with an id for each server.
    private func isOfPlan(_ configuration: Configuration) -> Bool {
        configuration.featureLevel == Self.featureLevel && configuration.members.count == plan.servers.count
            && plan.servers.allSatisfy { server in
                configuration.members.contains { $0 == server.member(id: $0.id) }
            }
    }

    // MARK: Going on

    /// The same in all versions of the program, so that all make the same bytes; it is raised later, by agreement.
    private static let featureLevel: UInt32 = 1

    private mutating func store(_ configuration: Configuration, _ effects: inout [Effect]) {
        stage = .storing(configuration)
        effects.append(.persist(configuration))
    }

    private mutating func advance(_ effects: inout [Effect]) {
        switch stage {
        case .gathering:
            if let configuration = gathered() { store(configuration, &effects) }
        case .holding(let configuration):
            let everyoneHolds = plan.servers.indices.allSatisfy(isDone)
            let someoneKnows = views.contains { $0?.isFinished == true && $0?.configuration == configuration }
            guard everyoneHolds || someoneKnows else { return }
            stage = .over
            effects.append(.finished(configuration))
        case .storing, .over: return
        }
    }

    /// The configuration of everybody's ids; nil while one is missing.
    private func gathered() -> Configuration? {
        var members: [Member] = []
        for (position, server) in plan.servers.enumerated() {
            guard let id = isOwn(position) ? node : views[position]?.node else { return nil }
            members.append(server.member(id: id))
        }
        return Configuration(members: members, featureLevel: Self.featureLevel)
    }

    private func isOwn(_ position: Int) -> Bool { plan.servers[position].name == plan.name }

    /// True if nothing more is needed from a server.
    private func isDone(_ position: Int) -> Bool {
        if isOwn(position) { return true }
        // While gathering a server that told its id is asked on: it may meanwhile hold what this one can adopt.
        guard case .holding(let configuration) = stage, let view = views[position] else { return false }
        return view.configuration == configuration && configuration[view.node]?.name == plan.servers[position].name
    }

    /// What is known of the others, in order of name: for tests that compare states.
    var known: [(node: NodeID, configuration: Configuration?, isFinished: Bool)] {
        views.map { view in view.map { ($0.node, $0.configuration, $0.isFinished) } ?? (NodeID(0), nil, false) }
    }

    /// Whom this server waits for, and why, for the operator: in order of name.
    public var waitingFor: [(name: String, reason: String)] {
        plan.servers.indices.filter { !isDone($0) }.compactMap { position in
            let name = plan.servers[position].name
            guard let view = views[position] else { return (name, "has not answered yet") }
            guard case .holding(let configuration) = stage else { return nil }
            if configuration[view.node]?.name != name {
                return (
                    name, "began anew with an empty data directory; if no server of the cluster runs, empty all of them"
                )
            }
            return (name, "has not stored the first configuration yet")
        }
    }
}

/// Why a server must not start with its plan, and what to do about it.
public enum FirstStartRefusal: Equatable, Sendable, CustomStringConvertible {
    /// The named server was started with another plan.
    case otherPlan(String)
    /// The named servers have one node id: a data directory was copied.
    case sameNode(String, String)
    /// The cluster runs, and this server's id is not in it.
    case clusterWithoutUs(String)
    /// The first start was begun with an earlier data directory of this server; nobody has finished it as far as is known.
    case begunWithoutUs(String)
    /// The named server holds another first configuration.
    case conflict(String)

    public var description: String {
        switch self {
        case .otherPlan(let name):
            "server \(name) was started with another plan: give all servers the files of one `starling cluster plan`"
        case .sameNode(let a, let b):
            "servers \(a) and \(b) have the same node id: a data directory was copied; empty the copy and start it again"
        case .clusterWithoutUs(let name):
            "server \(name) belongs to a running cluster that does not know this server's data directory: a directory that "
                + "was lost makes a new server, which joins by `starling cluster add` and `starling serve --join`"
        case .begunWithoutUs(let name):
            "server \(name) has begun the first start with an earlier data directory of this server: if the cluster runs, join "
                + "it by `starling cluster add` and `starling serve --join`; if it never ran, empty the data directories "
                + "of all servers and start them again"
        case .conflict(let name):
            "server \(name) has begun the first start with other data directories: if the cluster never ran, empty the data "
                + "directories of all servers and start them again"
        }
    }
}

/// Answers servers of the plan that are late, or that lost their disks, once this one has finished.
public struct FirstStartResponder: Sendable {
    private let plan: ServerPlan
    private let answer: FirstStartMessage

    /// - Parameter configuration: the first one, durable as the one in force.
    public init(plan: ServerPlan, node: NodeID, configuration: Configuration) {
        self.plan = plan
        answer = FirstStartMessage(
            name: plan.name, node: node, plan: plan.digest, configuration: configuration, isFinished: true, asks: false)
    }

    /// - Returns: what is to be sent, and to whom; nil if nothing was asked.
    public func answer(to message: FirstStartMessage, from: String?) -> (message: FirstStartMessage, to: String)? {
        guard message.asks, from == nil || from == message.name, message.name != plan.name,
            plan.servers.contains(where: { $0.name == message.name })
        else { return nil }
        return (answer, message.name)
    }
}
