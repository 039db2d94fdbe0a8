// Measures the state machine in process and prints one JSON object: nanoseconds unless the name says otherwise. Each command is a batch
// of its own, as at one session; the session acknowledges as it goes.
//
//     swift run -c release tuplespace-benchmark [resident tuples, by default 1000000]

let resident = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000_000
var measurements = Measurements()

// First, while this process's memory is still its own.
measurements.measureGrowth(to: resident)
measurements.measureBatches()
measurements.measurePairs("none", resident: 0)
measurements.measurePairs("ten_thousand", resident: 10_000)
measurements.measurePairs("resident", resident: resident)
measurements.measureTakes("none", resident: 0)
measurements.measureTakes("resident", resident: resident)
measurements.measureReads(resident: resident)
measurements.measureWaiters(10_000)
measurements.report.print(resident: resident)
