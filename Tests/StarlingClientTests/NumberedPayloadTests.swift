import ByteCoding
import Testing
import TupleSpace

@testable import StarlingClient

@Suite("Writes that differ in a number only", .timeLimit(.minutes(1)))
struct NumberedPayloadTests {
    private func encode(_ number: Int) -> [UInt8] {
        var writer = ByteWriter()
        let tuple = Tuple([.string("bench"), .int(Int64(number)), .string("payload")])
        Operation.write(space: "bench", tuple: tuple).encode(into: &writer)
        return writer.bytes
    }

    @Test("are the bytes that encoding would make", arguments: [1 << 20, 1 << 20 + 127, 1 << 26, 1 << 27 - 3])
    func bytes(_ first: Int) throws {
        var payload = try NumberedPayload(from: first, encode: encode)
        for number in first..<first + 3 {
            let next = payload.next()
            #expect(next == encode(number))
        }
    }

    @Test("begin again when the numbers are used up")
    func wrapping() throws {
        var payload = try NumberedPayload(from: 1 << 27 - 1, encode: encode)
        let writes = [payload.next(), payload.next()]
        #expect(writes == [encode(1 << 27 - 1), encode(1 << 20)])
    }

    @Test(
        "are refused for numbers of another length, and where there is no number", arguments: [0, 1 << 20 - 1, 1 << 27])
    func refusals(_ first: Int) {
        #expect(throws: LoadFailure.self) { try NumberedPayload(from: first, encode: encode) }
        #expect(throws: LoadFailure.self) { try NumberedPayload(from: 1 << 20) { _ in [1, 2, 3, 4, 5] } }
        #expect(throws: LoadFailure.self) { try NumberedPayload(from: 1 << 20) { Array("number \($0)".utf8) } }
    }

    @Test("make a tuple each, and every request leaves a sample")
    func load() async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        var plan = LoadPlan(.write, sessions: 4, extent: .requests(200), servers: cluster.endpoints)
        plan.numbersFrom = 1 << 20
        plan.keepsSamples = true
        let samples = try await onThread { [plan] in
            let driver = try LoadDriver(plan)
            _ = try driver.run()
            return driver.takeSamples()
        }
        #expect(cluster.machine.tupleCount == 200)
        for number in [0, 77, 199] {
            let template = Template([.any, .literal(.int(Int64(1 << 20 + number))), .any])
            #expect(cluster.machine.answer(.count(space: "bench", template: template)) == .count(1))
        }
        #expect(samples.count == 200)
        #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.nanoseconds <= $1.nanoseconds })
        #expect(samples.allSatisfy { $0.latencyNanoseconds > 0 })
    }
}
