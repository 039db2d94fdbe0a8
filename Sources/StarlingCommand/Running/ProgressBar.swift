import Synchronization

/// How far something is, on standard error: a bar in a terminal, a line each tenth elsewhere.
final class ProgressBar: Sendable {
    private struct State {
        var shownTenth = -1
        var shownAt: ContinuousClock.Instant
        var highest = 0
    }

    private let title: String
    private let total: Int
    private let began = ContinuousClock.now
    private let state: Mutex<State>

    init(_ title: String, total: Int) {
        self.title = title
        self.total = total
        state = Mutex(State(shownAt: began - .seconds(1)))
    }

    /// From any thread, in any order.
    func show(_ done: Int) {
        state.withLock { state in
            state.highest = max(state.highest, done)
            let now = ContinuousClock.now
            if Terminal.isWatched {
                guard now - state.shownAt > .milliseconds(100) || done == total else { return }
                state.shownAt = now
                let filled = total > 0 ? state.highest * 40 / total : 40
                let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 40 - filled)
                Terminal.progress("\r\(title) \(bar) \(Figures.grouped(state.highest)) of \(Figures.grouped(total))")
            } else {
                let tenth = total > 0 ? state.highest * 10 / total : 10
                guard tenth > state.shownTenth else { return }
                state.shownTenth = tenth
                Terminal.progress("\(title): \(Figures.grouped(state.highest)) of \(Figures.grouped(total))\n")
            }
        }
    }

    func end() {
        if Terminal.isWatched { Terminal.progress("\r\u{1b}[K") }
        Terminal.progress("\(title): done in \(Figures.text(ContinuousClock.now - began))\n")
    }
}
