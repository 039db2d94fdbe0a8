/// The way to one peer by HTTP: a connection for each lane.
final class HTTPPeerLink: PeerLink {
    let target: PeerTarget
    private let main: HTTPPeerLane
    private let bulk: HTTPPeerLane

    init(to target: PeerTarget, main: HTTPPeerLane, bulk: HTTPPeerLane) {
        self.target = target
        self.main = main
        self.bulk = bulk
    }

    var isConnected: Bool { main.isConnected }
    var queuedBytes: Int { main.queuedBytes + bulk.queuedBytes }

    func send(_ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane) -> SendOutcome {
        switch lane {
        case .main: main.send(envelope, payload)
        case .bulk: bulk.send(envelope, payload)
        }
    }

    func refresh() -> Bool { main.isConnected }
    func takeLoss() -> Bool { main.takeLoss() }

    func close() {
        main.close()
        bulk.close()
    }
}
