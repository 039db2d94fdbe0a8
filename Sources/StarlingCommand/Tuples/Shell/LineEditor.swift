import CEditLine
import Glibc

/// Asks for lines at a terminal: libedit, with a history and with completion by Tab.
///
/// `@unchecked Sendable`: a line is read by one thread at a time, and nothing else touches what is in here.
final class LineEditor: @unchecked Sendable {
    enum Input: Equatable {
        case line(String)
        /// Ctrl-C.
        case abandoned
        /// Ctrl-D in an empty line, or the terminal is gone.
        case end
    }

    private let edit: OpaquePointer
    private let lines: OpaquePointer
    private let complete: @Sendable (_ typed: String) -> Completion
    /// For libedit, which asks for it while it reads.
    private var prompt: UnsafeMutablePointer<CChar>?
    private var isAbandoned = false

    /// - Parameters:
    ///   - history: earlier lines, the oldest first.
    ///   - complete: what may stand at the end of what was typed so far.
    /// - Returns: nil if this terminal cannot be edited on.
    init?(history: [String], complete: @escaping @Sendable (_ typed: String) -> Completion) {
        // libedit reads characters as the locale says; without any we speak UTF-8 all the same.
        setlocale(LC_CTYPE, "")
        if String(cString: nl_langinfo(Int32(CODESET))) != "UTF-8" { setlocale(LC_CTYPE, "C.UTF-8") }
        guard let lines = history_init() else { return nil }
        self.complete = complete
        self.lines = lines
        guard let edit = starling_edit_open("starling") else {
            history_end(lines)
            return nil
        }
        self.edit = edit
        starling_edit_set_data(edit, Unmanaged.passUnretained(self).toOpaque())
        starling_edit_history(edit, lines, Int32(ShellHistory.limit))
        for line in history { starling_history_enter(lines, line) }
        bindKeys()
    }

    deinit {
        el_end(edit)
        history_end(lines)
        free(prompt)
    }

    private func bindKeys() {
        starling_edit_prompt(edit) { LineEditor.of($0)?.prompt }
        starling_edit_add(edit, "starling-complete", "Complete the word") { edit, _ in
            UInt8(LineEditor.of(edit)?.completeWord() ?? CC_ERROR)
        }
        starling_edit_add(edit, "starling-abandon", "Give up the line") { edit, _ in
            UInt8(LineEditor.of(edit)?.abandon() ?? CC_ERROR)
        }
        starling_edit_add(edit, "starling-suspend", "Stop the program as other programs do") { _, _ in
            // To the process: this thread may block it.
            kill(getpid(), SIGTSTP)
            return UInt8(CC_REFRESH)
        }
        let keys = [
            ("^I", "starling-complete"), ("^C", "starling-abandon"), ("^Z", "starling-suspend"),
            ("^R", "em-inc-search-prev"),
            ("\\e[1~", "ed-move-to-beg"), ("\\e[4~", "ed-move-to-end"), ("\\e[3~", "ed-delete-next-char"),
            ("\\e[1;5C", "em-next-word"), ("\\e[1;5D", "ed-prev-word"),
        ]
        for (key, function) in keys { starling_edit_bind(edit, key, function) }
        starling_edit_without_signals(edit)
        // What the user has set in ~/.editrc wins.
        el_source(edit, nil)
    }

    private static func of(_ edit: OpaquePointer?) -> LineEditor? {
        guard let edit, let data = starling_edit_data(edit) else { return nil }
        return Unmanaged<LineEditor>.fromOpaque(data).takeUnretainedValue()
    }

    /// Blocks its thread until there is a line.
    func read(prompt text: String) -> Input {
        free(prompt)
        prompt = strdup(text)
        isAbandoned = false
        el_resize(edit)
        starling_edit_prepare(edit)
        var count: Int32 = 0
        guard let bytes = el_gets(edit, &count), count > 0 else { return .end }
        if isAbandoned { return .abandoned }
        var line = String(cString: bytes)
        if line.hasSuffix("\n") { line.removeLast() }
        if !line.isEmpty { starling_history_enter(lines, line) }
        return .line(line)
    }

    private func abandon() -> Int32 {
        if let line = el_line(edit)?.pointee, line.cursor < line.lastchar {
            // Moved to the end and drawn there first; then it comes again.
            el_cursor(edit, Int32(line.lastchar - line.cursor))
            el_push(edit, "\u{3}")
            return CC_CURSOR
        }
        isAbandoned = true
        return CC_NEWLINE
    }

    // MARK: Completion

    private func completeWord() -> Int32 {
        guard let line = el_line(edit)?.pointee else { return CC_ERROR }
        let typed = UnsafeBufferPointer(start: line.buffer, count: line.cursor - line.buffer)
        let completion = complete(String(decoding: typed.map(UInt8.init(bitPattern:)), as: UTF8.self))
        if !completion.addition.isEmpty { return el_insertstr(edit, completion.addition) == 0 ? CC_REFRESH : CC_ERROR }
        guard completion.candidates.count > 1 else { return CC_ERROR }
        Terminal.line("\n" + columns(completion.candidates).joined(separator: "\n"))
        return CC_REDISPLAY
    }

    /// As `ls` shows names.
    private func columns(_ words: [String]) -> [String] {
        var size = winsize()
        let terminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
        let width = (words.map(\.count).max() ?? 0) + 2
        let count = max(1, terminal / width)
        let rows = (words.count + count - 1) / count
        return (0..<rows).map { row in
            stride(from: row, to: words.count, by: rows).map { words[$0].padded(to: width) }.joined()
        }
    }
}
