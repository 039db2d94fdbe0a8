import CZeroMQ

/// What a socket or file descriptor is ready for.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: Int16
    public init(rawValue: Int16) { self.rawValue = rawValue }
    public static let readable = Readiness(rawValue: 1)
    public static let writable = Readiness(rawValue: 2)
    /// A file descriptor, never a socket, has failed or was hung up.
    public static let failed = Readiness(rawValue: 4)
}

/// Waits for any of several sockets and file descriptors. Its array is kept from wait to wait.
///
/// Belongs to one thread, that of its sockets.
public final class Poller {
    /// Something that is waited for; valid until it is removed.
    public struct Item: Hashable, Sendable {
        fileprivate let index: Int
    }

    private var entries: [zmq_pollitem_t] = []
    /// Kept alive as long as libzmq knows their pointers. Same indices as `entries`.
    private var sockets: [Socket?] = []
    private var free: [Int] = []

    public init() {}

    public func add(_ socket: Socket, for interest: Readiness = .readable) -> Item {
        insert(zmq_pollitem_t(socket: socket.handle, fd: 0, events: interest.rawValue, revents: 0), socket)
    }

    /// The descriptor must stay open until it is removed.
    public func add(fileDescriptor: Int32, for interest: Readiness = .readable) -> Item {
        insert(zmq_pollitem_t(socket: nil, fd: fileDescriptor, events: interest.rawValue, revents: 0), nil)
    }

    private func insert(_ entry: zmq_pollitem_t, _ socket: Socket?) -> Item {
        if let index = free.popLast() {
            entries[index] = entry
            sockets[index] = socket
            return Item(index: index)
        }
        entries.append(entry)
        sockets.append(socket)
        return Item(index: entries.count - 1)
    }

    /// Must come before the socket is closed.
    public func remove(_ item: Item) {
        // poll(2) passes over a negative descriptor.
        entries[item.index] = zmq_pollitem_t(socket: nil, fd: -1, events: 0, revents: 0)
        sockets[item.index] = nil
        free.append(item.index)
    }

    public func setInterest(_ interest: Readiness, of item: Item) { entries[item.index].events = interest.rawValue }

    /// Waits until something is ready.
    /// - Parameter milliseconds: 0 only looks, -1 waits for ever.
    /// - Returns: how many are ready; 0 after the time, or when a signal came.
    @discardableResult
    public func wait(milliseconds: Int) throws(ZeroMQError) -> Int {
        let ready = zmq_poll(&entries, Int32(entries.count), milliseconds)
        if ready >= 0 { return Int(ready) }
        let code = zmq_errno()
        guard code == EINTR else { throw ZeroMQError("poll", code: code) }
        for index in entries.indices { entries[index].revents = 0 }
        return 0
    }

    /// What the last wait found.
    public func readiness(of item: Item) -> Readiness { Readiness(rawValue: entries[item.index].revents) }
    public func isReadable(_ item: Item) -> Bool { readiness(of: item).contains(.readable) }
    public func isWritable(_ item: Item) -> Bool { readiness(of: item).contains(.writable) }
}

@available(*, unavailable)
extension Poller: Sendable {}
