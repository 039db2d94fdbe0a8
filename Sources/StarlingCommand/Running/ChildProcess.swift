import Glibc
import Synchronization

/// How a process ended.
enum ChildExit: Equatable, Sendable {
    case code(Int32)
    case signal(Int32)

    var text: String {
        switch self {
        case .code(let code): "exited with \(code)"
        case .signal(SIGKILL): "was killed (signal 9)"
        case .signal(let number): "was ended by signal \(number)"
        }
    }
}

/// A process that we started, in a process group of its own, so that Ctrl-C reaches only us and we end it in order.
///
/// Its standard input is a pipe whose other end only we hold: however we die, it sees the end of its input. (The
/// kernel's own death signal is bound to the thread that started the process, and Swift's threads come and go.)
final class ChildProcess: Sendable {
    let pid: pid_t
    private let pipe: Int32
    private let isReaped = Mutex(false)
    private let ending: Mutex<Task<ChildExit, Never>?> = Mutex(nil)

    /// - Parameter log: the file that its output is added to.
    init(_ executable: String, _ arguments: [String], environment: [String: String], log: String) throws(Complaint) {
        let spawned = Self.spawning.withLock { _ in Self.spawn(executable, arguments, environment, log) }
        switch spawned {
        case .success(let child): (pid, pipe) = (child.pid, child.pipe)
        case .failure(let complaint): throw complaint
        }
        let task = Task { await self.reap() }
        ending.withLock { $0 = task }
    }

    /// Between making a pipe and marking it as ours alone, no other child may be started: it would hold the pipe open
    /// for ever.
    private static let spawning = Mutex(())

    private static func spawn(
        _ executable: String, _ arguments: [String], _ environment: [String: String], _ log: String
    ) -> Result<(pid: pid_t, pipe: Int32), Complaint> {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { return .failure(problem(executable, errno)) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = attributes()
        defer { posix_spawnattr_destroy(&attributes) }
        let words = ([executable] + arguments).map { strdup($0) }
        let variables = environment.map { strdup("\($0.key)=\($0.value)") }
        defer { for word in words + variables { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, &attributes, words + [nil], variables + [nil])
        guard code == 0 else {
            close(ends[1])
            return .failure(problem(executable, code))
        }
        return .success((pid, ends[1]))
    }

    private static func problem(_ executable: String, _ code: Int32) -> Complaint {
        Complaint(.failed, "cannot start \(executable): \(String(cString: strerror(code)))")
    }

    /// A group of its own, and no signal ignored or blocked because we do so.
    private static func attributes() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        return attributes
    }

    private func reap() async -> ChildExit {
        let pid = self.pid
        await blocking {
            var information = siginfo_t()
            while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        }
        // Only now is the id free for others, and never while somebody sends a signal to it.
        let status = isReaped.withLock { isReaped in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            isReaped = true
            return status
        }
        close(pipe)
        return status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
    }

    var isRunning: Bool { !isReaped.withLock { $0 } }

    func send(_ signal: Int32) {
        isReaped.withLock { isReaped in
            if !isReaped { kill(pid, signal) }
        }
    }

    /// Waits for the end.
    func exit() async -> ChildExit {
        guard let task = ending.withLock({ $0 }) else { return .code(0) }
        return await task.value
    }

    /// Asks it to end, and kills it if it does not within the time.
    func stop(within time: Duration = .seconds(10)) async -> ChildExit {
        send(SIGTERM)
        let impatience = Task {
            try await Task.sleep(for: time)
            send(SIGKILL)
        }
        defer { impatience.cancel() }
        return await exit()
    }
}
