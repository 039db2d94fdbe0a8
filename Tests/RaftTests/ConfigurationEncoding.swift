import ByteCoding
import Raft

extension Configuration {
    static func encoded(_ configuration: Configuration) -> [UInt8] {
        var writer = ByteWriter()
        configuration.encode(into: &writer)
        return writer.take()
    }
}
