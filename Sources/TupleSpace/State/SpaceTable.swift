import ByteCoding

/// The names of spaces by the number that tuples bear. A space exists from its first write and for ever.
struct SpaceTable: Sendable {
    private(set) var names: ContiguousArray<[UInt8]> = []
    /// Number plus one by the name's hash; a name whose hash is another's stands under the next that is free.
    private var numbers = KeyTable()

    var count: Int { names.count }

    func number(of name: UnsafeRawBufferPointer) -> UInt16? {
        var hash = Self.hash(name)
        while true {
            let value = numbers[hash]
            if value == 0 { return nil }
            if names[Int(value) - 1].withUnsafeBytes({ $0.isSame(as: name) }) { return UInt16(value - 1) }
            hash &+= 1
        }
    }

    /// - Returns: nil if there are as many as there may be.
    mutating func add(_ name: UnsafeRawBufferPointer) -> UInt16? {
        guard names.count < Limits.spaces else { return nil }
        names.append([UInt8](name))
        var hash = Self.hash(name)
        while numbers[hash] != 0 { hash &+= 1 }
        numbers.set(hash, UInt64(names.count))
        return UInt16(names.count - 1)
    }

    private static func hash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        var hash = FieldHash()
        hash.mix(name)
        return hash.value
    }
}
