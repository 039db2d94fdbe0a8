import Cluster
import Gateways
import Logging

/// What a server says while it runs: a line each, on standard output. Why it did not start, or ended, is said on standard error.
struct ServerLog: Sendable {
    enum Format: String, CaseIterable, Sendable {
        /// The sentence alone, for a person at a terminal, and for a service manager that adds time and level by itself.
        case plain
        /// Time, level, sentence, fields.
        case text
        /// An object of one line: `time`, `level`, `server`, `message`, and the fields.
        case json
    }

    let logger: Logger

    init(
        server: String, format: Format, level: Logger.Level,
        write: @escaping @Sendable (String) -> Void = { Terminal.line($0) }
    ) {
        var logger = Logger(label: "starling") { _ in LineLogHandler(server: server, format: format, write: write) }
        logger.logLevel = level
        self.logger = logger
    }

    init(_ settings: Settings, server: String) throws(Complaint) {
        guard let format = Format(rawValue: settings[.logFormat] ?? "") else {
            throw Self.complaint(.logFormat, settings, Format.allCases.map(\.rawValue))
        }
        guard let level = Logger.Level(rawValue: settings[.logLevel] ?? "") else {
            throw Self.complaint(.logLevel, settings, Logger.Level.allCases.map(\.rawValue))
        }
        self.init(server: server, format: format, level: level)
    }

    private static func complaint(_ setting: Setting, _ settings: Settings, _ allowed: [String]) -> Complaint {
        Complaint(
            .wrongUsage,
            "\(settings.origin(of: setting)) is one of \(allowed.joined(separator: ", ")), and not \"\(settings[setting] ?? "")\""
        )
    }

    func say(_ text: String) { logger.info("\(text)") }

    func say(_ level: LogLevel, _ text: String) {
        switch level {
        case .info: logger.info("\(text)")
        case .warning: logger.warning("\(text)")
        }
    }
}

/// Writes each message as one line.
private struct LineLogHandler: LogHandler {
    let server: String
    let format: ServerLog.Format
    let write: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        let time = Timestamp.now
        let message = event.message.description
        switch format {
        case .plain:
            let more = fields.isEmpty ? "" : " (\(fields.map { "\($0.key) \($0.value)" }.joined(separator: ", ")))"
            write(Self.oneLine(message + more))
        case .text:
            let more = fields.map { " \($0.key)=\($0.value)" }.joined()
            write(Self.oneLine("\(time) \(event.level.rawValue) \(message)\(more)"))
        case .json:
            let own: [JSON.Member] = [
                .init("time", .string(time)), .init("level", .string(event.level.rawValue)),
                .init("server", .string(server)),
                .init("message", .string(message)),
            ]
            let taken = Set(own.map(\.name))
            let more = fields.filter { !taken.contains($0.key) }.map {
                JSON.Member($0.key, .string($0.value.description))
            }
            write(JSON.object(own + more).text)
        }
    }

    /// Nobody makes a second line, or colours the terminal, by what it sends.
    private static func oneLine(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
        let safe = text.unicodeScalars.map { scalar -> Character in
            if scalar == "\n" { return "|" }
            return scalar.value < 0x20 || scalar.value == 0x7F ? " " : Character(scalar)
        }
        return String(safe)
    }
}
