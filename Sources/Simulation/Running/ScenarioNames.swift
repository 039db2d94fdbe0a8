extension MutationPage {
    /// A scenario of the documentation of consensus, in a few words.
    static func scenario(_ number: Int) -> String {
        names.indices.contains(number - 1) ? names[number - 1] : "no scenario"
    }

    private static let names = [
        "An answer before the sync; a crash.",
        "The applied index stored apart from the data; a crash between.",
        "A segment's name that is not durable.",
        "An overlapping request deletes committed entries.",
        "An entry of an older term is committed by counting (figure 8).",
        "An entry is durable before the term that it belongs to.",
        "Phantom durability: the completion of an overwritten write.",
        "A fresh leader answers a read before it has committed in its own term.",
        "A process that stood still around a change of leaders confirms a read.",
        "Logs are compared by length before term.",
        "A majority of the voters of before a change commits.",
        "One fewer than a majority confirms a read.",
        "Pre-vote: a longer log in an older term against a shorter one in a newer term.",
        "Partial partition: a leader without a majority is heard by one server, which refuses everyone.",
        "A learner was promoted, does not know it, and refuses its vote.",
        "Term and vote are not saved; a second vote in a term.",
        "Members are changed before the leader has committed in its own term.",
        "The leader that began a joint configuration is gone, and nobody leaves it.",
        "A leader dies right after it has applied a configuration.",
        "A removed leader or follower goes on.",
        "A snapshot keeps a conflicting tail behind it.",
        "A restart in the midst of receiving a snapshot.",
        "Two compactions in a row lose the members.",
        "An installed snapshot brings back an older membership.",
        "Packing a message skips an entry that is too big: a hole.",
        "A sync fails once and succeeds when tried again.",
        "The disk is full.",
        "A torn append counts, or a truncated segment is written again.",
        "A gap between snapshot and log after a restart.",
        "A conflicting tail, batches of one, and de-duplication that reports success: livelock.",
        "The reply is lost while leadership is handed over: two servers think they lead.",
        "A wall clock jumps an hour.",
        "A forwarded command is committed, its reply is lost, and the client tries again elsewhere.",
        "A leader is cut off together with clients.",
        "Two servers are restarted with each other's address.",
    ]
}
