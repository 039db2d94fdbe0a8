import ByteCoding
import TupleSpace

/// The tuplespace as one would write it on a page: lists that are scanned. It shares no code with the state machine but
/// the types of values and the format of commands.
///
/// It keeps what it ever saw, with the log indices between which each tuple was visible, so that it can answer a read
/// as of any index.
struct NaiveModel {
    struct Item {
        var id: TupleID
        var space: String
        var tuple: Tuple
        /// Visible at the end of entry `i` if one of these has `from <= i < to`.
        var visible: [(from: UInt64, to: UInt64)]
        var leaseEnd: UInt64?
        /// Its lease ended while it was held.
        var hasPassed = false

        func isVisible(at index: UInt64) -> Bool { visible.contains { $0.from <= index && index < $0.to } }
        var isVisibleNow: Bool { visible.last?.to == .max }
    }

    private struct Waiter {
        var session: SessionID
        var sequence: UInt64
        var space: String
        var template: Template
        var deadline: UInt64?
        var holds: Bool
        var keyed: (caller: String, key: String, digest: [UInt8])?
    }

    private struct SessionState {
        var timeout: UInt64
        var floor: UInt64 = 0
        var acknowledged: Set<UInt64> = []
        /// Commands replied or waiting. Only looked up, or walked in ascending order.
        var replies: [UInt64: Reply?] = [:]
        /// Sequence number of a held take, and what it holds.
        var held: [UInt64: TupleID] = [:]

        func isAcknowledged(_ sequence: UInt64) -> Bool { sequence < floor || acknowledged.contains(sequence) }
    }

    /// An event, but for who did it.
    struct Happening: Equatable {
        var position: Position
        var kind: Event.Kind
        var space: String
        var tuple: StoredTuple
    }

    struct Answer {
        var reply: Reply
        /// The log index at which it was decided.
        var index: UInt64
    }

    private(set) var items: [Item] = []
    /// In the order of their positions.
    private(set) var events: [Happening] = []
    private var waiters: [Waiter] = []
    private var sessions: [SessionID: SessionState] = [:]
    private var keys: [String: (digest: [UInt8], reply: Reply)] = [:]
    private var leaseTime: UInt64 = 0
    private var wallStamp: UInt64 = 0
    private var lastID: UInt64 = 0
    private(set) var index: UInt64 = 0
    private var ordinal: UInt32 = 0
    /// The first answer to each command that was ever decided.
    private(set) var answers: [CommandName: Answer] = [:]
    /// Log index at which each session ended.
    private(set) var ended: [SessionID: UInt64] = [:]
    /// A tuple that was handed to a taker while another had it.
    private(set) var doubleTake: TupleID?
    /// Every command that ever did something, and one that did so again.
    private var performed: Set<CommandName> = []
    private(set) var performedTwice: CommandName?
    /// Clients never write the same tuple again, so whatever stands here was one command done twice.
    private var writtenTuples: Set<Tuple> = []
    private(set) var writtenTwice: Tuple?

    struct CommandName: Hashable {
        var session: SessionID
        var sequence: UInt64
    }

    var openSessions: [SessionID] { sessions.keys.sorted() }

    // MARK: - Applying

    mutating func skip(to index: UInt64) { self.index = index }

    mutating func apply(_ payload: [UInt8], at index: UInt64) {
        self.index = index
        ordinal = 0
        payload.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            guard (try? reader.readByte()) == 1, let lease = try? reader.readUInt64(),
                let wall = try? reader.readUInt64()
            else { return }
            leaseTime = max(leaseTime, lease)
            wallStamp = max(wallStamp, wall)
            expire()
            while !reader.isAtEnd {
                guard let length = try? reader.readUInt32(), let bytes = try? reader.readRaw(Int(length)) else {
                    return
                }
                command(bytes)
            }
        }
    }

    private mutating func command(_ bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        guard let header = try? CommandHeader(from: &reader), let operation = try? Operation(from: &reader) else {
            return
        }
        guard header.session.rawValue != 0 else {
            if case .expireSessions(let list) = operation { end(list) }
            return
        }
        if case .openSession(let timeout) = operation {
            // It ends once and for all: its commands might come once more too.
            if ended[header.session] != nil { return answer(header, .failed(Failure(.sessionExpired, ""))) }
            if sessions[header.session] == nil { sessions[header.session] = SessionState(timeout: timeout) }
            return answer(header, .done)
        }
        guard sessions[header.session] != nil else {
            return answer(header, .failed(Failure(.sessionExpired, "")))
        }
        acknowledge(header)
        guard let session = sessions[header.session] else { return }
        if session.isAcknowledged(header.sequence) {
            return answer(header, .failed(Failure(.alreadyAcknowledged, "")))
        }
        if session.replies[header.sequence] != nil { return }
        if case .acknowledge = operation { return answer(header, .done) }
        if case .endSession = operation {
            end([header.session])
            return answer(header, .done)
        }
        if !performed.insert(CommandName(session: header.session, sequence: header.sequence)).inserted {
            performedTwice = performedTwice ?? CommandName(session: header.session, sequence: header.sequence)
        }
        perform(operation, header)
    }

    private mutating func acknowledge(_ header: CommandHeader) {
        guard var session = sessions[header.session] else { return }
        session.floor = max(session.floor, header.acknowledgedBelow)
        for sequence in header.acknowledged where sequence >= session.floor { session.acknowledged.insert(sequence) }
        let done = session.replies.keys.filter { session.isAcknowledged($0) }.sorted()
        for sequence in done {
            session.replies[sequence] = nil
            session.held[sequence] = nil
        }
        sessions[header.session] = session
        waiters.removeAll { $0.session == header.session && session.isAcknowledged($0.sequence) }
    }

    private mutating func perform(_ operation: Operation, _ header: CommandHeader) {
        switch operation {
        case .openSession, .acknowledge, .endSession, .expireSessions, .raiseLevel:
            reply(header, .failed(Failure(.notAllowed, "")))
        case .write(let space, let tuple): reply(header, write(space, tuple, lease: nil))
        case .writeLeased, .renew, .takeByID, .takeAll, .replace: reply(header, change(operation))
        case .take(let space, let template, let timeout, let holds):
            take(header, space, template, timeout, holds, nil)
        case .cancel(let sequence):
            cancel(header.session, sequence)
            reply(header, .done)
        case .release(let sequence):
            release(header.session, sequence)
            reply(header, .done)
        // No simulated client makes one: the model beside the state machine's tests does.
        case .statement, .reserve, .reservation, .leave, .setPolicy, .setToken, .removeToken:
            reply(header, .failed(Failure(.unsupported, "")))
        case .keyed(let key, let digest, let inner): keyed(header, key, digest, inner)
        }
    }

    private mutating func keyed(_ header: CommandHeader, _ key: String, _ digest: [UInt8], _ operation: Operation) {
        let name = header.caller + "\u{0}" + key
        if let known = keys[name] {
            return reply(header, known.digest == digest ? known.reply : .failed(Failure(.idempotencyMismatch, "")))
        }
        if let place = waiters.firstIndex(where: { $0.keyed?.caller == header.caller && $0.keyed?.key == key }) {
            guard waiters[place].keyed?.digest == digest else {
                return reply(header, .failed(Failure(.idempotencyMismatch, "")))
            }
            // The later command waits in the earlier one's place.
            let earlier = (waiters[place].session, waiters[place].sequence)
            waiters[place].session = header.session
            waiters[place].sequence = header.sequence
            sessions[header.session]?.replies.updateValue(nil, forKey: header.sequence)
            return settle(earlier.0, earlier.1, .failed(Failure(.superseded, "")))
        }
        switch operation {
        case .write(let space, let tuple):
            let answer = write(space, tuple, lease: nil)
            keys[name] = (digest, answer)
            reply(header, answer)
        case .writeLeased, .renew, .takeByID, .takeAll, .replace:
            let answer = change(operation)
            keys[name] = (digest, answer)
            reply(header, answer)
        case .take(let space, let template, let timeout, _):
            take(header, space, template, timeout, false, (header.caller, key, digest))
        default: reply(header, .failed(Failure(.malformed, "")))
        }
    }

    // MARK: - Tuples

    /// What is done to tuples by their ids, to many, or for a while.
    private mutating func change(_ operation: Operation) -> Reply {
        switch operation {
        case .writeLeased(let space, let tuple, let lease): return write(space, tuple, lease: lease)
        case .renew(let space, let id, let lease):
            guard let place = place(of: id, in: space) else { return .noMatch }
            items[place].leaseEnd = nil
            if case .milliseconds(let lease) = lease { items[place].leaseEnd = leaseTime + lease }
            if lease == .none { endLease(place) }
            return .done
        case .takeByID(let space, let id):
            guard let place = place(of: id, in: space) else { return .noMatch }
            return takeForGood(place)
        case .takeAll(let space, let template, let page):
            var places = items.indices.filter { place in
                items[place].isVisibleNow && items[place].space == space && naivelyMatches(template, items[place].tuple)
                    && page.after.map { items[place].id > $0 } ?? true
                    && page.before.map { items[place].id < $0 } ?? true
            }
            if page.order == .newest { places.reverse() }
            let taken = places.prefix(page.limit)
            for place in taken { _ = takeForGood(place) }
            return .tuples(
                taken.map { StoredTuple(id: items[$0].id, tuple: items[$0].tuple) }, more: places.count > page.limit)
        case .replace(let space, let id, let tuple):
            guard let place = place(of: id, in: space) else { return .noMatch }
            hide(place)
            if !writtenTuples.insert(tuple).inserted { writtenTwice = writtenTwice ?? tuple }
            items.insert(
                Item(id: id, space: space, tuple: tuple, visible: [(index, .max)], leaseEnd: items[place].leaseEnd),
                at: place + 1)
            let position = event(.replace, space, StoredTuple(id: id, tuple: tuple))
            offer(place + 1)
            return .written(id: id, position: position)
        default: return .failed(Failure(.malformed, ""))
        }
    }

    private func place(of id: TupleID, in space: String) -> Int? {
        items.firstIndex { $0.id == id && $0.space == space && $0.isVisibleNow && ($0.leaseEnd ?? .max) > leaseTime }
    }

    private mutating func hide(_ place: Int) { items[place].visible[items[place].visible.count - 1].to = index }

    private mutating func takeForGood(_ place: Int) -> Reply {
        hide(place)
        items[place].leaseEnd = nil
        let stored = StoredTuple(id: items[place].id, tuple: items[place].tuple)
        return .found(stored, position: event(.take, items[place].space, stored))
    }

    private mutating func endLease(_ place: Int) {
        guard items[place].isVisibleNow else { return items[place].hasPassed = true }
        hide(place)
        items[place].leaseEnd = nil
        _ = event(.expire, items[place].space, StoredTuple(id: items[place].id, tuple: items[place].tuple))
    }

    private mutating func write(_ space: String, _ tuple: Tuple, lease: UInt64?) -> Reply {
        lastID = max(lastID + 1, wallStamp << 16)
        let id = TupleID(lastID)
        let position = event(.write, space, StoredTuple(id: id, tuple: tuple))
        if !writtenTuples.insert(tuple).inserted { writtenTwice = writtenTwice ?? tuple }
        items.append(
            Item(
                id: id, space: space, tuple: tuple, visible: [(index, .max)], leaseEnd: lease.map { leaseTime + $0 }))
        if lease == 0 { endLease(items.count - 1) } else { offer(items.count - 1) }
        return .written(id: id, position: position)
    }

    private mutating func event(_ kind: Event.Kind, _ space: String, _ tuple: StoredTuple) -> Position {
        defer { ordinal += 1 }
        let position = Position(index: index, ordinal: ordinal)
        events.append(Happening(position: position, kind: kind, space: space, tuple: tuple))
        return position
    }

    /// What a subscriber must be told that wants this and has seen everything up to `after`, once it has seen
    /// everything up to `through`.
    func events(in space: String, matching template: Template?, after: Position, through: Position) -> [Happening] {
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].position > after { high = middle } else { low = middle + 1 }
        }
        return events[low...].prefix { $0.position <= through }
            .filter { happening in
                guard happening.space == space else { return false }
                guard let template else { return true }
                return naivelyMatches(template, happening.tuple.tuple)
            }
    }

    /// The first waiter that came and matches gets it.
    private mutating func offer(_ place: Int) {
        let item = items[place]
        guard
            let first = waiters.firstIndex(where: { $0.space == item.space && naivelyMatches($0.template, item.tuple) })
        else { return }
        let waiter = waiters.remove(at: first)
        hand(place, to: waiter)
    }

    private mutating func hand(_ place: Int, to waiter: Waiter) {
        if !items[place].isVisibleNow { doubleTake = items[place].id }
        hide(place)
        if !waiter.holds { items[place].leaseEnd = nil }
        let stored = StoredTuple(id: items[place].id, tuple: items[place].tuple)
        let answer = Reply.found(stored, position: event(.take, items[place].space, stored))
        if waiter.holds { sessions[waiter.session]?.held[waiter.sequence] = stored.id }
        if let keyed = waiter.keyed { keys[keyed.caller + "\u{0}" + keyed.key] = (keyed.digest, answer) }
        settle(waiter.session, waiter.sequence, answer)
    }

    private mutating func take(
        _ header: CommandHeader, _ space: String, _ template: Template, _ timeout: Timeout, _ holds: Bool,
        _ keyed: (caller: String, key: String, digest: [UInt8])?
    ) {
        var waiter = Waiter(
            session: header.session, sequence: header.sequence, space: space, template: template, deadline: nil,
            holds: holds, keyed: keyed)
        // Items stand in the order of their ids: the first is the oldest.
        let found = items.firstIndex { $0.isVisibleNow && $0.space == space && naivelyMatches(template, $0.tuple) }
        if let found { return hand(found, to: waiter) }
        if timeout == .none { return missed(waiter) }
        if case .milliseconds(let ms) = timeout { waiter.deadline = leaseTime + ms }
        waiters.append(waiter)
        sessions[header.session]?.replies.updateValue(nil, forKey: header.sequence)
    }

    private mutating func missed(_ waiter: Waiter) {
        if let keyed = waiter.keyed { keys[keyed.caller + "\u{0}" + keyed.key] = (keyed.digest, .noMatch) }
        settle(waiter.session, waiter.sequence, .noMatch)
    }

    private mutating func giveBack(_ ids: [TupleID]) {
        for id in ids.sorted() {
            // The last of those that stood under this id.
            guard let place = items.lastIndex(where: { $0.id == id }) else { continue }
            if items[place].hasPassed {
                items[place].leaseEnd = nil
                _ = event(.expire, items[place].space, StoredTuple(id: id, tuple: items[place].tuple))
                continue
            }
            _ = event(.giveBack, items[place].space, StoredTuple(id: id, tuple: items[place].tuple))
            items[place].visible.append((index, .max))
            offer(place)
        }
    }

    private mutating func release(_ session: SessionID, _ sequence: UInt64) {
        guard let id = sessions[session]?.held.removeValue(forKey: sequence) else { return }
        giveBack([id])
    }

    private mutating func cancel(_ session: SessionID, _ sequence: UInt64) {
        guard let place = waiters.firstIndex(where: { $0.session == session && $0.sequence == sequence }) else {
            return
        }
        // Nothing was done under its key, if it had one: that is free again.
        let waiter = waiters.remove(at: place)
        settle(waiter.session, waiter.sequence, .noMatch)
    }

    /// First all their waiters go, then all that they held returns.
    private mutating func end(_ list: [SessionID]) {
        var held: [TupleID] = []
        for session in list {
            guard let state = sessions.removeValue(forKey: session) else { continue }
            ended[session] = index
            waiters.removeAll { $0.session == session }
            held += state.held.values
        }
        giveBack(held)
    }

    private mutating func expire() {
        let due = waiters.indices.filter { (waiters[$0].deadline ?? .max) <= leaseTime }
            .sorted { (waiters[$0].deadline ?? 0, $0) < (waiters[$1].deadline ?? 0, $1) }
        let overdue = due.map { waiters[$0] }
        for place in due.sorted(by: >) { waiters.remove(at: place) }
        for waiter in overdue { missed(waiter) }
        let ended = items.indices.filter { (items[$0].leaseEnd ?? .max) <= leaseTime && !items[$0].hasPassed }
            .sorted { (items[$0].leaseEnd ?? 0, items[$0].id) < (items[$1].leaseEnd ?? 0, items[$1].id) }
        for place in ended { endLease(place) }
    }

    // MARK: - Answers

    private mutating func reply(_ header: CommandHeader, _ reply: Reply) {
        settle(header.session, header.sequence, reply)
    }

    private mutating func settle(_ session: SessionID, _ sequence: UInt64, _ reply: Reply) {
        sessions[session]?.replies.updateValue(reply, forKey: sequence)
        note(CommandName(session: session, sequence: sequence), reply)
    }

    private mutating func answer(_ header: CommandHeader, _ reply: Reply) {
        note(CommandName(session: header.session, sequence: header.sequence), reply)
    }

    private mutating func note(_ name: CommandName, _ reply: Reply) {
        if answers[name] == nil { answers[name] = Answer(reply: reply, index: index) }
    }

    // MARK: - Reading, as of any index

    func visible(in space: String, at index: UInt64) -> [Item] {
        items.filter { $0.space == space && $0.isVisible(at: index) }
    }

    func answer(_ query: Query, at index: UInt64) -> Reply {
        switch query {
        case .read(let space, let template):
            guard let item = visible(in: space, at: index).first(where: { naivelyMatches(template, $0.tuple) }) else {
                return .noMatch
            }
            return .found(StoredTuple(id: item.id, tuple: item.tuple), position: Position(index: 0, ordinal: 0))
        case .count(let space, let template):
            return .count(UInt64(visible(in: space, at: index).count { naivelyMatches(template, $0.tuple) }))
        case .readAll(let space, let template, let page):
            var matching = visible(in: space, at: index).filter { item in
                naivelyMatches(template, item.tuple) && page.after.map { item.id > $0 } ?? true
                    && page.before.map { item.id < $0 } ?? true
            }
            if page.order == .newest { matching.reverse() }
            let stored = matching.prefix(page.limit).map { StoredTuple(id: $0.id, tuple: $0.tuple) }
            return .tuples(Array(stored), more: matching.count > page.limit)
        case .spaces, .policy, .tokens: return .failed(Failure(.unsupported, ""))
        }
    }

    /// Whether this very tuple appeared (written or given back) behind `from` and up to `through`.
    func appeared(_ id: TupleID, behind from: UInt64, through: UInt64) -> Bool {
        items.contains { $0.id == id && $0.visible.contains { $0.from > from && $0.from <= through } }
    }
}

/// Field by field, as the documentation of templates says it.
func naivelyMatches(_ template: Template, _ tuple: Tuple) -> Bool {
    guard template.fields.count == tuple.fields.count else { return false }
    return zip(template.fields, tuple.fields).allSatisfy { field, value in
        switch field {
        case .any: return true
        case .literal(let literal): return literal == value
        case .type(let type): return naivelyHasType(type, value)
        case .prefix(let prefix):
            guard case .string(let text) = value else { return false }
            return text.utf8.starts(with: prefix.utf8)
        case .regex(let pattern):
            guard case .string(let text) = value else { return false }
            return naivelyFinds(Array(pattern.utf8), Array(text.utf8))
        case .range(let lower, let upper, let open):
            guard case .int(let low) = lower, case .int(let high) = upper, case .int(let number) = value else {
                return false
            }
            return low <= number && (open ? number < high : number <= high)
        }
    }
}

/// Of regular expressions what the simulated clients use: characters, `.`, `*` behind one, `^` and `$` at the ends; by trying.
private func naivelyFinds(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    func here(_ p: Int, _ t: Int) -> Bool {
        if p == pattern.count { return true }
        if pattern[p] == UInt8(ascii: "$"), p == pattern.count - 1 { return t == text.count }
        let fits = t < text.count && (pattern[p] == UInt8(ascii: ".") || pattern[p] == text[t])
        if p + 1 < pattern.count, pattern[p + 1] == UInt8(ascii: "*") {
            return here(p + 2, t) || (fits && here(p, t + 1))
        }
        return fits && here(p + 1, t + 1)
    }
    if pattern.first == UInt8(ascii: "^") { return here(1, 0) }
    return (0...text.count).contains { here(0, $0) }
}

private func naivelyHasType(_ type: ValueType, _ value: Value) -> Bool {
    switch (type, value) {
    case (.string, .string), (.number, .int), (.number, .double), (.int, .int), (.float, .double), (.bool, .bool),
        (.bytes, .bytes), (.list, .list), (.map, .map), (.symbol, .symbol):
        true
    default: false
    }
}
