import ByteCoding
import ClientProtocol
import Raft
import TupleSpace
import ZeroMQ

/// A client of a Starling cluster: the tuplespace behind a wire.
///
/// One background thread owns the connection; all functions may be called from any task, thousands at once: what is
/// asked while the thread is busy goes out in one frame. An operation is tried at one server after another until
/// `ClientSettings.operationTimeout`, and is done once however often it was sent. When the time is up it throws
/// `no-leader` or `busy` if it was certainly not done, and `outcome-unknown` if it may have been.
///
/// A cancelled task gets nil from a `take` or `read` that waits, and a tuple that the take had found by then goes back
/// to its place.
public final class StarlingClient: TupleStore, Sendable {
    let inbox: Inbox
    let settings: ClientSettings
    private let store: RemoteStore

    /// Connects in the background; an unreachable cluster shows at the first operation.
    /// - Parameters:
    ///   - servers: at least one; the rest of the cluster is learnt from them.
    ///   - settings: how patient the client is, and whom it claims to be.
    /// - Throws: when the process can have no further thread, socket or descriptor.
    public init(servers: [ServerEndpoint], settings: ClientSettings = ClientSettings()) throws(ZeroMQError) {
        precondition(!servers.isEmpty, "a client needs the address of one server")
        let settings = settings.bounded
        let inbox = try Inbox()
        let start = settings.startsAnywhere ? Int.random(in: 0..<servers.count) : 0
        let list = ServerList(servers, startingAt: start)
        self.inbox = inbox
        self.settings = settings
        store = RemoteStore(inbox: inbox, settings: settings, session: nil)
        let context = try Context()
        try startThread(named: "starling-client") {
            Engine(inbox: inbox, settings: settings, servers: list, context: context).run()
        }
    }

    deinit { _ = inbox.put(.close(nil)) }

    /// Ends the sessions, so that held tuples return and waiting takes go at once, then the thread. What is under way
    /// fails.
    public func close() async {
        await withCheckedContinuation { continuation in
            if !inbox.put(.close(continuation)) { continuation.resume() }
        }
    }

    /// Opens a session of its own: its takes are held for it, and return to their places when it ends or stays silent
    /// for `timeout`. It is kept alive until it ends, or the client does.
    /// - Parameters:
    ///   - timeout: milliseconds, within `Limits.sessionTimeoutMilliseconds`; nil as the settings say.
    ///   - failureTuples: what it leaves when it ends without having been ended: see ``TupleSession/leave(_:)``.
    public func openSession(
        timeout: UInt64? = nil, leaving failureTuples: [FailureTuple] = []
    ) async throws(Failure) -> TupleSession {
        let id = SessionID(UInt64.random(in: 1...UInt64.max))
        let timeout = timeout ?? settings.sessionTimeout
        var writer = ByteWriter()
        Operation.openSession(timeoutMilliseconds: timeout).encode(into: &writer)
        let operation = writer.take()
        let requestID = inbox.makeID()
        let result = await withCheckedContinuation { continuation in
            let request = Request(
                id: requestID, body: .command(session: id, operation: operation), completion: .opened(continuation))
            if !inbox.put(.open(id, timeout: timeout, request)) { continuation.resume(returning: .failure(.closed)) }
        }
        try RemoteStore.requireDone(try result.get())
        let session = TupleSession(
            id: id, client: self, store: RemoteStore(inbox: inbox, settings: settings, session: id))
        guard !failureTuples.isEmpty else { return session }
        do {
            try await session.leave(failureTuples)
        } catch {
            try? await session.end()
            throw error
        }
        return session
    }

    /// The cluster as the connected server sees it: the JSON text of `GET /v1/cluster`.
    public func status() async throws(Failure) -> String {
        let answer = try await store.send(.status)
        guard let text = String(validating: answer.payload, as: UTF8.self) else {
            throw Failure(.malformed, "the status that the server sent is not UTF-8")
        }
        return text
    }

    // MARK: The cluster

    /// Changes the members, or the leader. Sent once: ask again when the outcome is unknown, after a look at the members.
    ///
    /// The client must have an operator's key (`ClientSettings.keys`), unless the servers run without encryption.
    /// - Throws: `not-allowed` without one; `outcome-unknown` when the server was lost meanwhile.
    public func cluster(_ request: ClusterRequest) async throws(Failure) -> ClusterOutcome {
        var writer = ByteWriter()
        request.encode(into: &writer)
        let answer = try await store.send(.cluster(writer.take()), wait: .milliseconds(15_000))
        // A failure comes as a reply, and was thrown.
        return try answer.decode("outcome") { reader throws(MalformedBytes) in try ClusterOutcome(from: &reader) }
    }

    /// Tells the server that this client is connected to of a server that waits to be added. It forgets that after some seconds.
    /// - Parameter member: what it would be; the key in force is the one of this client's connection.
    public func announce(_ member: Member) async throws(Failure) {
        var writer = ByteWriter()
        MemberChange.add(member).encode(into: &writer)
        try RemoteStore.requireDone(try await store.send(.join(writer.take())))
    }

    /// Bytes of a snapshot's file at the server that this client is connected to, for a backup. As an operator.
    /// - Throws: when there is no such snapshot (any more), at another server above all.
    public func snapshotPiece(_ request: SnapshotPieceRequest) async throws(Failure) -> SnapshotPiece {
        let answer = try await store.send(
            .snapshotPiece(request), wait: request.index == 0 ? .milliseconds(300_000) : .none)
        return try answer.decode("piece of a snapshot") { reader throws(MalformedBytes) in
            try SnapshotPiece(from: &reader)
        }
    }

    // MARK: TupleStore, in a session that the client opens for itself at the first need

    public func write(
        _ tuple: Tuple, to space: String, key: IdempotencyKey? = nil
    ) async throws(Failure) -> WriteResult {
        try await store.write(tuple, to: space, key: key)
    }

    public func perform(
        _ operation: TupleSpace.Operation, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.perform(operation, key: key)
    }

    public func perform(
        _ operation: TupleSpace.Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.perform(operation, under: header)
    }

    public func take(
        _ template: Template, from space: String, timeout: Timeout = .none, key: IdempotencyKey? = nil
    ) async throws(Failure) -> HeldTuple? {
        try await store.take(template, from: space, timeout: timeout, key: key)
    }

    public func read(
        _ template: Template, from space: String, timeout: Timeout = .none, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        try await store.read(template, from: space, timeout: timeout, consistency: consistency)
    }

    public func ask(
        _ query: Query, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.ask(query, consistency: consistency)
    }

    public func events(
        matching template: Template?, in space: String, after position: Position? = nil
    ) async throws(Failure) -> EventStream {
        try await store.events(matching: template, in: space, after: position)
    }
}
