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
        var isReserved = false

        var isVisible: Bool { holder == nil && !isOffered && !isReserved }
        var isHeld: Bool { holder != nil || isReserved }
    }

    struct Reservation {
        var id: UInt64
        var tuple: UInt64
        var end: UInt64
        var caller: String
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
        var hold: Hold
        var caller: String
        var credential: String
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
    var reservations: [Reservation] = []
    var testaments: [UInt64: (credential: String, tuples: [FailureTuple])] = [:]
    var policies: [String: Policy] = [:]
    var tokens: [TokenRecord] = []
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
        while true {
            let due = reservations.filter { $0.end <= self.leaseTime }
            guard let first = due.min(by: { ($0.end, $0.id) < ($1.end, $1.id) }) else { break }
            endReservation(first)
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
        guard !stored.isHeld else { return tuples[place].hasPassed = true }
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

    mutating func apply(_ command: CommandHeader, _ operation: Operation) {
        var header = command
        let (id, sequence) = (header.session.rawValue, header.sequence)
        if id == 0 {
            if case .expireSessions(let ids) = operation { end(ids.map(\.rawValue), dead: true) }
            return
        }
        guard let who = who(command.caller) else { return fail(id, sequence, .unknownToken) }
        header.caller = who.name
        if case .openSession = operation {
            if ended.contains(id) { return fail(id, sequence, .sessionExpired) }
            if sessions[id] == nil { sessions[id] = Session(caller: header.caller) }
            return answer(id, sequence, .done)
        }
        guard let session = sessions[id] else { return fail(id, sequence, .sessionExpired) }
        guard session.caller == "" || session.caller == who.name else { return fail(id, sequence, .notAllowed) }
        acknowledge(header)
        if isAcknowledged(id, sequence) { return fail(id, sequence, .alreadyAcknowledged) }
        if let known = sessions[id]?.commands[sequence] {
            if let reply = known { answer(id, sequence, reply) }
            return
        }
        switch operation {
        case .acknowledge: return answer(id, sequence, .done)
        case .endSession:
            end([id], dead: false)
            return answer(id, sequence, .done)
        default: break
        }
        let reply = perform(header, operation, key: nil, who, command.caller)
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

    private mutating func end(_ ids: [UInt64], dead: Bool) {
        var left: [(credential: String, tuples: [FailureTuple])] = []
        var returning: [(Stored, caller: String)] = []
        for id in ids {
            guard let session = sessions.removeValue(forKey: id) else { continue }
            ended.insert(id)
            if let testament = testaments.removeValue(forKey: id), dead { left.append(testament) }
            waiters.removeAll { $0.session == id }
            for stored in tuples where stored.holder?.session == id { returning.append((stored, session.caller)) }
        }
        for (stored, caller) in returning.sorted(by: { $0.0.id < $1.0.id }) { giveBack(stored, caller: caller) }
        for testament in left {
            for one in testament.tuples {
                guard let who = who(testament.credential), isAllowed([\.write], one.space, one.tuple, who) else {
                    continue
                }
                if let id = makeUnseen(one.space, one.tuple, one.lease, caller: who.name).1 { offer([id]) }
            }
        }
    }

    private mutating func endReservation(_ reservation: Reservation) {
        reservations.removeAll { $0.id == reservation.id }
        guard let stored = tuples.first(where: { $0.id == reservation.tuple }) else { return }
        giveBack(stored, caller: reservation.caller)
    }

    private mutating func giveBack(_ stored: Stored, caller: String) {
        if stored.hasPassed {
            var stored = stored
            stored.holder = nil
            stored.isReserved = false
            return expire(stored)
        }
        _ = emit(.giveBack, stored, caller: caller)
        guard let place = tuples.firstIndex(where: { $0.id == stored.id }) else { return }
        tuples[place].holder = nil
        tuples[place].isReserved = false
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
        var last: UInt64 = 0
        while let place = tuples.firstIndex(where: { $0.id == id && $0.isOffered }) {
            let stored = tuples[place]
            let wanting = waiters.filter { waiter in
                waiter.id > last
                    && (waiter.statement.map { wants($0, stored) != nil }
                        ?? (waiter.space == stored.space && waiter.template.matches(stored.tuple)))
            }
            guard let waiter = wanting.min(by: { $0.id < $1.id }) else { return tuples[place].isOffered = false }
            last = waiter.id
            guard let who = who(waiter.credential) else {
                settle(waiter, .failed(Failure(.unknownToken, "")), keeps: false)
                continue
            }
            guard let statement = waiter.statement else {
                if isForbidden([\.read, \.take], stored.space, who) {
                    settle(waiter, .failed(Failure(.notAllowed, "")), keeps: false)
                    continue
                }
                guard isAllowed([\.read, \.take], stored.space, stored.tuple, who) else { continue }
                tuples[place].isOffered = false
                let reply = takeOut(
                    stored, waiter.hold, by: (waiter.session, waiter.sequence), caller: waiter.caller)
                return settle(waiter, reply, keeps: true)
            }
            if trigger(waiter, statement, stored, who) { return }
        }
    }

    /// The guards of a waiting statement that match are asked in turn.
    /// - Returns: whether the tuple is in another's hands.
    private mutating func trigger(_ waiter: Waiter, _ statement: Statement, _ stored: Stored, _ who: Who) -> Bool {
        for number in statement.alternatives.indices where wants(statement, number, stored) {
            let rights: [KeyPath<Policy, Rule>] =
                statement.alternatives[number].guarded.takes ? [\.read, \.take] : [\.read]
            if isForbidden(rights, stored.space, who) {
                settle(waiter, .failed(Failure(.notAllowed, "")), keeps: true)
                return false
            }
            guard isAllowed(rights, stored.space, stored.tuple, who) else { continue }
            waiters.removeAll { $0.id == waiter.id }
            switch run(statement, number, candidate: stored, who) {
            case .failure(let failure): settle(waiter, .failed(failure), keeps: true)
            case .success(let done):
                offer(done.written)
                settle(waiter, done.reply, keeps: true)
                return done.written.contains(stored.id)
            }
            return false
        }
        return false
    }

    private func wants(_ statement: Statement, _ number: Int, _ stored: Stored) -> Bool {
        guard let (space, template) = statement.alternatives[number].guarded.looksFor else { return false }
        return space == stored.space && template.matches(stored.tuple)
    }

    /// The first alternative whose guard would find it.
    private func wants(_ statement: Statement, _ stored: Stored) -> Int? {
        statement.alternatives.indices.first { wants(statement, $0, stored) }
    }

    // MARK: - Statements

    private typealias Done = (reply: Reply, written: [UInt64])

    /// Tried on a copy, which takes this one's place if all went well.
    /// - Returns: nil if no guard finds anything.
    private mutating func run(_ statement: Statement, _ who: Who) -> Result<Done, Failure>? {
        for number in statement.alternatives.indices {
            let alternative = statement.alternatives[number]
            guard let (space, template) = alternative.guarded.looksFor else {
                return run(statement, number, candidate: nil, who)
            }
            let rights: [KeyPath<Policy, Rule>] = alternative.guarded.takes ? [\.read, \.take] : [\.read]
            if isForbidden(rights, space, who) { return .failure(Failure(.notAllowed, "")) }
            if let found = visible(space, template, rights, who).min(by: { $0.id < $1.id }) {
                return run(statement, number, candidate: found, who)
            }
        }
        return nil
    }

    private mutating func run(
        _ statement: Statement, _ number: Int, candidate: Stored?, _ who: Who
    ) -> Result<Done, Failure> {
        var trial = self
        var steps = ModelStatement(who: who)
        guard steps.guarded(statement.alternatives[number].guarded, candidate, in: &trial),
            statement.alternatives[number].steps.allSatisfy({ steps.add($0, in: &trial) })
        else { return .failure(Failure(steps.isForbidden ? .notAllowed : .statementFailed, "")) }
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
        takeOut(stored, caller: caller)
    }

    private mutating func takeOut(
        _ stored: Stored, _ hold: Hold = .none, by holder: (session: UInt64, sequence: UInt64) = (0, 0), caller: String
    ) -> Reply {
        let position = emit(.take, stored, caller: caller)
        let result = StoredTuple(id: TupleID(stored.id), tuple: stored.tuple)
        guard let place = tuples.firstIndex(where: { $0.id == stored.id }) else { return .noMatch }
        switch hold {
        case .none: tuples.remove(at: place)
        case .session: tuples[place].holder = holder
        case .reservation(let milliseconds):
            tuples[place].isReserved = true
            lastID = max(lastID + 1, wallStamp << 16)
            reservations.append(
                Reservation(id: lastID, tuple: stored.id, end: leaseTime + milliseconds, caller: caller))
            return .reserved(ReservationID(lastID), result, position: position)
        }
        return .found(result, position: position)
    }

    func visible(
        _ space: String, _ template: Template, _ rights: [KeyPath<Policy, Rule>], _ who: Who
    ) -> [Stored] {
        tuples.filter {
            $0.isVisible && $0.space == space && template.matches($0.tuple) && isAllowed(rights, space, $0.tuple, who)
        }
    }

    /// Why somebody may not do something with a tuple that is there; nil if they may.
    private func refusal(_ right: KeyPath<Policy, Rule>, _ place: Int, _ who: Who) -> Reply? {
        let (space, tuple) = (tuples[place].space, tuples[place].tuple)
        if isForbidden([\.read], space, who) { return .failed(Failure(.notAllowed, "")) }
        guard isAllowed([\.read], space, tuple, who) else { return .noMatch }
        return isAllowed([right], space, tuple, who) ? nil : .failed(Failure(.notAllowed, ""))
    }

    /// - Returns: nil if it waits.
    private mutating func perform(
        _ header: CommandHeader, _ operation: Operation, key: Key?, _ who: Who, _ credential: String
    ) -> Reply? {
        let (id, sequence) = (header.session.rawValue, header.sequence)
        switch operation {
        case .write(let space, let tuple): return write(space, tuple, lease: nil, header, who)
        case .writeLeased(let space, let tuple, let lease): return write(space, tuple, lease: lease, header, who)
        case .renew(let space, let id, let lease):
            guard let place = place(of: id, in: space) else { return .noMatch }
            if let refusal = refusal(\.write, place, who) { return refusal }
            tuples[place].leaseEnd = nil
            if case .milliseconds(let lease) = lease { tuples[place].leaseEnd = leaseTime + lease }
            if lease == .none { expire(tuples[place]) }
            return .done
        case .takeByID(let space, let id):
            guard let place = place(of: id, in: space) else { return .noMatch }
            if let refusal = refusal(\.take, place, who) { return refusal }
            return takeOut(tuples[place], caller: header.caller)
        case .takeAll(let space, let template, let page):
            if isForbidden([\.read, \.take], space, who) { return .failed(Failure(.notAllowed, "")) }
            var found = visible(space, template, [\.read, \.take], who).sorted { $0.id < $1.id }.filter { stored in
                (page.after.map { TupleID(stored.id) > $0 } ?? true)
                    && (page.before.map { TupleID(stored.id) < $0 } ?? true)
            }
            if page.order == .newest { found.reverse() }
            for stored in found.prefix(page.limit) { _ = takeOut(stored, caller: header.caller) }
            let taken = found.prefix(page.limit).map { StoredTuple(id: TupleID($0.id), tuple: $0.tuple) }
            return .tuples(taken, more: found.count > page.limit)
        case .replace(let space, let id, let tuple):
            guard let place = place(of: id, in: space) else { return .noMatch }
            if let refusal = refusal(\.take, place, who) { return refusal }
            guard isAllowed([\.write], space, tuple, who) else { return .failed(Failure(.notAllowed, "")) }
            tuples[place].tuple = tuple
            let stored = tuples[place]
            let position = emit(.replace, stored, caller: header.caller)
            offer([stored.id])
            return .written(id: id, position: position)
        case .take(let space, let template, let timeout, let holds):
            return take(header, space, template, timeout, holds ? .session : .none, key, who, credential)
        case .reserve(let space, let template, let timeout, let milliseconds):
            return take(header, space, template, timeout, .reservation(milliseconds), key, who, credential)
        case .reservation(let id, let action):
            guard let place = reservations.firstIndex(where: { $0.id == id.rawValue && $0.end > leaseTime }) else {
                return .noMatch
            }
            let reservation = reservations[place]
            guard reservation.caller == "" || reservation.caller == who.name else {
                return .failed(Failure(.notAllowed, ""))
            }
            switch action {
            case .complete:
                reservations.remove(at: place)
                tuples.removeAll { $0.id == reservation.tuple }
            case .extend(let milliseconds): reservations[place].end = leaseTime + milliseconds
            case .release: endReservation(reservation)
            }
            return .done
        case .leave(let tuples):
            guard tuples.allSatisfy({ isAllowed([\.write], $0.space, $0.tuple, who) }) else {
                return .failed(Failure(.notAllowed, ""))
            }
            testaments[id] = tuples.isEmpty ? nil : (credential, tuples)
            return .done
        case .setPolicy(let space, let policy): return setPolicy(policy, space, who)
        case .setToken(let token): return setToken(token, who)
        case .removeToken(let digest): return removeToken(digest, who)
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
            switch run(statement, who) {
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
                    deadline: deadline, hold: .none, caller: header.caller, credential: credential, key: key,
                    statement: statement))
            return nil
        case .keyed(let name, let digest, let inner):
            return performKeyed(
                header, Key(caller: header.caller, key: name, digest: digest), inner, who, credential)
        default: return .failed(Failure(.notAllowed, ""))
        }
    }

    private mutating func take(
        _ header: CommandHeader, _ space: String, _ template: Template, _ timeout: Timeout, _ hold: Hold, _ key: Key?,
        _ who: Who, _ credential: String
    ) -> Reply? {
        let (id, sequence) = (header.session.rawValue, header.sequence)
        if isForbidden([\.read, \.take], space, who) { return .failed(Failure(.notAllowed, "")) }
        if let oldest = visible(space, template, [\.read, \.take], who).min(by: { $0.id < $1.id }) {
            return takeOut(oldest, hold, by: (id, sequence), caller: header.caller)
        }
        if timeout == .none { return .noMatch }
        var deadline: UInt64?
        if case .milliseconds(let ms) = timeout { deadline = leaseTime + ms }
        lastWaiter += 1
        waiters.append(
            Waiter(
                id: lastWaiter, session: id, sequence: sequence, space: space, template: template,
                deadline: deadline, hold: hold, caller: header.caller, credential: credential, key: key))
        return nil
    }

    private mutating func write(
        _ space: String, _ tuple: Tuple, lease: UInt64?, _ header: CommandHeader, _ who: Who
    ) -> Reply {
        guard isAllowed([\.write], space, tuple, who) else { return .failed(Failure(.notAllowed, "")) }
        lastID = max(lastID + 1, wallStamp << 16)
        let stored = Stored(id: lastID, space: space, tuple: tuple, leaseEnd: lease.map { leaseTime + $0 })
        let position = emit(.write, stored, caller: header.caller)
        tuples.append(stored)
        if lease == 0 { expire(stored) } else { offer([stored.id]) }
        return .written(id: TupleID(stored.id), position: position)
    }

    private func place(of id: TupleID, in space: String) -> Int? {
        tuples.firstIndex { TupleID($0.id) == id && $0.space == space && $0.isVisible }
    }

    private mutating func performKeyed(
        _ header: CommandHeader, _ key: Key, _ inner: Operation, _ who: Who, _ credential: String
    ) -> Reply? {
        switch inner {
        case .take(_, _, _, holds: true), .leave: return .failed(Failure(.malformed, ""))
        default: break
        }
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
        let reply = perform(header, inner, key: key, who, credential)
        if let reply { keep(key, reply) }
        return reply
    }
}
