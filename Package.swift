// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// A room: one library target, its dependencies named in the order of ARCHITECTURE.md.
func room(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "starling",
    products: [
        .executable(name: "starling", targets: ["starling"]),
        .library(name: "StarlingClient", targets: ["StarlingClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        // Hummingbird's own vocabulary, named because we use it directly.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.0.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.0.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CZeroMQ", pkgConfig: "libzmq", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CEditLine", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .target(name: "CChecksum"),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),

        room("ByteCoding", ["CChecksum"]),
        room("ZeroMQ", ["CZeroMQ"]),
        room(
            "Certificates",
            [
                "ZeroMQ",
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
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
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ]),
        room("Microblog", ["TupleSpace"]),
        room(
            "Gateways",
            [
                "Microblog", "TupleSpace", hummingbird, logging,
                .product(name: "Mustache", package: "swift-mustache"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Web/Assets"), .embedInCode("Web/Templates"), .embedInCode("TupleAPI/OpenAPI")]),
        .executableTarget(
            name: "starling",
            dependencies: [
                "CEditLine", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol", "WriteAheadLog", "Replica", "Simulation",
                "StarlingClient", "Cluster",
                "Certificates", "Microblog", "Gateways",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                logging,
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/StarlingCommand",
            swiftSettings: settings),

        .executableTarget(
            name: "tuplespace-benchmark", dependencies: ["TupleSpace", "ByteCoding"],
            path: "Sources/TupleSpaceBenchmark",
            swiftSettings: settings),

        .executableTarget(
            name: "chaos-clients",
            dependencies: [
                "ZeroMQ", "TupleSpace", "Simulation", "StarlingClient",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Chaos/Clients",
            swiftSettings: settings),

        .target(
            name: "Recipes", dependencies: ["StarlingClient", "TupleSpace"], path: "Examples/recipes/Recipes",
            swiftSettings: settings),
        .executableTarget(
            name: "recipes",
            dependencies: [
                "Recipes", "StarlingClient", "TupleSpace",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Examples/recipes/Command", swiftSettings: settings),

        .target(
            name: "TupleStoreConformance", dependencies: ["TupleSpace"], path: "Tests/TupleStoreConformance",
            swiftSettings: settings),
        tests("RaftTests", ["Raft", "ByteCoding"], exclude: ["Scripts"]),
        tests("ZeroMQTests", ["ZeroMQ"]),
        tests("TupleSpaceTests", ["TupleSpace", "ByteCoding", "CRE2", "TupleStoreConformance"]),
        tests("ClientProtocolTests", ["ClientProtocol", "TupleSpace", "ByteCoding"]),
        tests("WriteAheadLogTests", ["WriteAheadLog", "Simulation", "Raft", "ByteCoding"]),
        tests("ReplicaTests", ["Replica", "Raft", "TupleSpace", "ByteCoding"]),
        tests("SimulationTests", ["Simulation", "Replica", "Raft", "TupleSpace", "WriteAheadLog", "ByteCoding"]),
        tests(
            "CertificatesTests",
            [
                "Certificates", "ZeroMQ",
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        tests(
            "TransportTests",
            [
                "Cluster", "Certificates", "Raft", "ZeroMQ", "ByteCoding",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        tests(
            "StarlingClientTests",
            ["StarlingClient", "ClientProtocol", "Raft", "TupleSpace", "ZeroMQ", "ByteCoding", "TupleStoreConformance"]),
        tests(
            "ClusterTests",
            [
                "Cluster", "StarlingClient", "ClientProtocol", "TupleSpace", "TupleStoreConformance", "Recipes",
                "ZeroMQ",
                "Replica",
                "WriteAheadLog", "Raft", "ByteCoding", .product(name: "Crypto", package: "swift-crypto"),
            ]),
        tests("MicroblogTests", ["Microblog", "TupleSpace"]),
        tests(
            "GatewaysTests",
            [
                "Gateways", "Microblog", "TupleSpace", logging,
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        tests("CommandTests", ["starling", "Cluster", "Gateways", "Raft", "TupleSpace", logging]),
        tests("ChaosTests", ["chaos-clients"]),
        tests(
            "FuzzingTests",
            [
                "ByteCoding", "ZeroMQ", "Raft", "TupleSpace", "ClientProtocol", "WriteAheadLog", "Replica",
                "Simulation", "StarlingClient", "Certificates", "Cluster", "Microblog", "Gateways",
                .product(name: "NIOCore", package: "swift-nio"),
            ]),
    ]
)
