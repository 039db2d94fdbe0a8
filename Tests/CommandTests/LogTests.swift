import Cluster
import Foundation
import Logging
import Synchronization
import Testing

@testable import starling

@Suite("What a server says") struct LogTests {

    private func lines(_ format: ServerLog.Format, _ body: (ServerLog) -> Void) -> [String] {
        let lines = Mutex<[String]>([])
        body(ServerLog(server: "a", format: format, level: .info) { line in lines.withLock { $0.append(line) } })
        return lines.withLock { $0 }
    }

    private func talk(_ log: ServerLog) {
        log.say("it begins")
        log.say(.warning, "something is odd")
        log.logger.error("a request failed", metadata: ["request_id": "7", "route": "/x"])
        log.logger.debug("unheard")
        log.say("two\nlines \u{1b}[31m and a \"quote\"")
    }

    @Test("Plain lines are the sentences alone, and each is one line") func plain() {
        #expect(
            lines(.plain, talk) == [
                "it begins", "something is odd", "a request failed (request_id 7, route /x)",
                "two|lines  [31m and a \"quote\"",
            ])
    }

    @Test("Text has time and level before, fields behind") func text() {
        let said = lines(.text, talk)
        #expect(said.count == 4)
        #expect(said[0].wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info it begins/#) != nil, "\(said[0])")
        #expect(said[1].contains(" warning something is odd"))
        #expect(said[2].hasSuffix(" error a request failed request_id=7 route=/x"))
    }

    @Test("JSON lines are objects, whatever is in them") func json() throws {
        let objects = try lines(.json, talk).map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        }
        #expect(objects.map { $0["level"] } == ["info", "warning", "error", "info"])
        #expect(objects.allSatisfy { $0["server"] == "a" && $0["time"] != nil })
        #expect(objects[2]["request_id"] == "7")
        #expect(objects[3]["message"] == "two\nlines \u{1b}[31m and a \"quote\"")
    }

    @Test("A server logs as it is told, requests too, by the id that the client gave", .timeLimit(.minutes(1)))
    func server() async throws {
        let cluster = try await TestCluster(servers: 1)
        defer { cluster.end() }
        try await cluster.startAll(["--log-format", "json", "--log-level", "debug"])
        let answer = Ports.ask("/health", port: cluster.base + 40, headers: ["X-Request-Id: find-me.7"])
        #expect(answer.contains("X-Request-Id: find-me.7") || answer.contains("x-request-id: find-me.7"), "\(answer)")
        let other = Ports.ask("/health", port: cluster.base + 40, headers: ["X-Request-Id: no spaces"])
        #expect(!other.contains("no spaces") && other.lowercased().contains("x-request-id: "))
        try await cluster.waitUntil("a", says: #""request_id":"find-me.7""#)
        for line in cluster.log("a").split(separator: "\n") {
            #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil, "\(line)")
        }
        for (flag, part) in [("--log-format", "plain, text, json"), ("--log-level", "trace, debug")] {
            let wrong = try await Program.run(cluster.serveArguments("a") + [flag, "loud"], in: cluster.directory)
            #expect(wrong.code == 2 && wrong.errors.contains("\(flag) is one of \(part)"), "\(wrong.errors)")
        }
    }
}
