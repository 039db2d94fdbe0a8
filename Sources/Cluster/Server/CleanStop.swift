import Raft
import Replica

/// What a server still does when it is asked to stop, each step for a bounded time: the session of its own gateways ends, so that what
/// they hold goes back at once; leadership goes to another, so that the cluster does not have to notice first; and what clients
/// have sent is still answered.
struct CleanStop {
    enum Stage: Equatable {
        case endingSession
        case handingOver
        /// Nothing new is taken from clients.
        case answering
        case over
    }

    /// Of the request for the hand-over: apart from those of both doors, which count up.
    static let token = RequestToken(.max)

    static let sessionMilliseconds: UInt64 = 300
    static let handOverMilliseconds: UInt64 = 800
    static let answeringMilliseconds: UInt64 = 200

    private(set) var stage: Stage
    private var since: MonotonicTime
    private var isHandOverOver = false

    init(now: MonotonicTime, handsOver: Bool) {
        since = now
        stage = handsOver ? .endingSession : .over
    }

    var takesRequests: Bool { stage == .endingSession || stage == .handingOver }

    /// The hand-over has an outcome.
    mutating func handedOver() { isHandOverOver = true }

    /// Once a pass, before it ends.
    mutating func advance(_ replica: inout Replica, isSessionOver: Bool, now: MonotonicTime) {
        func isLate(_ milliseconds: UInt64) -> Bool { now.since(since) >= milliseconds * 1_000_000 }
        switch stage {
        case .endingSession:
            guard isSessionOver || isLate(CleanStop.sessionMilliseconds) else { return }
            enter(.handingOver, now)
            if replica.isLeader, !isAlone(replica) { replica.clusterRequest(CleanStop.token, .transfer(to: nil)) }
            advance(&replica, isSessionOver: isSessionOver, now: now)
        case .handingOver:
            let isDone = isHandOverOver || isAlone(replica) || !replica.isLeader && replica.leader != nil
            guard isDone || isLate(CleanStop.handOverMilliseconds) else { return }
            enter(.answering, now)
            advance(&replica, isSessionOver: isSessionOver, now: now)
        case .answering:
            guard replica.commandsUnderWay == 0 || isLate(CleanStop.answeringMilliseconds) else { return }
            enter(.over, now)
        case .over: break
        }
    }

    private mutating func enter(_ stage: Stage, _ now: MonotonicTime) {
        self.stage = stage
        since = now
    }

    /// Nobody else could lead.
    private func isAlone(_ replica: Replica) -> Bool {
        replica.isRemoved || !replica.configuration.voters.contains { $0 != replica.id }
    }
}
