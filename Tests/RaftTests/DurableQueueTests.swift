import Testing

@testable import Raft

@Suite("What waits for the disk")
struct DurableQueueTests {
    private func message(_ result: AppendResponse.Result, term: UInt64 = 1, to: UInt64 = 2) -> Message {
        Message(
            cluster: TestCluster.id, from: NodeID(1), to: NodeID(to), term: Term(term),
            body: .appendResponse(AppendResponse(result: result, readRound: 0, sentAt: 0)))
    }

    private func completes(_ queue: inout DurableQueue, _ sequence: UInt64) -> Bool {
        queue.complete(through: WriteSequence(sequence))
    }

    @Test("A message leaves when its write is done, and not before")
    func order() {
        var queue = DurableQueue(durable: .zero)
        queue.issue(through: LogIndex(1), now: .zero)
        queue.issue(through: LogIndex(3), now: .zero)
        queue.hold(message(.accepted(match: LogIndex(3))), until: WriteSequence(2))
        queue.hold(message(.accepted(match: LogIndex(1))), until: WriteSequence(1))
        var out: [Message] = []
        queue.release(into: &out)
        #expect(out.isEmpty)
        #expect(completes(&queue, 1) == true)
        queue.release(into: &out)
        #expect(out == [message(.accepted(match: LogIndex(1)))])
        #expect(completes(&queue, 2) == true)
        queue.release(into: &out)
        #expect(out.count == 2)
        #expect(queue.durable == LogIndex(3))
    }

    @Test("A completion that was had before, or was never asked for, says nothing")
    func strangeCompletions() {
        var queue = DurableQueue(durable: .zero)
        queue.issue(through: LogIndex(1), now: .zero)
        #expect(completes(&queue, 2) == false)
        #expect(completes(&queue, 1) == true)
        #expect(completes(&queue, 1) == false)
        #expect(queue.durable == LogIndex(1))
    }

    @Test("The write that makes an index durable is the first that has it after the last cut")
    func writeOfAnIndex() {
        var queue = DurableQueue(durable: LogIndex(2))
        queue.issue(through: LogIndex(6), now: .zero)
        queue.truncate(from: LogIndex(5))
        queue.issue(through: LogIndex(7), now: .zero)
        #expect(queue.write(making: LogIndex(2)) == nil)
        #expect(queue.write(making: LogIndex(4)) == WriteSequence(1))
        #expect(queue.write(making: LogIndex(5)) == WriteSequence(2))
        #expect(completes(&queue, 1) == true)
        #expect(queue.durable == LogIndex(4))
        queue.truncate(from: LogIndex(2))
        #expect(queue.durable == LogIndex(1))
    }

    @Test("Repeated messages are held once")
    func repeats() {
        var queue = DurableQueue(durable: .zero)
        queue.issue(through: LogIndex(1), now: .zero)
        for match in [1, 2, 2] as [UInt64] {
            queue.hold(message(.accepted(match: LogIndex(match))), until: WriteSequence(1))
        }
        queue.hold(message(.accepted(match: LogIndex(1)), to: 3), until: WriteSequence(1))
        #expect(queue.heldMessages.count == 2)
        #expect(queue.heldMessages.first == message(.accepted(match: LogIndex(2))))
    }

    @Test("A question that is asked again while the disk hangs takes the place of the earlier one")
    func questionsReplaceEachOther() {
        func question(_ context: UInt64, to: UInt64 = 2) -> Message {
            Message(
                cluster: TestCluster.id, from: NodeID(1), to: NodeID(to), term: Term(1),
                body: .readIndexRequest(context: context))
        }
        var queue = DurableQueue(durable: .zero)
        queue.issue(through: LogIndex(1), now: .zero)
        for context in 1...1_000 as ClosedRange<UInt64> { queue.hold(question(context), until: WriteSequence(1)) }
        queue.hold(question(1, to: 3), until: WriteSequence(1))
        #expect(queue.heldMessages == [question(1_000), question(1, to: 3)])
    }
}
