import Gateways
import Microblog
import Testing
import TupleSpace

@Suite("The web page")
struct WebTests {
    private let store = InMemoryTupleStore()
    private var blog: Blog { Blog(store: store) }

    private func fields(_ message: String, key: String = "0123456789abcdef", back: String = "/") -> [(String, String)] {
        [("key", key), ("back", back), ("user", "alice"), ("topic", "tea"), ("message", message)]
    }

    @Test("shows posts of all, of a topic and of a user")
    func timelines() async throws {
        _ = try await blog.post(user: "alice", topic: "tea", message: "Earl & Grey\nsecond line")
        _ = try await blog.post(user: "bob", topic: "rain", message: "wet")
        try await withServer(store: store) { client in
            let all = try await client.get("/")
            #expect(all.status == 200 && all.headers["content-type"] == "text/html; charset=utf-8")
            #expect(all.body.contains("Earl &amp; Grey\nsecond line") && all.body.contains(">wet</p>"))
            #expect(all.body.contains(#"href="/topics/tea""#) && all.body.contains(#"href="/users/bob""#))
            let topic = try await client.get("/topics/tea")
            #expect(
                topic.body.contains("Earl") && !topic.body.contains(">wet</p>") && topic.body.contains(#"value="tea""#))
            let user = try await client.get("/users/bob")
            #expect(user.body.contains(">wet</p>") && !user.body.contains("Earl") && !user.body.contains("<form"))
            #expect(try await client.get("/topics/none").body.contains("You could be the first."))
        }
    }

    @Test("escapes whatever anyone wrote, and survives tuples that are no posts")
    func escaping() async throws {
        let wild = #"<script>alert("x")</script>'&"#
        _ = try await store.write(
            Post.tuple(user: wild, topic: wild + "/ ..", message: wild + "\u{0}\u{7}"), to: "blog", key: nil)
        _ = try await store.write(Post.tuple(user: "", topic: ".", message: ""), to: "blog", key: nil)
        _ = try await store.write(Tuple([.int(1), .null, .bytes([0xff])]), to: "blog", key: nil)
        _ = try await store.write(
            Post.tuple(user: "a", topic: "b", message: String(repeating: "z", count: 900_000)), to: "blog", key: nil)
        try await withServer(store: store) { client in
            let page = try await client.get("/")
            #expect(
                page.status == 200 && !page.body.contains("<script>alert") && page.body.contains("&lt;script&gt;alert"))
            #expect(page.body.utf8.count < 50_000 && page.body.contains("too long to show here"))
            #expect(
                try await client.get("/users/%3Cscript%3Ealert(%22x%22)%3C%2Fscript%3E%27%26").body.contains(
                    "&lt;script&gt;"))
        }
    }

    @Test("pages older and newer")
    func paging() async throws {
        for number in 0..<(GatewayLimits.postsPerPage + 5) {
            _ = try await blog.post(user: "a", topic: "t", message: "post-\(number).")
        }
        try await withServer(store: store) { client in
            let first = try await client.get("/").body
            #expect(first.contains("post-34.") && first.contains("post-5.") && !first.contains("post-4."))
            #expect(first.contains("data-stream=") && !first.contains("rel=\"prev\""))
            let link = try #require(first.firstMatch(of: #/rel="next" href="([^"]+)"/#)?.1)
            let second = try await client.get(String(link)).body
            #expect(second.contains("post-4.") && !second.contains("post-5.") && !second.contains("rel=\"next\""))
            #expect(!second.contains("data-stream="))
            let back = try #require(second.firstMatch(of: #/rel="prev" href="([^"]+)"/#)?.1)
            #expect(try await client.get(String(back)).body.contains("post-34."))
            #expect(try await client.get("/?before=x").status == 400)
            #expect(try await client.get("/?before=1&after=2").status == 400)
        }
    }

    @Test("posts, and sends the reader back")
    func posting() async throws {
        try await withServer(store: store) { client in
            let reply = try await client.form("/posts", fields("one\r\ntwo"))
            #expect(reply.status == 303 && reply.headers["location"] == "/" && reply.body.isEmpty)
            #expect(try await blog.page(of: .everyone, limit: 2).posts.map(\.message) == ["one\ntwo"])
            #expect(
                try await client.form("/posts", fields("x", key: "aaaaaaaaaaaa", back: "/topics/rain")).headers[
                    "location"] == "/topics/tea")
            #expect(
                try await client.form("/posts", fields("y", key: "bbbbbbbbbbbb", back: "//evil.example")).headers[
                    "location"] == "/")
        }
    }

    @Test("posts once however often a form is sent, and asks when it comes back changed")
    func doubleSubmit() async throws {
        try await withServer(store: store) { client in
            for _ in 0..<3 { #expect(try await client.form("/posts", fields("once")).status == 303) }
            #expect(try await blog.page(of: .everyone, limit: 9).posts.count == 1)
            let changed = try await client.form("/posts", fields("changed"))
            #expect(
                changed.status == 422 && changed.body.contains("This form was used before")
                    && changed.body.contains("changed</textarea>"))
            let key = try #require(changed.body.firstMatch(of: #/name="key" value="([0-9a-f]+)"/#)?.1)
            #expect(try await client.form("/posts", fields("changed", key: String(key))).status == 303)
            #expect(try await blog.page(of: .everyone, limit: 9).posts.count == 2)
        }
    }

    @Test("shows the form again with everything in it and says what is wrong")
    func refused() async throws {
        try await withServer(store: store) { client in
            let reply = try await client.form(
                "/posts", [("user", "not a name"), ("topic", "tea"), ("message", String(repeating: "<é", count: 251))])
            #expect(reply.status == 422)
            #expect(reply.body.contains("A user name has only letters A to Z, digits and underscores."))
            #expect(reply.body.contains("A message has at most 500 characters; this one has 502."))
            #expect(reply.body.contains("&lt;é&lt;é") && reply.body.contains(#"value="not a name""#))
            #expect(reply.body.contains(#"role="alert""#) && reply.body.contains(#"aria-invalid="true""#))
            #expect(try await blog.page(of: .everyone, limit: 1).posts.isEmpty)
        }
    }

    @Test("takes forms only from its own pages")
    func origin() async throws {
        try await withServer(store: store) { client in
            for headers in [["Origin": "http://evil.example"], ["Origin": "null"], ["Sec-Fetch-Site": "cross-site"]] {
                let reply = try await client.form("/posts", fields("forged"), headers: headers)
                #expect(reply.status == 403 && reply.headers["content-type"]?.hasPrefix("text/html") == true)
            }
            #expect(
                try await client.form("/posts", fields("ours"), headers: ["Origin": "http://localhost"]).status == 303)
            #expect(try await blog.page(of: .everyone, limit: 9).posts.map(\.message) == ["ours"])
            #expect(try await client.json("/posts", "{}").status == 415)
            #expect(try await client.get("/posts").status == 405)
        }
    }

    @Test("reads on without a majority, with a warning, and keeps the text that could not be posted")
    func noLeader() async throws {
        try await withServer(store: FailingStore(code: .noLeader), cluster: FakeCluster(leader: nil)) { client in
            let page = try await client.get("/")
            #expect(page.status == 200 && page.body.contains("This server cannot reach a majority of the cluster."))
            let reply = try await client.form("/posts", fields("kept text"))
            #expect(reply.status == 503 && reply.headers["retry-after"] == "1")
            #expect(
                reply.body.contains("a majority of the servers is missing")
                    && reply.body.contains("kept text</textarea>"))
            #expect(try await client.get("/cluster").body.contains("Nobody leads"))
        }
        // The leader is lost between the look at the cluster and the read.
        try await withServer(store: FailingStore(code: .noLeader)) { client in
            let page = try await client.get("/")
            #expect(page.status == 200 && page.body.contains("This server cannot reach a majority of the cluster."))
        }
    }

    @Test(
        "shows the cluster: who leads, who trails and by how much, round trips in a picture and a table, and what happened"
    )
    func cluster() async throws {
        try await withServer { client in
            let page = try await client.get("/cluster").body
            #expect(page.contains("b leads in term 3. 2 of 3 servers can be reached."))
            #expect(page.contains("12,345 entries behind") && page.contains("0.25 ms") && page.contains("<svg viewBox"))
            #expect(page.contains("b became leader &lt;in&gt; term 3") && page.contains("2023-11-14 22:13:20 UTC"))
            #expect(
                page.contains(#"<a href="http://127.0.0.1:2/cluster">"#)
                    && page.contains("You are on <strong>a</strong>"))
            #expect(page.contains(#"<noscript><meta http-equiv="refresh""#))
        }
    }

    @Test("shows who asks to join, with the key to compare, whatever it calls itself")
    func joining() async throws {
        try await withServer { client in
            let page = try await client.get("/cluster").body
            #expect(!page.contains("Asking to join"))
        }
        var cluster = FakeCluster()
        cluster.joining = [.init(id: 9, name: "<d>", peerAddress: "10.0.0.9:7440", publicKey: "k<&>y")]
        try await withServer(cluster: cluster) { client in
            let page = try await client.get("/cluster").body
            #expect(page.contains("Asking to join") && page.contains("<th scope=\"row\">&lt;d&gt;</th>"))
            #expect(page.contains("10.0.0.9:7440") && page.contains("<code>k&lt;&amp;&gt;y</code>"))
        }
    }

    @Test("tells people of errors on a page")
    func errors() async throws {
        try await withServer { client in
            let page = try await client.get("/nowhere")
            #expect(
                page.status == 404 && page.body.contains("There is nothing here")
                    && page.body.contains("<!DOCTYPE html>"))
            #expect(try await client.get("/topics/%ff").status == 400)
            #expect(try await client.get("/topics/a/b").status == 404)
        }
    }

    @Test("pages run nothing from elsewhere, and nothing inline")
    func headers() async throws {
        _ = try await blog.post(user: "a", topic: "b", message: "c")
        try await withServer(store: store) { client in
            for path in ["/", "/cluster", "/nowhere"] {
                let page = try await client.get(path)
                #expect(
                    page.headers["content-security-policy"]?.hasPrefix(
                        "default-src 'self'; object-src 'none'; frame-ancestors 'none'") == true)
                #expect(
                    page.headers["x-content-type-options"] == "nosniff"
                        && page.headers["referrer-policy"] == "same-origin")
                #expect(
                    !page.body.contains("style=") && !page.body.contains("onclick") && !page.body.contains("src=\"http")
                )
            }
        }
    }

    @Test("assets are kept for good under their digest, and asked about otherwise")
    func assets() async throws {
        try await withServer { client in
            let page = try await client.get("/").body
            for name in ["starling.css", "starling.js", "starling.svg"] {
                let url = try #require(
                    page.firstMatch(of: try Regex("\"(/assets/\(name)\\?v=[0-9a-f]+)\""))?[1].substring)
                let asset = try await client.get(String(url))
                #expect(asset.status == 200 && asset.headers["cache-control"] == "public, max-age=31536000, immutable")
                let tag = try #require(asset.headers["etag"])
                let known = try await client.get("/assets/\(name)", headers: ["If-None-Match": tag])
                #expect(known.status == 304 && known.body.isEmpty && known.headers["cache-control"] == "no-cache")
            }
            #expect(try await client.get("/assets/other.css").status == 404)
            #expect(try await client.get("/favicon.ico").status == 200)
        }
    }
}
