import ByteCoding
import Raft
import WriteAheadLog
import ZeroMQ

/// Runs the first start over a transport and a data directory, until this server may begin or must not.
struct FirstStartShell {
    private let plan: ServerPlan
    private let node: NodeID
    private let transport: any PeerTransport
    private let log: @Sendable (String) -> Void

    init(
        _ plan: ServerPlan, _ node: NodeID, _ transport: any PeerTransport,
        _ log: @escaping @Sendable (String) -> Void
    ) {
        self.plan = plan
        self.node = node
        self.transport = transport
        self.log = log
    }

    /// Blocks until all servers of the plan have agreed; tells the log whom it waits for.
    func run(_ directory: inout OwnedDirectory) throws(StartFailure) {
        var state = FirstStart(plan: plan, node: node, held: directory.heldConfiguration)
        let poller = Poller()
        poller.add(transport.pollItems)
        var toldAt = MonotonicTime.current
        var effects: [FirstStart.Effect] = []
        state.step(.tick(.current), into: &effects)
        while true {
            while !effects.isEmpty {
                if try perform(effects.removeFirst(), &state, &effects, &directory) { return }
            }
            do throws(ZeroMQError) {
                try poller.wait(milliseconds: 50)
            } catch {
                throw StartFailure("the peers' door failed: \(error)")
            }
            try receive(&state, &effects)
            state.step(.tick(.current), into: &effects)
            if MonotonicTime.current.since(toldAt) > 2_000_000_000 {
                toldAt = .current
                tell(state)
            }
        }
    }

    private func receive(_ state: inout FirstStart, _ effects: inout [FirstStart.Effect]) throws(StartFailure) {
        do throws(TransportFailed) {
            try transport.receive(now: .current, limit: 256) { event in
                guard case .introduction(let name, let bytes) = event else { return }
                // What cannot be read is dropped; its sender asks again.
                guard let message = try? FirstStartMessage(decoding: bytes) else { return }
                state.step(.message(message, from: name), into: &effects)
            }
        } catch {
            throw StartFailure("the peers' door failed: \(error)")
        }
    }

    /// - Returns: true when all is done.
    private func perform(
        _ effect: FirstStart.Effect, _ state: inout FirstStart, _ effects: inout [FirstStart.Effect],
        _ directory: inout OwnedDirectory
    ) throws(StartFailure) -> Bool {
        if case .refused(let refusal) = effect { throw StartFailure(refusal.description) }
        do throws(LogDirectoryError) {
            switch effect {
            case .send(let message, let name):
                var writer = ByteWriter()
                message.encode(into: &writer)
                _ = transport.introduce(writer.take(), to: name)
            case .persist(let configuration):
                try directory.hold(configuration)
                state.step(.persisted, into: &effects)
            case .finished(let configuration):
                try directory.adopt(firstConfiguration: configuration)
                log("the first configuration is agreed: \(configuration.members.map(\.name).joined(separator: ", "))")
                return true
            case .refused: break
            }
            return false
        } catch {
            throw StartFailure(error.description)
        }
    }

    private func tell(_ state: FirstStart) {
        for (name, reason) in state.waitingFor { log("waiting for server \(name) of the plan: it \(reason)") }
    }
}
