import Foundation

/// Tells whether a file was replaced or written to.
struct FileStamp: Equatable, Sendable {
    private var number: Int?
    private var size: Int?
    private var changed: Date?

    /// Of the file at this path, or of there being none.
    init(of path: String) {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        number = (attributes?[.systemFileNumber] as? NSNumber)?.intValue
        size = (attributes?[.size] as? NSNumber)?.intValue
        changed = attributes?[.modificationDate] as? Date
    }
}
