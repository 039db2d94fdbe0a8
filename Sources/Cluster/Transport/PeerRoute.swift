/// The way to one member, whose address may change: until a connection to the newest address stands, the one that stood before is used.
///
/// A change of addresses is in force as soon as it is in a log, and has to reach a majority by the addresses from before; and a server moves
/// some time before or after the members' list says so.
final class PeerRoute<Link: PeerLink> {
    private(set) var link: Link
    private(set) var former: Link?

    init(_ link: Link) {
        self.link = link
    }

    /// Turns to another address or other keys.
    /// - Parameter make: a link to a target, or nil if it is of no use.
    /// - Returns: false if there is no way any more.
    func turn(to target: PeerTarget, _ make: (PeerTarget) -> Link?) -> Bool {
        if link.target == target { return true }
        // A key that is the member's no more opens nothing, not even a connection that stands.
        if let known = former, !known.target.keys.allSatisfy(target.keys.contains) { closeFormer() }
        let isTrusted = link.target.keys.allSatisfy(target.keys.contains)
        if let known = former, known.target == target {
            // The change was taken back.
            former = isTrusted ? link : nil
            if !isTrusted { link.close() }
            link = known
            return true
        }
        guard let next = make(target) else { return false }
        if isTrusted, link.isConnected || former == nil {
            closeFormer()
            former = link
        } else {
            link.close()
        }
        link = next
        return true
    }

    func send(_ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane) -> SendOutcome {
        let outcome = link.send(envelope, payload, over: lane)
        guard case .refused(.notConnected) = outcome, let former else { return outcome }
        return former.send(envelope, payload, over: lane)
    }

    var queuedBytes: Int { link.queuedBytes + (former?.queuedBytes ?? 0) }

    /// Digests the news of the connections. The former address is given up when the newest one answers.
    /// - Returns: whether a connection stands.
    func refresh() throws(TransportFailed) -> Bool {
        if try link.refresh() {
            if link.isConnected { closeFormer() }
            return true
        }
        return try former?.refresh() ?? false
    }

    /// - Returns: whether a connection broke since the last call, and none stands in its place.
    func takeLoss() throws(TransportFailed) -> Bool {
        let hasLost = try link.takeLoss()
        let hasLostFormer = try former?.takeLoss() ?? false
        return (hasLost || hasLostFormer) && !link.isConnected && !(former?.isConnected ?? false)
    }

    private func closeFormer() {
        former?.close()
        former = nil
    }

    func close() {
        link.close()
        closeFormer()
    }
}
