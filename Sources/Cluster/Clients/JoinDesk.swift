import Raft
import TupleSpace

/// Servers that wait to be added, and say so here again and again: for the operator who adds them by name.
///
/// Whoever reaches the clients' door may say that. It changes nothing, is bounded, and soon forgotten.
struct JoinDesk {
    static let limit = 16
    static let rememberedMilliseconds: UInt64 = 10_000

    private struct Waiting {
        var member: Member
        var heardAt: MonotonicTime
    }

    private var waiting: [Waiting] = []

    /// In order of arrival.
    var members: [Member] { waiting.map(\.member) }

    /// - Throws: why it cannot be added so, in a sentence for whoever started that server.
    mutating func heard(_ member: Member, among members: [Member], at now: MonotonicTime) throws(Failure) {
        if let problem = member.problem { throw Failure(.malformed, "a server that wants to join: \(problem)") }
        if let own = members.first(where: { $0.id == member.id }) {
            // It will find out from the others; until then it goes on asking.
            guard own.publicKey == member.publicKey || own.nextPublicKey == member.publicKey else {
                throw Failure(
                    .notAllowed, "server \(member.id) is the member \(own.name) already, with another key than this one"
                )
            }
            return waiting.removeAll { $0.member.id == member.id }
        }
        if let namesake = members.first(where: { $0.name == member.name }) {
            throw Failure(
                .notAllowed,
                "a member is called \(member.name) already, and is server \(namesake.id), not \(member.id): a data directory that was"
                    + " lost makes a new server. Choose another name, or remove that member first.")
        }
        forgetSilent(at: now)
        // Ids are no secret: another key under one is another server, for the operator to tell apart.
        let isSame = { (other: Waiting) in other.member.id == member.id && other.member.publicKey == member.publicKey }
        if let i = waiting.firstIndex(where: isSame) {
            waiting[i] = Waiting(member: member, heardAt: now)
            return
        }
        guard waiting.count < JoinDesk.limit else {
            throw Failure(.busy, "\(JoinDesk.limit) servers wait here to be added, which is the limit")
        }
        waiting.append(Waiting(member: member, heardAt: now))
    }

    mutating func forgetSilent(at now: MonotonicTime) {
        guard !waiting.isEmpty else { return }
        waiting.removeAll { now.since($0.heardAt) > JoinDesk.rememberedMilliseconds * 1_000_000 }
    }
}
