/// The work of making one segment's file ahead of its use: reserved, zero-filled and synced. It can be run on any
/// thread, while the log goes on; hand the outcome to `WriteAheadLog.finish`.
///
/// A prepared file has a number of its own and no identity. It gets a segment's id, header and name only when the log
/// reaches it, so ids always ascend in the order of the log, and preparing late or in vain does no harm.
public struct SegmentPreparation<Files: FileSystem>: Sendable {
    let files: Files
    let directory: String
    let number: UInt64
    let length: UInt64
    let freeBytesKept: UInt64

    public typealias Outcome = Result<PreparedSegment, LogError>

    /// Never throws: a failure is an outcome like others. A failed preparation leaves no file and takes nothing from
    /// the log.
    public func run() -> Outcome {
        let name = FileNames.prepared(number)
        do throws(LogError) {
            try make(name, length)
            return .success(PreparedSegment(name: name, length: length, number: number))
        } catch {
            return .failure(error)
        }
    }

    /// Makes a zero-filled file, complete before it bears its name.
    func make(_ name: String, _ length: UInt64) throws(LogError) {
        let temporary = join(directory, name + FileNames.temporarySuffix)
        do throws(FileSystemError) {
            let free = try files.freeBytes(at: directory)
            guard free >= length, free - length >= freeBytesKept else {
                throw FileSystemError(
                    "allocate \(length) bytes for", temporary, .noSpace, "only \(free) bytes are free")
            }
            let file = try files.open(temporary, .create)
            defer { file.close() }
            try file.zeroFill(length)
            try files.rename(temporary, to: join(directory, name))
        } catch {
            try? files.remove(temporary)
            throw error.isNoSpace ? .diskFull(path: directory, needed: length) : .failed(error)
        }
    }
}

/// A zero-filled file that waits to become a segment.
public struct PreparedSegment: Sendable, Equatable {
    let name: String
    let length: UInt64
    let number: UInt64
}
