/// What a change of the voters means for how many of them may fail: said before it is made.
struct QuorumForesight {
    let before: ClusterReport
    /// Names of the voters that there will be, in order.
    let voters: [String]

    init(_ before: ClusterReport, adding: [String] = [], removing: [String] = []) {
        self.before = before
        voters = (before.voters.map(\.name).filter { !removing.contains($0) } + adding).sorted()
    }

    static func tolerance(_ voters: Int) -> Int { max(0, (voters - 1) / 2) }

    static func sentence(_ voters: [String]) -> String {
        let tolerance = tolerance(voters.count)
        let may = tolerance == 0 ? "none of them may fail" : "\(tolerance) of them may fail at once"
        return "\(voters.count) voter\(voters.count == 1 ? "" : "s") (\(ClusterReport.list(voters))): \(may)"
    }

    var lines: [String] {
        let now = before.voters
        let silent = now.filter { !$0.reachable }.map(\.name)
        let note = silent.isEmpty ? "" : "; not heard at the moment: \(ClusterReport.list(silent))"
        return ["now:   \(Self.sentence(now.map(\.name)))\(note)", "after: \(Self.sentence(voters))"]
    }

    /// What only who insists may do: many at once, instead of one after another, each checked.
    /// - Returns: nil: nothing speaks against it.
    func objection(removing: [String]) -> String? {
        let leaving = before.voters.map(\.name).filter { removing.contains($0) }
        guard !leaving.isEmpty else { return nil }
        if voters.isEmpty { return "the cluster would be left without a voter, which nothing can undo" }
        if leaving.count * 2 > before.voters.count {
            return
                "\(ClusterReport.list(leaving)) are a majority of the \(before.voters.count) voters. Remove them one after another, so that"
                + " each step is seen to work, or say --force"
        }
        let heard = before.voters.filter { $0.reachable && voters.contains($0.name) }.count
        if heard < voters.count / 2 + 1 {
            return
                "of the \(voters.count) voters that there would be, only \(heard) are heard, and \(voters.count / 2 + 1) are needed. Bring the"
                + " others back, or remove them first"
        }
        return nil
    }
}
