import Microblog
import Testing

@Suite("A file of fortunes")
struct FortuneFileTests {
    @Test("is quotations between lines of a percent sign, in order, under its name as the topic")
    func quotations() {
        let file = FortuneFile(name: "wisdom", bytes: Array("one\ntwo\n%\n\tthree %\n%% four\n%\n%\n\n%\nfive".utf8))
        #expect(file.topic == "wisdom")
        #expect(file.quotations == ["one\ntwo", "\tthree %\n%% four", "five"])
        #expect(file.problems.isEmpty)
    }

    @Test("may end its lines as other systems do, and begin with a separator")
    func lineEnds() {
        #expect(FortuneFile(name: "x", bytes: Array("%\r\none\r\n%\r\n".utf8)).quotations == ["one"])
        #expect(FortuneFile(name: "x", bytes: []).quotations.isEmpty)
    }

    @Test("reports bytes that are not UTF-8, by line, and goes on")
    func invalidBytes() {
        let file = FortuneFile(name: "x", bytes: Array("good\n%\ncaf".utf8) + [0xe9, 0x0a] + Array("%\nlast".utf8))
        #expect(file.quotations == ["good", "caf\u{fffd}", "last"])
        #expect(file.problems == [.init(line: 3, reason: "bytes that are not UTF-8")])
    }

    @Test("shows control characters as pictures, because no post may have them")
    func controlCharacters() {
        let file = FortuneFile(name: "x", bytes: Array("\u{8}a\u{7}b\u{7f}\tc".utf8))
        #expect(file.quotations == ["\u{2408}a\u{2407}b\u{fffd}\tc"])
        #expect(file.problems == [.init(line: 1, reason: "control characters")])
        #expect(PostRules.problem(message: file.quotations[0]) == nil)
    }

    @Test("shows what a terminal shows of letters struck over each other")
    func overstrikes() {
        let file = FortuneFile(name: "x", bytes: Array("whole ____\u{8}\u{8}\u{8}\u{8}BODY! _\u{8}N a\u{8}_b".utf8))
        #expect(file.quotations == ["whole BODY! N ab"])
        #expect(file.problems.count == 1)
    }

    @Test("is told from the files beside it by its name")
    func names() {
        #expect(["art", "songs-poems"].allSatisfy(FortuneFile.isFortuneFile))
        #expect(!["art.dat", "art.u8", ".hidden"].contains(where: FortuneFile.isFortuneFile))
    }

    @Test("makes posts that keep the rules")
    func messages() {
        let long = String(repeating: "All work and no play makes Jack a dull boy. ", count: 60)
        let file = FortuneFile(name: "work", bytes: Array("short\n%\n\(long)\n".utf8))
        let messages = file.messages()
        #expect(messages.first == "short")
        #expect(messages.count == 7)
        #expect(messages.allSatisfy { PostRules.problem(message: $0) == nil })
    }
}
