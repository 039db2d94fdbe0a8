/// Bounds of one connection. They hold for each connection by itself; those of the replicated state are `Limits`.
public enum FrameLimits {
    /// A longer frame is not read: its sender is disconnected. Above any single request or response.
    public static let frameBytes = 16 << 20
    /// Whoever gathers items begins another frame when this one has so many bytes, so that one big frame delays nobody.
    public static let gatheredBytes = 1 << 20
    /// Requests without an answer on one connection; a server answers `busy` to more.
    public static let requestsPerConnection = 65_536
    public static let tokenBytes = 4_096
    /// Servers in a welcome.
    public static let servers = 64
    /// Bytes of each name, address and message in a welcome or a refusal.
    public static let textBytes = 1_024
}
