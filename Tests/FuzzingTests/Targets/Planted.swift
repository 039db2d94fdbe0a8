extension FuzzTarget {
    /// Faults on purpose, for script/fuzz --self-test: a fuzzer that finds none of them finds nothing.
    public static let planted = [
        FuzzTarget("planted-trap", decoders: [], seeds: { [[0]] }) { bytes, _ in
            precondition(!begins(bytes, "trap"), "a planted trap")
            return .accepted
        },
        FuzzTarget("planted-finding", decoders: [], seeds: { [[0]] }) { bytes, _ in
            try require(!begins(bytes, "find"), "a planted finding")
            return .accepted
        },
        FuzzTarget("planted-allocation", decoders: [], seeds: { [[0]] }) { bytes, _ in
            if begins(bytes, "much") { return [UInt8](repeating: 1, count: 1 << 20).last == 1 ? .accepted : .refused }
            return .accepted
        },
        FuzzTarget("planted-overflow", decoders: [], seeds: { [[0]] }) { bytes, _ in
            guard begins(bytes, "over"), let start = bytes.baseAddress else { return .refused }
            // One byte behind the input: unchecked in an optimised build, and AddressSanitizer's to find.
            return start.load(fromByteOffset: bytes.count, as: UInt8.self) == 0 ? .refused : .accepted
        },
    ]

    private static func begins(_ bytes: UnsafeRawBufferPointer, _ text: String) -> Bool {
        bytes.count >= 4 && bytes.prefix(4).elementsEqual(text.utf8)
    }
}
