import ByteCoding

@testable import Raft

extension FuzzTarget {
    static let consensus = [
        FuzzTarget(
            "raft-message", decoders: ["Raft.Message.init(decoding:)"], seeds: { Samples.bodies.map(encodedMessage) }
        ) { bytes, tamper in
            try roundTrip(bytes, tamper) { reader in
                try Message(decoding: try reader.readRaw(reader.remaining))
            } encode: {
                $0.encode(into: &$1)
            }
        },
        FuzzTarget(
            "configuration",
            decoders: ["Raft.Configuration.init(from:)", "Raft.Configuration.init(decoding:)"],
            seeds: { Samples.configurations.map { Samples.encoded($0) } }
        ) { bytes, tamper in
            let isTaken = (try? Configuration(decoding: [UInt8](bytes))) != nil
            let verdict = try roundTrip(bytes, tamper) {
                try Configuration(from: &$0)
            } encode: {
                $0.encode(into: &$1)
            }
            try require(isTaken == (verdict == .accepted), "two decoders of configurations disagree")
            return verdict
        },
        FuzzTarget(
            "raft-node", decoders: [], factor: 4_096, base: 4 << 20, seeds: NodeScript.seeds
        ) { bytes, tamper in
            var first = NodeScript(bytes)
            try first.run()
            let trace = first.trace.value
            let copied = tamper([UInt8](bytes))
            try copied.withUnsafeBytes {
                var second = NodeScript($0)
                try second.run(examining: false)
                try require(second.trace.value == trace, "the same inputs made different effects")
            }
            return first.hasActed ? .accepted : .refused
        },
    ]

    private static func encodedMessage(_ body: Message.Body) -> [UInt8] { Samples.encoded(Samples.message(body)) }
}
