/// An ordered set in chunks of at most 512: a small set is one array, a big one costs about a microsecond for any change. Taking
/// the lowest moves a head and shifts nothing, since that is what a queue does.
struct OrderedChunks<Element: Comparable & BitwiseCopyable & Sendable>: Sendable {
    private struct Chunk: Sendable {
        var items: ContiguousArray<Element>
        /// Items before it are gone.
        var head = 0
        /// The highest item, so that a search over chunks touches no chunk's memory.
        var last: Element

        var count: Int { items.count - head }

        /// The place of the first item at or above `element`.
        func lowerBound(_ element: Element) -> Int {
            items.withUnsafeBufferPointer { items in
                var (low, high) = (head, items.count)
                while low < high {
                    let middle = (low + high) / 2
                    if items[middle] < element { low = middle + 1 } else { high = middle }
                }
                return low
            }
        }
    }

    private static var chunkLimit: Int { 512 }

    /// Ascending. None is empty, but for a lone one that keeps its memory.
    private var chunks: ContiguousArray<Chunk> = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var first: Element? { count == 0 ? nil : chunks[0].items[chunks[0].head] }
    var last: Element? { count == 0 ? nil : chunks[chunks.count - 1].last }

    /// The first chunk whose last item is at or above `element`; the number of chunks if none is.
    private func chunkIndex(_ element: Element) -> Int {
        chunks.withUnsafeBufferPointer { chunks in
            var (low, high) = (0, chunks.count)
            while low < high {
                let middle = (low + high) / 2
                if chunks[middle].last < element { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// Does nothing if it is there.
    mutating func insert(_ element: Element) {
        guard count > 0 else {
            if chunks.isEmpty {
                chunks.append(Chunk(items: [element], last: element))
            } else {
                chunks[0].items.append(element)
                chunks[0].last = element
            }
            count = 1
            return
        }
        let tail = chunks.count - 1
        if chunks[tail].last < element { return append(element, to: tail) }
        let index = chunkIndex(element)
        let place = chunks[index].lowerBound(element)
        guard chunks[index].items[place] != element else { return }
        chunks[index].items.insert(element, at: place)
        count += 1
        if chunks[index].count > Self.chunkLimit { split(index) }
    }

    private mutating func append(_ element: Element, to tail: Int) {
        count += 1
        if chunks[tail].count >= Self.chunkLimit {
            var items = ContiguousArray<Element>()
            items.reserveCapacity(16)
            items.append(element)
            chunks.append(Chunk(items: items, last: element))
            return
        }
        if chunks[tail].head > 0, chunks[tail].items.count == chunks[tail].items.capacity { closeUp(tail) }
        chunks[tail].items.append(element)
        chunks[tail].last = element
    }

    private mutating func closeUp(_ index: Int) {
        chunks[index].items.removeFirst(chunks[index].head)
        chunks[index].head = 0
    }

    private mutating func split(_ index: Int) {
        closeUp(index)
        let middle = chunks[index].items.count / 2
        let upper = ContiguousArray(chunks[index].items[middle...])
        chunks[index].items.removeSubrange(middle...)
        let last = chunks[index].last
        chunks[index].last = chunks[index].items[middle - 1]
        chunks.insert(Chunk(items: upper, last: last), at: index + 1)
    }

    /// - Returns: whether it was there.
    @discardableResult
    mutating func remove(_ element: Element) -> Bool {
        guard count > 0 else { return false }
        let index = element <= chunks[0].last ? 0 : chunkIndex(element)
        guard index < chunks.count else { return false }
        let place = chunks[index].lowerBound(element)
        guard place < chunks[index].items.count, chunks[index].items[place] == element else { return false }
        count -= 1
        if chunks[index].count == 1 {
            removeChunk(index)
        } else if place == chunks[index].head {
            chunks[index].head += 1
        } else {
            chunks[index].items.remove(at: place)
            if place == chunks[index].items.count { chunks[index].last = chunks[index].items[place - 1] }
        }
        return true
    }

    private mutating func removeChunk(_ index: Int) {
        guard chunks.count == 1 else {
            chunks.remove(at: index)
            return
        }
        chunks[0].items.removeAll(keepingCapacity: chunks[0].items.capacity <= 64)
        chunks[0].head = 0
    }

    /// Calls `visit` with the elements strictly between two bounds, ascending or descending, until it returns false.
    func forEach(
        above lower: Element? = nil, below upper: Element? = nil, descending: Bool = false, _ visit: (Element) -> Bool
    ) {
        guard count > 0 else { return }
        if descending { return forEachDescending(lower, upper, visit) }
        var index = lower.map(chunkIndex) ?? 0
        var place = index < chunks.count ? lower.map(chunks[index].lowerBound) ?? chunks[index].head : 0
        while index < chunks.count {
            let items = chunks[index].items
            while place < items.count {
                let item = items[place]
                place += 1
                if let lower, item <= lower { continue }
                if let upper, item >= upper { return }
                if !visit(item) { return }
            }
            index += 1
            if index < chunks.count { place = chunks[index].head }
        }
    }

    private func forEachDescending(_ lower: Element?, _ upper: Element?, _ visit: (Element) -> Bool) {
        var index = min(upper.map(chunkIndex) ?? chunks.count - 1, chunks.count - 1)
        while index >= 0 {
            let chunk = chunks[index]
            var place = chunk.items.count - 1
            if let upper, chunk.last >= upper { place = chunk.lowerBound(upper) - 1 }
            while place >= chunk.head {
                let item = chunk.items[place]
                place -= 1
                if let lower, item <= lower { return }
                if !visit(item) { return }
            }
            index -= 1
        }
    }
}
