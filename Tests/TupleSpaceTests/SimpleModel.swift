@testable import TupleSpace

/// The tuplespace as plainly as it can be said: lists that are scanned. What the state machine does must be the same.
struct SimpleModel {
    struct Stored {
        var id: UInt64
        var space: String
        var tuple: Tuple
        var holder: (session: UInt64, sequence: UInt64)?
        var leaseEnd: UInt64?
        /// Its lease ended while it was held.
        var hasPassed = false
        /// Nobody sees it before all who wait have been asked.
        var isOffered = false
    }

    struct Key: Equatable {
        var caller: String
        var key: String
        var digest: [UInt8]
    }

    struct Waiter {
        var id: UInt64
        var session: UInt64
        var sequence: UInt64
        var space: String
        var template: Template
        var deadline: UInt64?
        var holds: Bool
        var caller: String
        var key: Key?
        var statement: Statement?
    }

    struct Session {
        var caller: String
        var acknowledged: Set<UInt64> = []
        var floor: UInt64 = 0
        /// Nil is pending.
        var commands: [UInt64: Reply?] = [:]
    }

    struct KeptReply {
        var key: Key
        var reply: Reply
        var expiry: UInt64
    }

    var index: UInt64 = 0
    var leaseTime: UInt64 = 0
    var wallStamp: UInt64 = 0
    var lastID: UInt64 = 0
    var lastWaiter: UInt64 = 0
    var tuples: [Stored] = []
    var waiters: [Waiter] = []
    var sessions: [UInt64: Session] = [:]
    var ended: Set<UInt64> = []
    var kept: [KeptReply] = []
    var events: [Event] = []
    var answers: [Harness.Answer] = []
    private var ordinal: UInt32 = 0
    private var offers: [UInt64] = []
    private var isOffering = false

    mutating func begin(leaseTime: UInt64, wallStamp: UInt64) {
        index += 1
        ordinal = 0
        answers = []
        self.leaseTime = max(self.leaseTime, leaseTime)
        self.wallStamp = max(self.wallStamp, wallStamp)
        for _ in 0..<Limits.expiriesPerEntry {
            let due = waiters.filter { ($0.deadline ?? .max) <= self.leaseTime }
            guard let first = due.min(by: { ($0.deadline ?? .max, $0.id) < ($1.deadline ?? .max, $1.id) }) else {
                break
            }
            settle(first, .noMatch, keeps: true)
        }
        while true {
            let due = tuples.filter { ($0.leaseEnd ?? .max) <= self.leaseTime && !$0.hasPassed }
            guard let first = due.min(by: { ($0.leaseEnd ?? .max, $0.id) < ($1.leaseEnd ?? .max, $1.id) }) else {
                break
            }
            expire(first)
        }
        kept.removeAll { $0.expiry <= self.leaseTime }
    }

    private mutating func answer(_ session: UInt64, _ sequence: UInt64, _ reply: Reply) {
        answers.append(.init(session: session, sequence: sequence, reply: reply))
    }

    private mutating func emit(_ kind: Event.Kind, _ stored: Stored, caller: String) -> Position {
        let position = Position(index: index, ordinal: ordinal)
        ordinal += 1
        events.append(
            Event(
                position: position, kind: kind, space: stored.space,
                tuple: StoredTuple(id: TupleID(stored.id), tuple: stored.tuple), caller: caller))
        return position
    }

    private mutating func expire(_ stored: Stored) {
        guard let place = tuples.firstIndex(where: { $0.id == stored.id }) else { return }
        guard stored.holder == nil else { return tuples[place].hasPassed = true }
        _ = emit(.expire, stored, caller: "")
        tuples.remove(at: place)
    }

    private mutating func settle(_ waiter: Waiter, _ reply: Reply, keeps: Bool) {
        waiters.removeAll { $0.id == waiter.id }
        if keeps, let key = waiter.key { keep(key, reply) }
        sessions[waiter.session]?.commands[waiter.sequence] = .some(reply)
        answer(waiter.session, waiter.sequence, reply)
    }

    private mutating func keep(_ key: Key, _ reply: Reply) {
        if case .failed = reply { return }
        kept.append(KeptReply(key: key, reply: reply, expiry: leaseTime + Limits.idempotencyLifetimeMilliseconds))
    }

    // MARK: - Commands

    mutating func apply(_ header: CommandHeader, _ operation: Operation) {
        let (id, sequence) = (header.session.rawValue, header.sequence)
        if id == 0 {
            if case .expireSessions(let ids) = operation { end(ids.map(\.rawValue)) }
            return
        }
        if case .openSession = operation {
            if ended.contains(id) { return fail(id, sequence, .sessionExpired) }
            if sessions[id] == nil { sessions[id] = Session(caller: header.caller) }
            return answer(id, sequence, .done)
        }
        guard sessions[id] != nil else { return fail(id, sequence, .sessionExpired) }
        acknowledge(header)
        if isAcknowledged(id, sequence) { return fail(id, sequence, .alreadyAcknowledged) }
        if let known = sessions[id]?.commands[sequence] {
            if let reply = known { answer(id, sequence, reply) }
            return
        }
        switch operation {
        case .acknowledge: return answer(id, sequence, .done)
        case .endSession:
            end([id])
            return answer(id, sequence, .done)
        default: break
        }
        let reply = perform(header, operation, key: nil)
        sessions[id]?.commands[sequence] = .some(reply)
        if let reply { answer(id, sequence, reply) }
    }

    /// Messages are not the model's affair.
    private mutating func fail(_ session: UInt64, _ sequence: UInt64, _ code: Failure.Code) {
        answer(session, sequence, .failed(Failure(code, "")))
    }

    private func isAcknowledged(_ id: UInt64, _ sequence: UInt64) -> Bool {
        guard let session = sessions[id] else { return false }
        return sequence < session.floor || session.acknowledged.contains(sequence)
    }

    private mutating func acknowledge(_ header: CommandHeader) {
        let id = header.session.rawValue
        for sequence in (sessions[id]?.commands.keys.sorted() ?? []) where sequence < header.acknowledgedBelow {
            letGo(id, sequence)
        }
        let floor = max(sessions[id]?.floor ?? 0, header.acknowledgedBelow)
        sessions[id]?.floor = floor
        for sequence in header.acknowledged where !isAcknowledged(id, sequence) {
            letGo(id, sequence)
            sessions[id]?.acknowledged.insert(sequence)
        }
    }

    private mutating func letGo(_ id: UInt64, _ sequence: UInt64) {
        sessions[id]?.commands[sequence] = nil
        waiters.removeAll { $0.session == id && $0.sequence == sequence }
        tuples.removeAll { $0.holder.map { $0 == (id, sequence) } ?? false }
    }

    private mutating func end(_ ids: [UInt64]) {
        var returning: [(Stored, caller: String)] = []
        for id in ids {
            guard let session = sessions.removeValue(forKey: id) else { continue }
            ended.insert(id)
            waiters.removeAll { $0.session == id }
            for stored in tuples where stored.holder?.session == id { returning.append((stored, session.caller)) }
        }
        for (stored, caller) in returning.sorted(by: { $0.0.id < $1.0.id }) { giveBack(stored, caller: caller) }
    }

    private mutating func giveBack(_ stored: Stored, caller: String) {
        if stored.hasPassed {
            var stored = stored
            stored.holder = nil
            return expire(stored)
        }
        _ = emit(.giveBack, stored, caller: caller)
        guard let place = tuples.firstIndex(where: { $0.id == stored.id }) else { return }
        tuples[place].holder = nil
        offer([stored.id])
    }

    /// Each in turn goes to the waiters that want it, and then whatever that made others write.
    private mutating func offer(_ ids: [UInt64]) {
        for place in tuples.indices where ids.contains(tuples[place].id) { tuples[place].isOffered = true }
        offers += ids
        guard !isOffering else { return }
        isOffering = true
        while !offers.isEmpty { offerOne(offers.removeFirst()) }
        isOffering = false
    }

    private mutating func offerOne(_ id: UInt64) {
        while let place = tuples.firstIndex(where: { $0.id == id && $0.isOffered }) {
            let stored = tuples[place]
            let wanting = waiters.filter { waiter in
                waiter.statement.map { wants($0, stored) != nil }
                    ?? (waiter.space == stored.space && waiter.template.matches(stored.tuple))
            }
            guard let waiter = wanting.min(by: { $0.id < $1.id }) else { return tuples[place].isOffered = false }
            guard let statement = waiter.statement, let alternative = wants(statement, stored) else {
                tuples[place].isOffered = false
                let reply = takeOut(
                    stored, holder: waiter.holds ? (waiter.session, waiter.sequence) : nil, caller: waiter.caller)
                return settle(waiter, reply, keeps: true)
            }
            waiters.removeAll { $0.id == waiter.id }
            switch run(statement, alternative, candidate: stored, caller: waiter.caller) {
            case .failure(let failure): settle(waiter, .failed(failure), keeps: true)
            case .success(let done):
                offer(done.written)
                settle(waiter, done.reply, keeps: true)
                if done.written.contains(id) { return }
            }
        }
    }

    /// The first alternative whose guard would find it.
    private func wants(_ statement: Statement, _ stored: Stored) -> Int? {
        statement.alternatives.firstIndex { alternative in
            guard let (space, template) = alternative.guarded.looksFor else { return false }
            return space == stored.space && template.matches(stored.tuple)
        }
    }

    // MARK: - Statements

    private typealias Done = (reply: Reply, written: [UInt64])

    /// Tried on a copy, which takes this one's place if all went well.
    /// - Returns: nil if no guard finds anything.
    private mutating func run(_ statement: Statement, caller: String) -> Result<Done, Failure>? {
        for number in statement.alternatives.indices {
            let alternative = statement.alternatives[number]
            guard let (space, template) = alternative.guarded.looksFor else {
                return run(statement, number, candidate: nil, caller: caller)
            }
            if let found = visible(space, template).min(by: { $0.id < $1.id }) {
                return run(statement, number, candidate: found, caller: caller)
            }
        }
        return nil
    }

    private mutating func run(
        _ statement: Statement, _ number: Int, candidate: Stored?, caller: String
    ) -> Result<Done, Failure> {
        var trial = self
        var steps = ModelStatement(caller: caller)
        guard steps.guarded(statement.alternatives[number].guarded, candidate, in: &trial),
            statement.alternatives[number].steps.allSatisfy({ steps.add($0, in: &trial) })
        else { return .failure(Failure(.statementFailed, "")) }
        self = trial
        return .success((.statement(alternative: number, results: steps.results), steps.written))
    }

    /// What has happened so far.
    var now: Position {
        max(events.last?.position ?? Position(index: 0, ordinal: 0), Position(index: index, ordinal: 0))
    }

    mutating func makeUnseen(_ space: String, _ tuple: Tuple, _ lease: Timeout, caller: String) -> (
        Reply, UInt64?
    ) {
        lastID = max(lastID + 1, wallStamp << 16)
        var stored = Stored(id: lastID, space: space, tuple: tuple)
        if case .milliseconds(let lease) = lease { stored.leaseEnd = leaseTime + lease }
        let position = emit(.write, stored, caller: caller)
        let reply = Reply.written(id: TupleID(stored.id), position: position)
        guard lease != .none else {
            _ = emit(.expire, stored, caller: "")
            return (reply, nil)
        }
        stored.isOffered = true
        tuples.append(stored)
        return (reply, stored.id)
    }

    mutating func changeUnseen(_ id: UInt64, _ tuple: Tuple, caller: String) -> Reply {
        guard let place = tuples.firstIndex(where: { $0.id == id }) else { return .noMatch }
        tuples[place].tuple = tuple
        tuples[place].isOffered = true
        return .written(id: TupleID(id), position: emit(.replace, tuples[place], caller: caller))
    }

    mutating func takeForStatement(_ stored: Stored, caller: String) -> Reply {
        takeOut(stored, holder: nil, caller: caller)
    }

    private mutating func takeOut(
        _ stored: Stored, holder: (session: UInt64, sequence: UInt64)?, caller: String
    ) -> Reply {
        let position = emit(.take, stored, caller: caller)
        if let place = tuples.firstIndex(where: { $0.id == stored.id }) {
            if let holder { tuples[place].holder = holder } else { tuples.remove(at: place) }
        }
        return .found(StoredTuple(id: TupleID(stored.id), tuple: stored.tuple), position: position)
    }

    func visible(_ space: String, _ template: Template) -> [Stored] {
        tuples.filter { $0.holder == nil && !$0.isOffered && $0.space == space && template.matches($0.tuple) }
    }

    /// - Returns: nil if it waits.
    private mutating func perform(_ header: CommandHeader, _ operation: Operation, key: Key?) -> Reply? {
        let (id, sequence) = (header.session.rawValue, header.sequence)
        switch operation {
        case .write(let space, let tuple): return write(space, tuple, lease: nil, header)
        case .writeLeased(let space, let tuple, let lease): return write(space, tuple, lease: lease, header)
        case .renew(let space, let id, let lease):
            guard let place = place(of: id, in: space) else { return .noMatch }
            tuples[place].leaseEnd = nil
            if case .milliseconds(let lease) = lease { tuples[place].leaseEnd = leaseTime + lease }
            if lease == .none { expire(tuples[place]) }
            return .done
        case .takeByID(let space, let id):
            guard let place = place(of: id, in: space) else { return .noMatch }
            return takeOut(tuples[place], holder: nil, caller: header.caller)
        case .takeAll(let space, let template, let page):
            var found = visible(space, template).sorted { $0.id < $1.id }.filter { stored in
                (page.after.map { TupleID(stored.id) > $0 } ?? true)
                    && (page.before.map { TupleID(stored.id) < $0 } ?? true)
            }
            if page.order == .newest { found.reverse() }
            for stored in found.prefix(page.limit) { _ = takeOut(stored, holder: nil, caller: header.caller) }
            let taken = found.prefix(page.limit).map { StoredTuple(id: TupleID($0.id), tuple: $0.tuple) }
            return .tuples(taken, more: found.count > page.limit)
        case .replace(let space, let id, let tuple):
            guard let place = place(of: id, in: space) else { return .noMatch }
            tuples[place].tuple = tuple
            let stored = tuples[place]
            let position = emit(.replace, stored, caller: header.caller)
            offer([stored.id])
            return .written(id: id, position: position)
        case .take(let space, let template, let timeout, let holds):
            if let oldest = visible(space, template).min(by: { $0.id < $1.id }) {
                return takeOut(oldest, holder: holds ? (id, sequence) : nil, caller: header.caller)
            }
            if timeout == .none { return .noMatch }
            var deadline: UInt64?
            if case .milliseconds(let ms) = timeout { deadline = leaseTime + ms }
            lastWaiter += 1
            waiters.append(
                Waiter(
                    id: lastWaiter, session: id, sequence: sequence, space: space, template: template,
                    deadline: deadline,
                    holds: holds, caller: header.caller, key: key))
            return nil
        case .cancel(let target):
            if let waiter = waiters.first(where: { $0.session == id && $0.sequence == target }) {
                settle(waiter, .noMatch, keeps: false)
            }
            return .done
        case .release(let target):
            if let stored = tuples.first(where: { $0.holder.map { $0 == (id, target) } ?? false }) {
                giveBack(stored, caller: header.caller)
            }
            return .done
        case .statement(let statement):
            switch run(statement, caller: header.caller) {
            case .success(let done):
                offer(done.written)
                return done.reply
            case .failure(let failure): return .failed(failure)
            case nil: break
            }
            if statement.timeout == .none { return .noMatch }
            var deadline: UInt64?
            if case .milliseconds(let ms) = statement.timeout { deadline = leaseTime + ms }
            lastWaiter += 1
            waiters.append(
                Waiter(
                    id: lastWaiter, session: id, sequence: sequence, space: "", template: Template([]),
                    deadline: deadline, holds: false, caller: header.caller, key: key, statement: statement))
            return nil
        case .keyed(let name, let digest, let inner):
            return performKeyed(header, Key(caller: header.caller, key: name, digest: digest), inner)
        default: return .failed(Failure(.notAllowed, ""))
        }
    }

    private mutating func write(_ space: String, _ tuple: Tuple, lease: UInt64?, _ header: CommandHeader) -> Reply {
        lastID = max(lastID + 1, wallStamp << 16)
        let stored = Stored(id: lastID, space: space, tuple: tuple, leaseEnd: lease.map { leaseTime + $0 })
        let position = emit(.write, stored, caller: header.caller)
        tuples.append(stored)
        if lease == 0 { expire(stored) } else { offer([stored.id]) }
        return .written(id: TupleID(stored.id), position: position)
    }

    private func place(of id: TupleID, in space: String) -> Int? {
        tuples.firstIndex { TupleID($0.id) == id && $0.space == space && $0.holder == nil }
    }

    private mutating func performKeyed(_ header: CommandHeader, _ key: Key, _ inner: Operation) -> Reply? {
        if case .take(_, _, _, holds: true) = inner { return .failed(Failure(.malformed, "")) }
        if let reply = kept.first(where: { $0.key.caller == key.caller && $0.key.key == key.key }) {
            return reply.key == key ? reply.reply : .failed(Failure(.idempotencyMismatch, ""))
        }
        if let place = waiters.firstIndex(where: { $0.key?.caller == key.caller && $0.key?.key == key.key }) {
            guard waiters[place].key == key else { return .failed(Failure(.idempotencyMismatch, "")) }
            let (session, sequence) = (waiters[place].session, waiters[place].sequence)
            let superseded = Reply.failed(Failure(.superseded, ""))
            sessions[session]?.commands[sequence] = .some(superseded)
            answer(session, sequence, superseded)
            waiters[place].session = header.session.rawValue
            waiters[place].sequence = header.sequence
            return nil
        }
        let reply = perform(header, inner, key: key)
        if let reply { keep(key, reply) }
        return reply
    }
}
