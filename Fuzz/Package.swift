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
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    ],
    targets: [
        .systemLibrary(
            name: "CZeroMQ", path: "Sources/CZeroMQ", pkgConfig: "libzmq", providers: [.apt(["libzmq3-dev"])]),
        .target(name: "CChecksum", path: "Sources/CChecksum"),
        .target(name: "CRE2", path: "Sources/CRE2", linkerSettings: [.linkedLibrary("re2")]),
        room("ByteCoding", ["CChecksum"]),
        room(
            "Certificates",
            [
                "ZeroMQ",
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        room("ZeroMQ", ["CZeroMQ"]),
        room("Raft", ["ByteCoding", deque]),
        room("TupleSpace", ["ByteCoding", "CRE2", deque]),
        room("ClientProtocol", ["ByteCoding", "TupleSpace"]),
        room("WriteAheadLog", ["ByteCoding", "Raft"]),
        room("Replica", ["ByteCoding", "Raft", "TupleSpace", deque]),
        room("Simulation", ["ByteCoding", "Raft", "TupleSpace", "WriteAheadLog", "Replica", deque]),
        room("StarlingClient", ["ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol"]),
        room(
            "Cluster",
            [
                "ByteCoding", "ZeroMQ", "Certificates", "Raft", "TupleSpace", "WriteAheadLog", "Replica",
                "ClientProtocol",
                deque,
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        room("Microblog", ["TupleSpace"]),
        room(
            "Gateways", ["TupleSpace"], exclude: ["Web"],
            sources: [
                "TupleAPI/JSON", "TupleAPI/ClusterJSON.swift", "Operations/ClusterView.swift",
                "Operations/MetricFamily.swift",
                "Serving/PercentCoding.swift", "Serving/Timestamp.swift", "Serving/WallClock.swift",
            ]),
        .target(
            name: "Fuzzing",
            dependencies: [
                "ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol", "WriteAheadLog", "Replica",
                "Simulation", "StarlingClient", "Certificates", "Cluster", "Microblog", "Gateways",
                .product(name: "NIOCore", package: "swift-nio"),
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
