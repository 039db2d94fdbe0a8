import Testing

@testable import Raft

@Suite("The log")
struct LogTests {
    private func log(_ terms: [UInt64], base: UInt64 = 0, baseTerm: UInt64 = 0) -> Log {
        var log = Log(
            base: LogIndex(base), term: Term(baseTerm), configuration: TestCluster.configuration(3),
            configurationIndex: .zero)
        for entry in Bench.entries(terms, behind: base) { log.append(entry) }
        return log
    }

    @Test("Terms are known from the base to the last entry, and nowhere else")
    func terms() {
        let log = log([4, 4, 5], base: 10, baseTerm: 3)
        #expect(log.first == LogIndex(11))
        #expect(log.last == LogIndex(13))
        #expect((9...14).map { log.term(at: LogIndex(UInt64($0)))?.rawValue } == [nil, 3, 4, 4, 5, nil])
        #expect(log.term(at: LogIndex(.max)) == nil)
        #expect(log.term(at: .zero) == nil)
    }

    @Test("A batch keeps to its size, but holds at least one entry")
    func batches() {
        let log = log([1, 1, 1, 1])  // payloads of 3 bytes
        func indices(_ from: UInt64, _ through: UInt64, _ bytes: Int) -> [UInt64] {
            log.batch(from: LogIndex(from), through: LogIndex(through), maximumBytes: bytes).map(\.index.rawValue)
        }
        #expect(indices(1, 9, 6) == [1, 2])
        #expect(indices(2, 9, 8) == [2, 3])
        #expect(indices(2, 3, 100) == [2, 3])
        #expect(indices(3, 4, 0) == [3])
        #expect(indices(0, 4, 100) == [])
        #expect(indices(5, 9, 100) == [])
        #expect(indices(3, 2, 100) == [])
    }

    @Test("A window behind a snapshot keeps to its entries, to its bytes and to the log")
    func window() {
        var log = log([1, 1, 1, 1, 1])  // payloads of 3 bytes
        log.compact(through: LogIndex(1))
        func first(_ last: UInt64, _ entries: Int, _ bytes: Int) -> UInt64 {
            log.firstIndex(behind: LogIndex(last), entries: entries, bytes: bytes).rawValue
        }
        #expect(first(5, 2, 100) == 4)
        #expect(first(5, 9, 100) == 2)
        #expect(first(4, 9, 7) == 3)
        #expect(first(5, 9, 2) == 6)
        #expect(first(5, 0, 100) == 6)
    }

    @Test("Truncating and compacting leave the rest in place")
    func cutting() {
        var log = log([1, 1, 2, 2, 3])
        log.truncate(from: LogIndex(5))
        log.truncate(from: LogIndex(9))
        #expect(log.last == LogIndex(4))
        log.compact(through: LogIndex(2))
        log.compact(through: LogIndex(1))
        log.compact(through: LogIndex(9))
        #expect(log.base == LogIndex(2))
        #expect(log.baseTerm == Term(1))
        #expect(log.batch(from: log.first, through: log.last, maximumBytes: .max).map(\.term.rawValue) == [2, 2])
        log.truncate(from: LogIndex(2))
        #expect(log.last == LogIndex(4))
    }

    @Test("The place where logs could agree is what a search from behind finds")
    func placeOfAgreement() {
        let terms: [UInt64] = [1, 1, 2, 4, 4, 4, 7]
        let log = log(terms, base: 0, baseTerm: 0)
        for index in 0...9 as ClosedRange<UInt64> {
            for term in 0...8 as ClosedRange<UInt64> {
                var slow = min(index, 7)
                while slow > 0, terms[Int(slow) - 1] > term { slow -= 1 }
                let found = log.lastIndex(notAfter: LogIndex(index), termAtMost: Term(term))
                #expect(found == LogIndex(slow), "index \(index), term \(term)")
            }
        }
        let behind = self.log([4, 5], base: 10, baseTerm: 3)
        #expect(behind.lastIndex(notAfter: LogIndex(12), termAtMost: Term(2)) == LogIndex(9))
        #expect(behind.lastIndex(notAfter: LogIndex(7), termAtMost: Term(9)) == LogIndex(7))
    }

    @Test("A configuration is in force when it is appended, and taken back when it is cut")
    func configurations() {
        var log = log([1, 1])
        let payload = Configuration.encoded(TestCluster.configuration(5))
        log.append(Entry(index: LogIndex(3), term: Term(1), kind: .configuration, payload: payload))
        #expect(log.latestConfiguration.configuration.voters.count == 5)
        #expect(log.configuration(at: LogIndex(2)).configuration.voters.count == 3)
        #expect(log.configuration(at: LogIndex(3)).index == LogIndex(3))
        log.truncate(from: LogIndex(3))
        #expect(log.latestConfiguration.configuration.voters.count == 3)
    }
}
