import ByteCoding
import Raft
import Testing

@testable import Replica

@Suite("Requests to the cluster as bytes")
struct ClusterRequestCodingTests {
    static let member = Member(
        id: NodeID(9), name: "d", peerAddress: "10.0.0.9:7440", clientAddress: "10.0.0.9:7460",
        httpAddress: "[::1]:7480", role: .learner, publicKey: [UInt8](repeating: 3, count: 32),
        nextPublicKey: [UInt8](repeating: 4, count: 32), promoteWhenCaughtUp: true)

    static let changes: [MemberChange] = [
        .add(member), .remove(NodeID(1)), .setRole(NodeID(2), .voter), .setRole(NodeID(2), .learner),
        .setPromoteWhenCaughtUp(NodeID(3), true),
        .setAddresses(NodeID(4), peer: "a:1", client: "b:2", http: "c:3"),
        .setNextKey(NodeID(5), [UInt8](repeating: 7, count: 32)), .setNextKey(NodeID(5), nil), .adoptNextKey(NodeID(6)),
    ]

    static let messages: [PeerMessage] =
        [.change(changes), .change([]), .transfer(to: nil), .transfer(to: NodeID(.max))].map {
            .clusterQuestion(ClusterQuestion(id: 77, isRepeat: true, term: Term(5), request: $0))
        }
        + [
            .changed(LogIndex(9)), .transferred(to: NodeID(2), Term(8)),
            .refused(code: "no-voter-left", sentence: "the change …"), .unknown("perhaps"),
        ].map { .clusterAnswer(id: .max, $0) }

    static func encoded(_ message: PeerMessage) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.take()
    }

    private func reason(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBytes { bytes in
            do throws(MalformedBytes) {
                return "read as \(try PeerMessage(decoding: bytes))"
            } catch {
                return error.description
            }
        }
    }

    @Test("Too many changes, and texts and keys beyond their bounds, are refused with what and the limit")
    func bounds() {
        func question(_ changes: [MemberChange]) -> [UInt8] {
            Self.encoded(
                .clusterQuestion(ClusterQuestion(id: 1, isRepeat: false, term: Term(1), request: .change(changes))))
        }
        let many = question([MemberChange](repeating: .remove(NodeID(1)), count: 65))
        #expect(reason(many).contains("65 changes of members; the limit is 64"))
        let most = question([MemberChange](repeating: .remove(NodeID(1)), count: 64))
        #expect(reason(most).hasPrefix("read as"))
        let long = question([
            .setAddresses(NodeID(1), peer: String(repeating: "x", count: 513), client: "a:1", http: "b:1")
        ])
        #expect(reason(long).contains("peer address of 513 bytes; the limit is 512"))
        let key = question([.setNextKey(NodeID(1), [UInt8](repeating: 1, count: 65))])
        #expect(reason(key).contains("next public key of 65 bytes; the limit is 64"))
    }

    @Test("A version, kinds and roles that this program does not know are refused")
    func unknown() {
        var bytes = Self.encoded(Self.messages[0])
        bytes[1] = 2
        #expect(reason(bytes).contains("version 2 of a cluster request; this program knows 1"))
        // Behind kind, version, id, repeated and term.
        bytes = Self.encoded(Self.messages[0])
        bytes[19] = 9
        #expect(reason(bytes).contains("cluster request of unknown kind 9"))
        bytes = Self.encoded(Self.messages[0])
        bytes[21] = 200
        #expect(reason(bytes).contains("member change of unknown kind 200"))
        bytes = Self.encoded(Self.messages[0])
        bytes[30] = 7
        #expect(reason(bytes).contains("member role 7"))
    }

    @Test("A piece of a snapshot that was changed on its way, or lies outside the file, is refused with its place")
    func pieces() {
        let chunk = SnapshotChunk(
            index: LogIndex(5), term: Term(6), offset: 7, total: 800, bytes: [UInt8](repeating: 9, count: 100))
        let whole = Self.encoded(.snapshotPiece(chunk))
        #expect(reason(whole).hasPrefix("read as"))
        for position in [5, 13, 21, 29, 40, whole.count - 1] {
            var bytes = whole
            bytes[position] ^= 1
            let text = reason(bytes)
            #expect(text.contains("a piece of the snapshot at log index") && text.contains("checksum is wrong"))
        }
        var outside = chunk
        outside.offset = 701
        #expect(
            reason(Self.encoded(.snapshotPiece(outside))).contains("100 bytes at offset 701 of a snapshot of 800"))
        outside.offset = .max
        #expect(reason(Self.encoded(.snapshotChunk(outside))).contains("a piece of"))
    }

    @Test("Every refusal has a code of its own in kebab-case and a sentence that names the member")
    func refusals() {
        let name = MemberNames(configuration: Configuration(members: [Self.member]))
        let id = Self.member.id
        let refusals: [ClusterRefusal] =
            ([
                .notReady, .underWay(LogIndex(7)), .transferring(to: id), .noChanges, .nothingToDo,
                .unknownMember(NodeID(3)), .alreadyMember(id), .repeated(id), .nameTaken("d"), .addressTaken("a:1"),
                .invalid(id, "its name is empty"), .noVoterLeft, .tooMany(8, limit: 7), .unsupported(by: [id]),
            ] as [ChangeRefused]).map { $0.refusal(name) }
            + ([.notLeader(known: id), .notVoter(id), .nobodyElse] as [TransferRefused]).map { $0.refusal(name) }
        #expect(Set(refusals.map(\.code)).count == refusals.count)
        for refusal in refusals {
            #expect(refusal.code.allSatisfy { $0 == "-" || ("a"..."z").contains($0) })
            #expect(refusal.sentence.count > 20)
        }
        #expect(ChangeRefused.tooMany(8, limit: 7).refusal(name).sentence.contains("8; the limit is 7"))
        #expect(ChangeRefused.alreadyMember(id).refusal(name).sentence.contains("d (0000000000000009)"))
        let tooOld = TransferRefused.unsupported(by: id).refusal(name)
        #expect(tooOld.code == "unsupported" && tooOld.sentence.contains("d (0000000000000009)"))
        #expect(ChangeRefused.unknownMember(NodeID(3)).refusal(name).sentence.contains("0000000000000003"))
    }
}
