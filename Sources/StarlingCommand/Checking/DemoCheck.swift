import Foundation
import Microblog
import StarlingClient

/// The demo's whole story, unattended, with real processes: load, post at one and read at all, kill the leader under
/// load, start it again, compare all that was acknowledged on all servers, stop, start, compare again.
struct DemoCheck {
    let servers: Int?
    /// Nil: a new directory, removed if all went well.
    let data: String?
    let portBase: Int?
    /// Nil: load none.
    let fortunes: String?
    let kills: Int
    let transport: TransportName

    func run(until signals: StopSignals) async throws {
        let path = try data.map(DemoCommand.absolute) ?? Self.temporaryDirectory()
        let directory = DemoDirectory(path: path)
        let isHere = FileManager.default.fileExists(atPath: directory.clientFile)
        let base = isHere ? portBase : try portBase ?? Self.freePorts(servers ?? 3)
        let (plan, _) = try directory.plan(servers: servers, portBase: base)
        let cluster = try DemoCluster(directory, plan, transport)
        try Demo.checkPorts(cluster)
        let result: Result<Void, any Error> = await withTaskGroup(of: Result<Void, any Error>.self) { group in
            group.addTask {
                do {
                    try await DemoStory(cluster: cluster, fortunes: fortunes, kills: kills).play()
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                for await _ in signals.requests { break }
                return .failure(Complaint(.failed, "interrupted"))
            }
            let first = await group.next() ?? .success(())
            group.cancelAll()
            return first
        }
        _ = await cluster.stopAll()
        do {
            try result.get()
        } catch {
            Terminal.line("✗ \(error)")
            throw Complaint(.failed, "the story does not hold; the servers' logs and data are in \(path)")
        }
        if data == nil { try? FileManager.default.removeItem(atPath: path) }
        Terminal.line("everything held")
    }

    private static func temporaryDirectory() throws(Complaint) -> String {
        var template = Array("\(NSTemporaryDirectory())/starling-check-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Complaint(
                .failed, "cannot make a directory in \(NSTemporaryDirectory()): \(String(cString: strerror(errno)))")
        }
        return DemoCommand.absolute(String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
    }

    /// A base whose ports are all free, below those that the kernel gives to outgoing connections.
    private static func freePorts(_ count: Int) throws(Complaint) -> Int {
        for _ in 0..<200 {
            let base = 10_000 + 100 * Int.random(in: 0..<200)
            var isFree = true
            for offset in [0, 20, 40] {
                for index in 0..<count {
                    let address = try ListenAddress("127.0.0.1:\(base + offset + index)", "a port")
                    if !address.isFree { isFree = false }
                }
            }
            if isFree { return base }
        }
        throw Complaint(.failed, "no free ports were found on 127.0.0.1; name some with --port-base")
    }
}

/// Prints a line a step that held.
struct CheckMarks {
    private let clock = ContinuousClock()
    private let began = ContinuousClock.now

    func done(_ text: String) {
        let seconds = Figures.decimal(Figures.milliseconds(clock.now - began) / 1_000)
        Terminal.line("✓ \(String(repeating: " ", count: max(0, 6 - seconds.count)))\(seconds) s  \(text)")
    }
}
