import Testing

@testable import Gateways

@Suite("Health and metrics")
struct OperationsTests {
    @Test("liveness and readiness are ok, and with verbose tell of each check")
    func ok() async throws {
        try await withServer { client in
            for path in ["/livez", "/readyz"] {
                let reply = try await client.get(path)
                #expect(reply.status == 200 && reply.body == "ok\n")
            }
            for query in ["?verbose", "?verbose=true"] {
                #expect(
                    try await client.get("/readyz\(query)").body
                        == "[+]has-leader ok: b leads\n[+]not-stopping ok\nok\n")
            }
            #expect(try await client.get("/readyz?verbose=perhaps").status == 400)
            #expect(try await client.get("/health").body == "{\"health\":\"true\",\"reason\":\"\"}\n")
        }
    }

    @Test("a failed check makes 503 and is named")
    func failed() async throws {
        var cluster = FakeCluster(isAlive: false)
        cluster.checks = [.init(name: "has-leader", isOK: false, detail: "no majority")]
        try await withServer(cluster: cluster) { client in
            let ready = try await client.get("/readyz")
            #expect(ready.status == 503 && ready.body == "[-]has-leader failed: no majority\nnot ok\n")
            #expect(try await client.get("/livez").body == "[-]replica-thread failed: silent\nnot ok\n")
            let health = try await client.get("/health")
            #expect(health.status == 503 && health.body.contains("has-leader: no majority"))
        }
    }

    @Test("metrics count requests by route, never by path")
    func metrics() async throws {
        try await withServer { client in
            for path in ["/livez", "/livez", "/made/up/by/a/stranger", "/topics/x"] { _ = try await client.get(path) }
            _ = try await client.request("PROPFIND", "/livez")
            let reply = try await client.get("/metrics")
            #expect(reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(reply.body.contains("# TYPE starling_tuples gauge\nstarling_tuples 7\n"))
            #expect(reply.body.contains(#"starling_http_requests_total{method="GET",route="/livez",status="200"} 2"#))
            #expect(reply.body.contains(#"starling_http_requests_total{method="other",route="none",status="405"} 1"#))
            #expect(
                reply.body.contains(
                    #"starling_http_requests_total{method="GET",route="/topics/:topic",status="200"} 1"#))
            #expect(reply.body.contains(#"starling_http_request_duration_seconds_bucket{route="/livez",le="+Inf"} 2"#))
            #expect(!reply.body.contains("stranger"))
        }
    }

    @Test("Prometheus' text is escaped, and histograms are cumulative")
    func prometheusText() {
        var histogram = MetricFamily.Histogram(bounds: [0.5, 1])
        for value in [0.5, 0.6, 7] { histogram.record(value) }
        let text = PrometheusText.render([
            MetricFamily(
                name: "a-b", help: "back\\slash\nline \"quoted\"", kind: .histogram,
                series: [.init(labels: [.init("l", "q\"b\\n\n")], value: .histogram(histogram))]),
            .counter("c", "C.", 1.5), .gauge("d", "D.", .infinity),
        ])
        #expect(
            text == """
                # HELP a_b back\\\\slash\\nline "quoted"
                # TYPE a_b histogram
                a_b_bucket{l="q\\"b\\\\n\\n",le="0.5"} 1
                a_b_bucket{l="q\\"b\\\\n\\n",le="1"} 2
                a_b_bucket{l="q\\"b\\\\n\\n",le="+Inf"} 3
                a_b_sum{l="q\\"b\\\\n\\n"} 8.1
                a_b_count{l="q\\"b\\\\n\\n"} 3
                # HELP c C.
                # TYPE c counter
                c 1.5
                # HELP d D.
                # TYPE d gauge
                d +Inf

                """)
    }
}
