/// Every bound of one server's HTTP doors in one place. All hold per server.
public enum GatewayLimits {
    /// Bytes of a request's body: a tuple of the greatest size in base64, and what stands around it.
    public static let bodyBytes = 1_468_006
    public static let headerFieldBytes = 16 << 10
    public static let headerListBytes = 32 << 10
    public static let headerFields = 100
    public static let connections = 32_768
    /// Event streams open at once.
    public static let streams = 16_384
    /// Reads and takes that wait for a tuple at once.
    public static let waitingRequests = 16_384
    /// A connection on which nothing is asked is closed after this.
    public static let idleSeconds = 75
    /// Between two signs of life on an event stream.
    public static let heartbeatSeconds = 15
    /// Posts on one page of a timeline.
    public static let postsPerPage = 30
    /// Newest posts from which the lists of topics and users are made.
    public static let recentPosts = 300
    /// Characters of one message that a page shows. A raw tuple's message may be 1 MiB.
    public static let shownCharacters = 5_000
    /// Bytes of the page's post form: a message of 500 clusters may take some 20 bytes each, percent-encoded.
    public static let formBytes = 128 << 10
}
