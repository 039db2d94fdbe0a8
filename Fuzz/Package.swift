// swift-tools-version: 6.2
// The fuzzers: a package of its own, because everything in it is compiled for libFuzzer and AddressSanitizer. script/fuzz
// builds and runs it. It compiles the rooms that read foreign bytes, from the same sources as the project, and no others:
// of the gateways only the files that parse, so that no HTTP server has to be built.
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    // Optimised, but with assertions; internals are visible to the targets, as they are to tests.
    .unsafeFlags(["-sanitize=fuzzer,address", "-assert-config", "Debug", "-enable-testing"]),
]

func room(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], sources: [String]? = nil
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(name)", exclude: exclude, sources: sources,
        swiftSettings: settings)
}

let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "starling-fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-collections", from: "1.6.0")],
    targets: [
        .systemLibrary(
            name: "CZeroMQ", path: "Sources/CZeroMQ", pkgConfig: "libzmq", providers: [.apt(["libzmq3-dev"])]),
        .target(name: "CChecksum", path: "Sources/CChecksum"),
        room("ByteCoding", ["CChecksum"]),
        room("ZeroMQ", ["CZeroMQ"]),
        room("Raft", ["ByteCoding", deque]),
        room("TupleSpace", ["ByteCoding", deque]),
        room("ClientProtocol", ["ByteCoding", "TupleSpace"]),
        room("WriteAheadLog", ["ByteCoding", "Raft"]),
        room("Replica", ["ByteCoding", "Raft", "TupleSpace", deque]),
        room("Simulation", ["ByteCoding", "Raft", "TupleSpace", "WriteAheadLog", "Replica", deque]),
        room("StarlingClient", ["ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol"]),
        room(
            "Cluster",
            ["ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "WriteAheadLog", "Replica", "ClientProtocol"]),
        room("Microblog", ["TupleSpace"]),
        room(
            "Gateways", ["TupleSpace"], exclude: ["Web"],
            sources: [
                "TupleAPI/JSON", "TupleAPI/ClusterJSON.swift", "Operations/ClusterView.swift",
                "Operations/MetricFamily.swift",
                "Serving/PercentCoding.swift", "Serving/Timestamp.swift",
            ]),
        .target(
            name: "Fuzzing",
            dependencies: [
                "ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol", "WriteAheadLog", "Replica",
                "Simulation", "StarlingClient", "Cluster", "Microblog", "Gateways",
            ],
            path: "Fuzzing", swiftSettings: settings),
        .target(name: "AllocationMeter", path: "AllocationMeter"),
        .executableTarget(
            name: "starling-fuzz", dependencies: ["Fuzzing", "AllocationMeter"], path: "Runner",
            swiftSettings: settings,
            // The toolchain's own linker: older ones stumble over what the sanitizers emit.
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]),
    ]
)
