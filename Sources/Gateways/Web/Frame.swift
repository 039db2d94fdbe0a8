/// What stands around every page.
struct Frame: Sendable {
    struct Other: Sendable {
        var name: String
        var url: String
        var isReachable: Bool
    }

    var title: String
    var server: String
    var others: [Other]
    let hasOthers: Bool
    var isHome = false
    var isCluster = false
    /// What the reader must know before reading on.
    var banner: String?
    let stylesheet = Asset.stylesheet.url
    let script = Asset.script.url
    let icon = Asset.bird.url
    let bird = Asset.inlineBird

    /// - path: the page's own, for the links to the same page of other servers.
    init(title: String, path: String, status: ClusterStatus, banner: String? = nil) {
        self.title = title
        self.banner = banner
        server = status.server
        others = status.members.filter { $0.name != status.server && !$0.httpAddress.isEmpty }
            .map { Other(name: $0.name, url: "http://\($0.httpAddress)\(path)", isReachable: $0.isReachable) }
        hasOthers = !others.isEmpty
    }

    static let staleBanner = """
        This server cannot reach a majority of the cluster. What you see may be old, and nothing can be posted here until enough \
        servers are back.
        """
}
