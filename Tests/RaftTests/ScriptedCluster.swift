import Raft

/// Runs the commands of a script against a cluster and prints what happens. The commands stand in `Scripts/README.md`.
struct ScriptedCluster {
    private var cluster = TestCluster(1)
    private var hasBegun = false
    private var settings = Settings.fixed
    private let trace = Trace()

    /// Performs one command and returns what is to be seen of it.
    mutating func run(_ command: String) throws -> [String] {
        let words = command.split(separator: " ").map(String.init)
        guard let verb = words.first else { throw ScriptError("an empty command") }
        let arguments = Array(words.dropFirst())
        if verb == "settings" {
            try set(arguments)
            return []
        }
        if verb == "servers" {
            try begin(arguments)
            return []
        }
        guard hasBegun else { throw ScriptError("the first command is `servers`") }
        if try !drive(verb, arguments), try !disturb(verb, arguments), try !change(verb, arguments),
            try !show(verb, arguments)
        {
            throw ScriptError("unknown command: \(command)")
        }
        for violation in cluster.violations { trace.lines.append("VIOLATION: \(violation)") }
        cluster.violations = []
        defer { trace.lines = [] }
        return trace.lines
    }

    /// Before `servers`: a name and a number.
    private mutating func set(_ arguments: [String]) throws {
        switch arguments.first {
        case "lease-reads": settings.leaseReads = true
        case "adaptive-timeouts": settings.adaptiveTimeoutMilliseconds = Settings().adaptiveTimeoutMilliseconds
        case "request-bytes": settings.maximumRequestBytes = Int(try number(arguments, 1))
        case "inflight-requests": settings.maximumInflightRequests = Int(try number(arguments, 1))
        default: throw ScriptError("unknown setting")
        }
    }

    /// `servers 3`, or one argument for each: `a=1.1.2@3` is a log with entries of terms 1, 1, 2 in term 3.
    private mutating func begin(_ arguments: [String]) throws {
        if let first = arguments.first, arguments.count == 1, let count = Int(first) {
            cluster = TestCluster(count, settings: settings)
        } else {
            cluster = TestCluster(
                logs: try arguments.map { argument in
                    let parts = argument.drop { $0 != "=" }.dropFirst().split(separator: "@")
                    guard let last = parts.last, let term = UInt64(last) else {
                        throw ScriptError("not a log: \(argument)")
                    }
                    guard parts.count == 2 else { return (Term(term), []) }
                    return (Term(term), parts[0].split(separator: ".").compactMap { UInt64($0) })
                }, settings: settings)
        }
        hasBegun = true
        let trace = trace
        cluster.observe = { node, effects in trace.record(node, effects) }
    }

    private mutating func drive(_ verb: String, _ arguments: [String]) throws -> Bool {
        switch verb {
        case "expire": cluster.expire(try server(arguments, 0))
        case "wait":
            if arguments.count == 2 {
                cluster.wait(try server(arguments, 0), milliseconds: try number(arguments, 1))
            } else {
                cluster.wait(milliseconds: try number(arguments, 0))
            }
        case "propose":
            let text = arguments.dropFirst().joined(separator: " ")
            do {
                try cluster.propose(try server(arguments, 0), text)
            } catch let refused as ProposalRefused {
                trace.lines.append("refused: \(refused.inWords)")
            }
        case "transfer":
            let target = arguments.count > 1 ? try server(arguments, 1) : nil
            do {
                let chosen = try cluster.transfer(try server(arguments, 0), to: target)
                if target == nil { trace.lines.append("leadership goes to \(chosen.letter)") }
            } catch let refused as TransferRefused {
                trace.lines.append("refused: \(refused.inWords)")
            }
        case "read": cluster.step(try server(arguments, 0), .read(context: try number(arguments, 1)))
        case "deliver":
            let passes = try filter(arguments)
            cluster.deliver(where: passes)
        case "settle", "run", "elect":
            trace.isQuiet = true
            defer { trace.isQuiet = false }
            if verb == "settle" { cluster.settle() }
            if verb == "run" { cluster.run(milliseconds: try number(arguments, 0)) }
            if verb == "elect" { cluster.appoint(try server(arguments, 0)) }
        case "store":
            let writes = arguments.count > 1 ? Int(try number(arguments, 1)) : .max
            cluster.store(try server(arguments, 0), writes: writes)
        default: return false
        }
        return true
    }

    private mutating func change(_ verb: String, _ arguments: [String]) throws -> Bool {
        switch verb {
        case "join":
            let n = cluster.join()
            guard NodeID(UInt64(n)).letter == arguments.first else { throw ScriptError("the next server is another") }
        case "change":
            let n = try server(arguments, 0)
            let changes = try edits(arguments.dropFirst())
            do throws(ChangeRefused) {
                try cluster.change(n, changes)
            } catch {
                trace.lines.append("refused: \(error.inWords)")
            }
        default: return false
        }
        return true
    }

    /// `add d learn e remove b`: a verb, a letter, and for `move` an address.
    private func edits(_ words: ArraySlice<String>) throws -> [MemberChange] {
        var changes: [MemberChange] = []
        var rest = Array(words)
        while let verb = rest.first {
            let n = try server(rest, 1)
            let id = NodeID(UInt64(n))
            rest.removeFirst(2)
            switch verb {
            case "add": changes.append(.add(n))
            case "learner": changes.append(.add(n, .learner))
            case "learn": changes.append(.add(n, .learner, promoteWhenCaughtUp: true))
            case "remove": changes.append(.remove(id))
            case "promote": changes.append(.setRole(id, .voter))
            case "demote": changes.append(.setRole(id, .learner))
            case "move":
                guard !rest.isEmpty else { throw ScriptError("an address is missing") }
                changes.append(.setAddresses(id, peer: rest.removeFirst(), client: "", http: ""))
            default: throw ScriptError("unknown change: \(verb)")
            }
        }
        return changes
    }

    private mutating func disturb(_ verb: String, _ arguments: [String]) throws -> Bool {
        switch verb {
        case "drop":
            let passes = try filter(arguments)
            cluster.drop(where: passes)
        case "slow", "fast":
            let n = try server(arguments, 0)
            cluster.servers[n - 1].disk.isSlow = verb == "slow"
            if verb == "fast" { cluster.store(n) }
        case "lose-connection":
            cluster.step(
                try server(arguments, 0), .connectionLost(NodeID(UInt64(try server(arguments, 1)))))
        case "crash": cluster.crash(try server(arguments, 0))
        case "restart": cluster.restart(try server(arguments, 0))
        case "partition":
            let groups = try arguments.split(separator: "|").map { try $0.map { try server([$0], 0) } }
            cluster.partition(groups)
        case "heal": cluster.heal()
        case "snapshot":
            let n = try server(arguments, 0)
            let node = cluster[n]
            let index = LogIndex(arguments.count > 1 ? try number(arguments, 1) : node.commit.rawValue)
            cluster.step(n, .snapshotTaken(node.snapshotMetadata(at: index), keepFrom: index.next))
        case "stream":
            let from = try server(arguments, 0)
            let to = try server(arguments, 1)
            let disk = cluster.servers[from - 1].disk
            cluster.step(to, .snapshotReceived(disk.durable.snapshot, from: NodeID(UInt64(from))))
            cluster.step(from, .snapshotSent(to: NodeID(UInt64(to)), index: disk.durable.snapshot.index))
        default: return false
        }
        return true
    }

    private mutating func show(_ verb: String, _ arguments: [String]) throws -> Bool {
        switch verb {
        case "status":
            for server in cluster.servers { trace.lines.append(server.inWords) }
        case "network":
            for message in cluster.network { trace.lines.append(message.inWords) }
        default: return false
        }
        return true
    }

    /// No argument: all messages. One: those to it. Two: those from the first to the second.
    private func filter(_ arguments: [String]) throws -> (Message) -> Bool {
        switch arguments.count {
        case 0: return { _ in true }
        case 1:
            let to = NodeID(UInt64(try server(arguments, 0)))
            return { $0.to == to }
        default:
            let from = NodeID(UInt64(try server(arguments, 0)))
            let to = NodeID(UInt64(try server(arguments, 1)))
            return { $0.from == from && $0.to == to }
        }
    }

    private func server(_ arguments: [String], _ i: Int) throws -> Int {
        guard i < arguments.count, let letter = arguments[i].utf8.first, arguments[i].utf8.count == 1,
            (UInt8(ascii: "a")...UInt8(ascii: "g")).contains(letter)
        else { throw ScriptError("a server is a letter from a to g") }
        let n = Int(letter - UInt8(ascii: "a")) + 1
        guard n <= cluster.servers.count else { throw ScriptError("there is no server \(arguments[i])") }
        return n
    }

    private func number(_ arguments: [String], _ i: Int) throws -> UInt64 {
        guard i < arguments.count, let number = UInt64(arguments[i]) else { throw ScriptError("a number is missing") }
        return number
    }
}

struct ScriptError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
