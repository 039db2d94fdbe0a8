import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// The storage thread of each server: one write and one sync for whatever has gathered while the last ones ran.
extension SimulatedCluster {
    func diskDelay(_ server: SimulatedServer) -> UInt64 {
        let delay = server.random.skewed(server.writeDelay)
        return server.stalledUntil > now ? server.stalledUntil - now + delay : delay
    }

    func store(_ writes: [StorageWrite], _ server: SimulatedServer, _ process: ServerProcess) {
        for write in writes {
            process.queue.append(.init(write: write, stamps: write.entries.map(StampedEntry.init)))
        }
        beginWriting(server, process)
    }

    private func beginWriting(_ server: SimulatedServer, _ process: ServerProcess) {
        guard !process.isWriting, !process.queue.isEmpty else { return }
        process.isWriting = true
        swap(&process.writing, &process.queue)
        plan(.writeDone(server: server.number, life: server.life), after: diskDelay(server))
    }

    func finishWriting(_ server: SimulatedServer) {
        guard let process = server.process, let last = process.writing.last else { return }
        do throws(LogError) {
            try process.log.append(process.writing.map(\.write))
        } catch {
            return writingFailed(error, server, process)
        }
        for item in process.writing { server.durable.apply(item.write, item.stamps) }
        let marks = process.writing.contains { $0.write.snapshot != nil }
        process.writing.removeAll(keepingCapacity: true)
        process.isWriting = false
        trace.mix(5, now, last.write.sequence.rawValue)
        if trace.isReadable { trace.note(now, "\(name(server)) has stored write \(last.write.sequence.rawValue)") }
        receive(server, .stored(last.write.sequence))
        tidy(server, process, marks: marks)
        beginWriting(server, process)
    }

    private func writingFailed(_ error: LogError, _ server: SimulatedServer, _ process: ServerProcess) {
        switch error {
        case .diskFull:
            // Nothing was written. It waits for room, and consensus takes it for a slow disk.
            trace.note(now, "\(name(server)): \(error)")
            makeRoom(server, process)
            _ = try? process.log.checkRoom()
            plan(.writeDone(server: server.number, life: server.life), after: 20_000_000)
        case .failed, .poisoned:
            // The first failure is final: the process ends.
            trace.fault(now, "\(name(server)) stops: \(error)")
            var image = server.durable
            for item in process.writing { image.apply(item.write, item.stamps) }
            server.perhapsDurable = image
            process.writing.removeAll()
            crash(server, server.random.chance(percent: 50) ? .nothing : .some)
            planRestart(server)
        case .invalidWrite, .directory:
            checker.report("the log takes every write", "\(name(server)): \(error)")
        }
    }

    /// As the storage thread does it: marks that wait behind entries are made ahead, and what they make superfluous is removed.
    private func makeRoom(_ server: SimulatedServer, _ process: ServerProcess) {
        var writes = (process.writing + process.queue).map(\.write)
        let marks = writes.compactMap(\.snapshot)
        guard !marks.isEmpty, (try? process.log.markAhead(&writes)) == true else { return }
        for i in writes.indices {
            if i < process.writing.count {
                process.writing[i].write = writes[i]
            } else {
                process.queue[i - process.writing.count].write = writes[i]
            }
        }
        for mark in marks where mark.index > server.durable.snapshot.index {
            server.durable.apply(StorageWrite(sequence: .zero, snapshot: mark, keepsTail: true), [])
        }
        trace.note(now, "\(name(server)) marks the snapshot at \(server.durable.snapshot.index) while its disk is full")
        tidy(server, process, marks: true)
    }

    private func tidy(_ server: SimulatedServer, _ process: ServerProcess, marks: Bool) {
        if marks {
            _ = try? process.log.compact(before: process.keepFrom)
            try? process.store.prune(keeping: process.replica.snapshotsBeingSent.union([server.durable.snapshot.index]))
        }
        if let preparation = process.log.preparation() { try? process.log.finish(preparation.run()) }
    }

    // MARK: - Snapshots

    func write(
        _ snapshot: ReplicaEffects.SnapshotToTake, to store: SnapshotStore<SimulatedFileSystem>
    ) throws(SnapshotError) {
        var writer = try store.writer(snapshot.metadata)
        var pieces: [[UInt8]] = []
        snapshot.image.encode { pieces.append([UInt8]($0)) }
        for piece in pieces { try writer.write(piece) }
        try writer.finish()
    }

    func writeSnapshot(_ server: SimulatedServer) {
        guard let process = server.process, let snapshot = process.snapshotUnderWay else { return }
        process.snapshotUnderWay = nil
        do throws(SnapshotError) {
            try write(snapshot, to: process.store)
            statistics.snapshotsTaken += 1
            process.keepFrom = snapshot.keepFrom
            trace.note(now, "\(name(server)) took a snapshot at \(snapshot.metadata.index)")
            receive(server, .snapshotTaken(snapshot.metadata, keepFrom: snapshot.keepFrom))
        } catch {
            trace.note(now, "\(name(server)) discards a snapshot: \(error)")
            receive(server, .snapshotTaken(nil, keepFrom: snapshot.keepFrom))
        }
    }

    func readSnapshot(_ server: SimulatedServer, _ read: ReplicaEffects.SnapshotRead) {
        guard let process = server.process else { return }
        var piece: [UInt8]?
        var total: UInt64 = 0
        if let place = (try? process.store.places())?.first(where: { $0.index == read.index }),
            !read.verifiesWhole || (try? process.store.verify(place)) != nil,
            let size = try? process.store.size(place)
        {
            piece = try? process.store.range(place, offset: read.offset, count: read.maximumBytes)
            total = size
        }
        receive(server, .snapshotRead(read, piece, total: total))
    }

    func storeChunk(_ server: SimulatedServer, _ sender: NodeID, _ chunk: SnapshotChunk) {
        guard let process = server.process else { return }
        let place = SnapshotPlace(index: chunk.index, term: chunk.term)
        do throws(SnapshotError) {
            if process.receiver?.place != place {
                process.receiver?.discard()
                process.receiver = try process.store.receiver(place)
            }
            guard var receiver = process.receiver else { return }
            process.receiver = nil
            let next = try receiver.receive(chunk.bytes, at: chunk.offset)
            if next >= chunk.total {
                let metadata = try receiver.finish()
                trace.note(now, "\(name(server)) has received the snapshot at \(metadata.index)")
                receive(server, .chunkStored(from: sender, index: chunk.index, next: next, metadata))
            } else {
                process.receiver = receiver
                receive(server, .chunkStored(from: sender, index: chunk.index, next: next, nil))
            }
        } catch {
            process.receiver = nil
            trace.note(now, "\(name(server)) discards what it received of a snapshot: \(error)")
            receive(server, .chunkStored(from: sender, index: chunk.index, next: 0, nil))
        }
    }

    func loadSnapshot(_ server: SimulatedServer, _ metadata: SnapshotMetadata) {
        guard let process = server.process else { return }
        do {
            let machine = try restore(metadata, from: process.store)
            process.keepFrom = metadata.index.next
            receive(server, .installed(machine, metadata))
        } catch  where !process.replica.isInstalling(metadata) {
            // A newer one has arrived meanwhile, and this one was removed.
            trace.note(now, "\(name(server)) does not load the snapshot at \(metadata.index): \(error)")
        } catch  where server.isRotten {
            // What rotted since it was received. The process ends, and opens with what is whole.
            trace.fault(now, "\(name(server)) stops: \(error)")
            crash(server, .nothing)
            planRestart(server)
        } catch {
            checker.report("a received snapshot can be loaded", "\(name(server)): \(error)")
        }
    }
}
