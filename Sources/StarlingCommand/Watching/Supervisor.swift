/// Decides, for one server, when it is started, asked for a sign of life, ended and started again. It holds no clock and no process: it is told
/// what happened, and says what is to be done. Times are those of one clock that nobody sets.
struct Supervisor {
    struct Rules: Equatable, Sendable {
        /// Before a server is started again; each time twice as long, up to the longest.
        var firstDelay = Duration.milliseconds(500)
        var longestDelay = Duration.seconds(30)
        /// One that has served so long begins with the first delay again.
        var settledAfter = Duration.seconds(60)
        var probeEvery = Duration.seconds(2)
        /// A server that runs and has not answered for so long hangs. One that has not answered yet may be loading, or wait for the others.
        var hangsAfter = Duration.seconds(10)
        /// From asking it to end to killing it.
        var endsWithin = Duration.seconds(10)
    }

    enum Input: Equatable, Sendable {
        case begin
        /// The probe that was asked for went through the server, and came back.
        case answered
        /// It did not.
        case silent
        case exited(ChildExit)
        case tick
        case stop
    }

    enum Action: Equatable, Sendable {
        case start
        case probe
        case terminate
        case kill
        case say(String)
        /// Nothing more will happen.
        case finished
    }

    private enum State: Equatable {
        case idle
        /// It runs, and has not answered yet.
        case starting(since: Duration)
        case serving(since: Duration, answeredAt: Duration)
        case ending(since: Duration, isKilled: Bool)
        case waiting(until: Duration)
        case over
    }

    let name: String
    let rules: Rules
    private var state = State.idle
    private var delay: Duration
    private var isStopping = false
    private var isProbing = false
    private var probedAt = Duration.zero
    private(set) var restarts = 0

    init(_ name: String, rules: Rules = Rules()) {
        self.name = name
        self.rules = rules
        delay = rules.firstDelay
    }

    var isServing: Bool { if case .serving = state { true } else { false } }
    var isOver: Bool { state == .over }

    mutating func step(_ input: Input, at now: Duration) -> [Action] {
        switch input {
        case .begin: return start(at: now)
        case .answered: return answered(at: now)
        case .silent:
            isProbing = false
            return []
        case .exited(let exit): return exited(exit, at: now)
        case .tick: return tick(at: now)
        case .stop: return stop(at: now)
        }
    }

    private mutating func start(at now: Duration) -> [Action] {
        state = .starting(since: now)
        isProbing = false
        probedAt = now
        return [.start]
    }

    private mutating func answered(at now: Duration) -> [Action] {
        isProbing = false
        switch state {
        case .starting(let since):
            state = .serving(since: now, answeredAt: now)
            return [.say("server \(name) serves, \(Figures.text(now - since)) after its start")]
        case .serving(let since, _):
            state = .serving(since: since, answeredAt: now)
            if now - since >= rules.settledAfter { delay = rules.firstDelay }
            return []
        case .idle, .ending, .waiting, .over: return []
        }
    }

    private mutating func exited(_ exit: ChildExit, at now: Duration) -> [Action] {
        guard !isStopping else { return finish("server \(name) \(exit.text)") }
        switch exit {
        case .code(Outcome.removed.rawValue):
            return finish("server \(name) was removed from its cluster: it is not started again")
        case .code(Outcome.wrongUsage.rawValue):
            return finish(
                "server \(name) cannot be started so: mend its settings, which its log complains about, and start again"
            )
        case .code, .signal:
            let pause = delay
            delay = min(delay * 2, rules.longestDelay)
            state = .waiting(until: now + pause)
            restarts += 1
            return [
                .say(
                    "server \(name) \(exit.text): it is started again in \(Figures.text(pause)), for the \(ordinal(restarts)) time"
                )
            ]
        }
    }

    private func ordinal(_ number: Int) -> String {
        let suffix =
            switch (number % 10, number % 100) {
            case (_, 11...13): "th"
            case (1, _): "st"
            case (2, _): "nd"
            case (3, _): "rd"
            default: "th"
            }
        return "\(number)\(suffix)"
    }

    private mutating func finish(_ sentence: String) -> [Action] {
        state = .over
        return [.say(sentence), .finished]
    }

    private mutating func tick(at now: Duration) -> [Action] {
        switch state {
        case .idle, .over: return []
        case .starting: return probe(at: now)
        case .serving(_, let answeredAt):
            let silence = now - answeredAt
            guard silence >= rules.hangsAfter else { return probe(at: now) }
            state = .ending(since: now, isKilled: false)
            return [
                .say(
                    "server \(name) runs, but has not answered for \(Figures.text(silence)): it hangs, and is stopped"),
                .terminate,
            ]
        case .ending(let since, let isKilled):
            guard !isKilled, now - since >= rules.endsWithin else { return [] }
            state = .ending(since: since, isKilled: true)
            return [
                .say("server \(name) does not end by itself within \(Figures.text(rules.endsWithin)), and is killed"),
                .kill,
            ]
        case .waiting(let until): return now >= until ? start(at: now) : []
        }
    }

    private mutating func probe(at now: Duration) -> [Action] {
        guard !isProbing, now - probedAt >= rules.probeEvery else { return [] }
        isProbing = true
        probedAt = now
        return [.probe]
    }

    private mutating func stop(at now: Duration) -> [Action] {
        guard !isStopping else { return [] }
        isStopping = true
        switch state {
        case .starting, .serving:
            state = .ending(since: now, isKilled: false)
            return [.terminate]
        case .ending, .over: return []
        case .idle, .waiting:
            state = .over
            return [.finished]
        }
    }
}
