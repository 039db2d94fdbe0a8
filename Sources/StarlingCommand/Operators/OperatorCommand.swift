import ArgumentParser
import Foundation

struct OperatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator", abstract: "Look into a server's data directory, and recover from the worst.",
        discussion: """
            These work on the files of one server. Inspecting changes nothing and may be done while the server runs; \
            then the newest batch of its log may show as unfinished.
            """,
        subcommands: [OperatorLogCommand.self, OperatorSnapshotCommand.self, RecoverCommand.self])
}

/// The path of a data directory that a person named.
/// - Throws: if no server has ever used it; otherwise inspecting it would find nothing and say so as if all were well.
func dataDirectory(_ named: String) throws(Complaint) -> String {
    let path = UserDirectories.expanded(named)
    guard FileManager.default.fileExists(atPath: path + "/identity") else {
        throw Complaint(
            .notFound,
            "\(named) is not the data directory of a server: it has no file `identity`. Name the directory given to `serve --data`."
        )
    }
    return path
}
