import Testing

@testable import starling

@Suite("Who watches over a server") struct SupervisorTests {
    /// A supervisor whose times are seconds, and what it wants.
    private struct Watched {
        var supervisor = Supervisor("a")
        var now = 0.0

        mutating func step(_ input: Supervisor.Input, after seconds: Double = 0) -> [Supervisor.Action] {
            now += seconds
            return supervisor.step(input, at: .milliseconds(Int64((now * 1_000).rounded())))
        }

        /// What is to be done, without what is said.
        mutating func deeds(_ input: Supervisor.Input, after seconds: Double = 0) -> [Supervisor.Action] {
            step(input, after: seconds).filter { if case .say = $0 { false } else { true } }
        }

        /// Ticks ten times a second until something is to be done.
        mutating func wait(atMost seconds: Double = 1_000) -> (actions: [Supervisor.Action], after: Double) {
            let began = now
            while now - began < seconds {
                let actions = deeds(.tick, after: 0.1)
                if !actions.isEmpty { return (actions, now - began) }
            }
            return ([], seconds)
        }

        mutating func serve() {
            _ = step(.begin)
            _ = wait()
            _ = step(.answered)
        }
    }

    private static func said(_ actions: [Supervisor.Action]) -> String {
        actions.compactMap { if case .say(let text) = $0 { text } else { nil } }.joined(separator: "; ")
    }

    @Test("A server that exits is started again, each time after twice as long, up to the longest") func growingDelays()
    {
        var watched = Watched()
        #expect(watched.deeds(.begin) == [.start])
        var delays: [Double] = []
        for number in 1...8 {
            let actions = watched.step(.exited(.signal(9)), after: 1)
            #expect(Self.said(actions).contains("was killed (signal 9): it is started again in"))
            let (next, after) = watched.wait()
            #expect(next == [.start])
            delays.append((after * 10).rounded() / 10)
            #expect(watched.supervisor.restarts == number)
        }
        #expect(delays == [0.5, 1, 2, 4, 8, 16, 30, 30])
    }

    @Test("One that somebody asked to end, for a restart, is started again too") func restarted() {
        var watched = Watched()
        watched.serve()
        #expect(Self.said(watched.step(.exited(.code(0)))).contains("it is started again in 500 ms"))
        #expect(watched.wait().actions == [.start])
    }

    @Test("One that has served for a minute begins with the shortest delay again") func settles() {
        var watched = Watched()
        watched.serve()
        for _ in 0..<3 {
            _ = watched.step(.exited(.code(1)))
            _ = watched.wait()
            _ = watched.step(.answered)
        }
        for _ in 0..<30 {
            #expect(watched.wait().actions == [.probe])
            #expect(watched.deeds(.answered).isEmpty)
        }
        #expect(Self.said(watched.step(.exited(.code(1)))).contains("in 500 ms"))
    }

    @Test("One that runs and stops answering is ended, then killed, then started again") func hangs() {
        var watched = Watched()
        watched.serve()
        var probes = 0
        while true {
            let (actions, _) = watched.wait(atMost: 20)
            if actions == [.terminate] { break }
            #expect(actions == [.probe])
            probes += 1
            _ = watched.step(.silent)
            guard probes < 20 else {
                Issue.record("it is never seen to hang")
                return
            }
        }
        #expect(probes == 4, "asked every two seconds, for ten")
        let (killed, after) = watched.wait()
        #expect(killed == [.kill] && after > 9.9 && after < 10.2)
        #expect(watched.wait(atMost: 100).actions.isEmpty, "and once only")
        #expect(Self.said(watched.step(.exited(.signal(9)))).contains("started again"))
        #expect(watched.wait().actions == [.start])
    }

    @Test("One that has not answered yet may be loading, or wait for the others: it is asked and let be") func loading()
    {
        var watched = Watched()
        _ = watched.step(.begin)
        for _ in 0..<100 {
            #expect(watched.wait().actions == [.probe])
            _ = watched.step(.silent)
        }
        #expect(Self.said(watched.step(.answered)).contains("serves, "))
        #expect(watched.supervisor.isServing)
    }

    @Test("There is one question at a time") func oneProbe() {
        var watched = Watched()
        _ = watched.step(.begin)
        #expect(watched.wait().actions == [.probe])
        #expect(watched.wait(atMost: 60).actions.isEmpty)
    }

    @Test(
        "One that was removed, or cannot be started so, is not started again",
        arguments: [(6, "was removed from its cluster"), (2, "mend its settings")])
    func final(code: Int32, reason: String) {
        var watched = Watched()
        watched.serve()
        let actions = watched.step(.exited(.code(code)))
        #expect(Self.said(actions).contains(reason) && actions.last == .finished)
        #expect(watched.wait(atMost: 100).actions.isEmpty && watched.supervisor.isOver)
    }

    @Test("When all is to end, a server that runs is ended, one that waits is not started") func stops() {
        var running = Watched()
        running.serve()
        #expect(running.deeds(.stop) == [.terminate])
        #expect(running.deeds(.stop).isEmpty)
        #expect(running.wait().actions == [.kill], "it may hang in its end")
        #expect(running.deeds(.exited(.signal(9))) == [.finished])
        var waiting = Watched()
        waiting.serve()
        _ = waiting.step(.exited(.code(1)))
        #expect(waiting.deeds(.stop) == [.finished])
        #expect(waiting.wait(atMost: 100).actions.isEmpty)
        var hanging = Watched()
        hanging.serve()
        while hanging.wait().actions != [.terminate] { _ = hanging.step(.silent) }
        #expect(hanging.deeds(.stop).isEmpty)
        #expect(hanging.deeds(.exited(.code(0))) == [.finished])
    }
}
