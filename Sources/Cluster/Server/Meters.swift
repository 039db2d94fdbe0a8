import Replica
import Synchronization

/// What threads other than the replica's measure.
final class Meters: Sendable {
    struct Readings: Sendable {
        var sync = Histogram()
        var writes: UInt64 = 0
        var isDiskFull = false
        var snapshotSave = Histogram()
        var snapshotBytes: UInt64 = 0
        var snapshotFailures: UInt64 = 0
    }

    private let readings = Mutex(Readings())

    var current: Readings { readings.withLock { $0 } }

    func synced(nanoseconds: UInt64, writes: Int) {
        readings.withLock {
            $0.sync.record(nanoseconds: nanoseconds)
            $0.writes += UInt64(writes)
        }
    }

    func setDiskFull(_ isFull: Bool) {
        readings.withLock { $0.isDiskFull = isFull }
    }

    func savedSnapshot(nanoseconds: UInt64, bytes: UInt64) {
        readings.withLock {
            $0.snapshotSave.record(nanoseconds: nanoseconds)
            $0.snapshotBytes = bytes
        }
    }

    func snapshotFailed() {
        readings.withLock { $0.snapshotFailures += 1 }
    }
}
