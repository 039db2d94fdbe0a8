// The fuzzer of one target, and what script/fuzz needs besides. libFuzzer starts the program again by itself, so the target
// is named by the environment and not by an argument.
//
//   STARLING_FUZZ_TARGET=NAME starling-fuzz [libFuzzer's arguments]
//   starling-fuzz list                    names of the targets
//   starling-fuzz unpack TARGET DIR FILE  writes the kept corpus and fresh seeds as one file each
//   starling-fuzz pack DIR FILE           the other way round
import AllocationMeter
import Foundation
import Fuzzing

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argc: UnsafeMutablePointer<Int32>,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

private func fail(_ sentence: String) -> Never {
    FileHandle.standardError.write(Data("starling-fuzz: \(sentence)\n".utf8))
    exit(2)
}

private func named(_ name: String) -> FuzzTarget {
    guard let target = (FuzzTarget.all + FuzzTarget.planted).first(where: { $0.name == name }) else {
        fail("there is no target \(name)")
    }
    return target
}

private let target = ProcessInfo.processInfo.environment["STARLING_FUZZ_TARGET"].map(named)

private func fuzz(_ target: FuzzTarget) -> Int32 {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    return runDriver(&count, &arguments) { start, count in
        guard let target = Fuzzed.target else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: start, count: count)
        allocation_meter_begin()
        do {
            // Two arrays of the same bytes would be one input: what is copied here counts, too.
            _ = try target.check(bytes) { $0 }
        } catch {
            // A trap is how libFuzzer learns that an input broke something, and keeps it.
            fatalError("\(target.name): \(error)")
        }
        let peak = allocation_meter_end()
        if peak > target.allocation(count) {
            fatalError("\(target.name): \(count) bytes made it allocate \(peak), more than \(target.allocation(count))")
        }
        return 0
    }
}

/// A C function pointer captures nothing, so what it needs stands here.
private enum Fuzzed {
    static let target = ProcessInfo.processInfo.environment["STARLING_FUZZ_TARGET"].map(named)
}

private func unpack(_ target: FuzzTarget, _ directory: String, _ file: String) throws {
    var inputs = target.seeds()
    if let packed = FileManager.default.contents(atPath: file) { inputs += try Corpus.unpack([UInt8](packed)) }
    for input in inputs {
        try Data(input).write(to: URL(fileURLWithPath: "\(directory)/\(Corpus.name(of: input))"))
    }
}

private func pack(_ directory: String, _ file: String) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    let inputs = names.compactMap { FileManager.default.contents(atPath: "\(directory)/\($0)").map { [UInt8]($0) } }
    let packed = Corpus.pack(inputs)
    try Data(packed).write(to: URL(fileURLWithPath: file))
    print(try Corpus.unpack(packed).count)
}

if let target {
    exit(fuzz(target))
}
let words = Array(CommandLine.arguments.dropFirst())
switch (words.first, words.count) {
case ("list", 1): for target in FuzzTarget.all { print(target.name) }
case ("unpack", 4): try unpack(named(words[1]), words[2], words[3])
case ("pack", 3): try pack(words[1], words[2])
default: fail("say list, unpack TARGET DIR FILE or pack DIR FILE, or name a target in STARLING_FUZZ_TARGET")
}
