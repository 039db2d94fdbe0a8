import Raft
import Replica
import TupleSpace

/// What a client watches, and how far it has seen it. One copy is the client's, the other is the server's.
struct ClientSubscription {
    let client: Int
    let space: String
    let template: Template?
    let credential: Credential
    /// Everything up to here has been seen; nil before the first word.
    var position: Position?
    /// Counts the connections over which it was asked for.
    var attempt: UInt64 = 0
    /// Deliveries over this connection: none may be missing in between.
    var deliveries = 0

    /// When the last one of them arrives: none overtakes another.
    var arrivesAt: UInt64 = 0

    // The client's own.
    var server: Int?
    var heardAt: UInt64 = 0
    /// Where it began to watch, and all that it was told since.
    var beginning: Position?
    var told: [NaiveModel.Happening] = []

    init(client: Int, space: String, template: Template?, as credential: Credential) {
        self.client = client
        self.credential = credential
        self.space = space
        self.template = template
    }
}

extension NaiveModel.Happening {
    init(_ event: Event) {
        self.init(position: event.position, kind: event.kind, space: event.space, tuple: event.tuple)
    }
}

extension SimulatedClient {
    private static let silence: UInt64 = 1_500_000_000

    func beginSubscription(in cluster: SimulatedCluster) {
        guard !isScripted, !cluster.options.isSmallHistory, random.chance(percent: 40) else { return }
        let template = random.chance(percent: 50) ? nil : Template([.literal(.string("t1")), .any])
        let space = random.chance(percent: 80) ? Self.spaces[0] : Self.spaces[1]
        subscription = ClientSubscription(client: number, space: space, template: template, as: watcher(cluster))
        cluster.plan(.subscriptionPulse(client: number), after: random.within(10...400) * 1_000_000)
    }

    /// Connects anew if nothing was heard for long, and now and then without a reason.
    func pulseSubscription(in cluster: SimulatedCluster) {
        guard !isDead, var subscription else { return }
        cluster.plan(.subscriptionPulse(client: number), after: random.within(100...600) * 1_000_000)
        let isSilent = cluster.now - subscription.heardAt > Self.silence
        guard subscription.server == nil || isSilent || random.chance(percent: 8) else { return }
        if let old = subscription.server { cluster.receive(cluster.servers[old], .unsubscribe(client: number)) }
        subscription.attempt += 1
        subscription.deliveries = 0
        subscription.heardAt = cluster.now
        let server = cluster.anyServer(&random)
        subscription.server = server
        self.subscription = subscription
        guard let delay = cluster.network.clientDelay(server: server) else { return }
        cluster.trace.note(
            cluster.now,
            "client \(number) subscribes at \(server) from \(subscription.position.map { "\($0)" } ?? "now")")
        var asked = subscription
        asked.told.removeAll()
        cluster.plan(.subscribe(server: server, asked), after: delay)
    }

    func receive(_ batch: EventBatch, _ delivery: Int, _ attempt: UInt64, in cluster: SimulatedCluster) {
        guard !isDead, var subscription, attempt == subscription.attempt, subscription.server != nil else { return }
        if delivery == subscription.deliveries {
            subscription.deliveries += 1
            subscription.heardAt = cluster.now
            subscription.position = batch.position
            if subscription.beginning == nil { subscription.beginning = batch.position }
            subscription.told += batch.events.map(NaiveModel.Happening.init)
        } else {
            // A connection carries everything in order, or breaks.
            subscription.server = nil
        }
        self.subscription = subscription
    }
}

extension SimulatedCluster {
    /// Events leave a server for a subscriber.
    func tell(_ delivery: ReplicaEffects.EventDelivery, _ server: SimulatedServer, _ process: ServerProcess) {
        guard let place = process.subscriptions.firstIndex(where: { $0.token == delivery.token }) else { return }
        var subscription = process.subscriptions[place].subscription
        let batch = delivery.batch
        if let position = subscription.position {
            let told = batch.events.map(NaiveModel.Happening.init)
            if batch.position < position
                || !isTold(
                    told, to: subscription, after: position, through: batch.position,
                    latest: process.replica.appliedIndex.rawValue)
            {
                checker.report(
                    "a subscription tells each event once, in order",
                    "\(name(server)) tells client \(subscription.client) behind \(position), up to \(batch.position): "
                        + "\(batch.events.map(\.position))")
            }
        } else if !batch.events.isEmpty {
            checker.report("a subscription begins with its position", "\(name(server)): \(batch)")
        }
        subscription.position = batch.position
        let number = subscription.deliveries
        subscription.deliveries += 1
        statistics.eventsTold += UInt64(batch.events.count)
        if let delay = network.clientDelay(server: server.number) {
            subscription.arrivesAt = max(now + delay, subscription.arrivesAt + 1)
            plan(
                .events(client: subscription.client, attempt: subscription.attempt, number: number, batch),
                at: subscription.arrivesAt)
        }
        process.subscriptions[place].subscription = subscription
    }

    private func isTold(
        _ told: [NaiveModel.Happening], to subscriber: ClientSubscription, after: Position, through: Position,
        latest: UInt64
    ) -> Bool {
        checker.reference.model.isTold(
            told, in: subscriber.space, matching: subscriber.template, to: subscriber.credential, after: after,
            through: through, latest: latest)
    }

    /// A subscription was ended by the server: only for want of rights, since so few events as there are in a run are all kept.
    func ended(_ failure: Failure, _ subscription: ClientSubscription?, _ server: SimulatedServer) {
        guard failure.code != .positionGone else {
            return checker.report("a subscription goes on from its position", "\(name(server)): \(failure)")
        }
        guard let subscription, failure.code == .notAllowed || failure.code == .unknownToken else { return }
        let model = checker.reference.model
        guard
            !model.refuses(
                toRead: subscription.space, as: subscription.credential, from: subscription.position?.index ?? 0,
                through: model.index)
        else { return }
        checker.report(
            "a subscriber that may read is told",
            "\(name(server)) ends the subscription of client \(subscription.client): \(failure)")
    }

    /// What a subscriber has been told in all its connections together.
    func checkSubscriptions() {
        for client in clients {
            guard let subscription = client.subscription, let beginning = subscription.beginning,
                let position = subscription.position
            else { continue }
            let last = checker.reference.model.index
            if !isTold(subscription.told, to: subscription, after: beginning, through: position, latest: last) {
                checker.report(
                    "a subscription tells each event once, in order",
                    "client \(client.number) was told \(subscription.told.map(\.position)) behind \(beginning), up to "
                        + "\(position)")
            }
        }
    }

    /// A subscriber that has not seen everything; nil if all have.
    func unhealedSubscription() -> String? {
        guard let last = checker.reference.model.events.last?.position else { return nil }
        for client in clients where !client.isDead {
            guard let subscription = client.subscription else { continue }
            let now = checker.reference.model.index
            let (space, credential) = (subscription.space, subscription.credential)
            // Whoever may read nothing is told nothing, and that.
            if checker.reference.model.refuses(toRead: space, as: credential, from: now, through: now) { continue }
            if subscription.position ?? Position(index: 0, ordinal: 0) < last {
                return "client \(client.number) was told of events up to "
                    + "\(subscription.position.map { "\($0)" } ?? "none") of \(last)"
            }
        }
        return nil
    }

    /// A server that is in use, most of the time.
    func anyServer(_ random: inout SeededRandom) -> Int {
        // Those who have time learn who the members are.
        if isHealing, let member = random.pick(members) { return member.number }
        let number = random.below(servers.count)
        guard servers[number].isRetired else { return number }
        return random.below(servers.count)
    }
}
