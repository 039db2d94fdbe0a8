// Measures the state machine in process and prints one JSON object: nanoseconds unless the name says otherwise. Each command is a batch
// of its own, as at one session; the session acknowledges as it goes.
//
//     tuplespace-benchmark [RESIDENT]             everything, with so many resident tuples (1000000)
//     tuplespace-benchmark pairs RESIDENT PAIRS   a tuple is written and taken, over and over: what it is compared by with others
//     tuplespace-benchmark waiters COUNT WRITES   writes among takes that wait for something else, and writes among none, in turn
//     tuplespace-benchmark memory RESIDENT        bytes a resident tuple

#if canImport(Glibc)
    import Glibc
#endif

let arguments = Array(CommandLine.arguments.dropFirst())
let numbers = arguments.compactMap { Int($0) }.filter { $0 >= 0 }
var measurements = Measurements()
switch (arguments.first, numbers.count) {
case (nil, _): measurements.measureAll(resident: 1_000_000)
case ("pairs", 2): measurements.measureRate(resident: numbers[0], pairs: numbers[1])
case ("waiters", 2): measurements.compareWaiters(numbers[0], writes: numbers[1])
case ("memory", 1): measurements.measureGrowth(to: numbers[0])
case (_, 1) where arguments.count == 1: measurements.measureAll(resident: numbers[0])
default:
    print("tuplespace-benchmark [RESIDENT] | pairs RESIDENT PAIRS | waiters COUNT WRITES | memory RESIDENT")
    exit(2)
}
measurements.report.print()
