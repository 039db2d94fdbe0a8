import Microblog
import Testing

@Suite("The rules of posts")
struct PostRulesTests {
    @Test(
        "take names of 1 to 32 letters, digits and underscores",
        arguments: ["a", "Alice_99", String(repeating: "x", count: 32)])
    func users(name: String) {
        #expect(PostRules.problem(user: name) == nil)
    }

    @Test("refuse any other name", arguments: ["", "a b", "ümlaut", "a-b", "a\n", "а"])
    func notUsers(name: String) {
        #expect(PostRules.problem(user: name)?.field == .user)
    }

    @Test(
        "take topics without spaces, slashes and control characters",
        arguments: ["x", "distsys", "C++", "日本", "a.b", "..."])
    func topics(name: String) {
        #expect(PostRules.problem(topic: name) == nil)
    }

    @Test("refuse any other topic", arguments: ["", "a b", "a/b", ".", "..", "a\u{0}", "a\u{a0}b", "a\u{2028}"])
    func notTopics(name: String) {
        #expect(PostRules.problem(topic: name)?.field == .topic)
    }

    @Test("name the limit and the actual length")
    func lengths() {
        #expect(
            PostRules.problem(user: String(repeating: "x", count: 33))?.description
                == "a user name has at most 32 characters; this one has 33")
        #expect(
            PostRules.problem(topic: String(repeating: "é", count: 65))?.description
                == "a topic has at most 64 characters; this one has 65")
        #expect(
            PostRules.problem(message: String(repeating: "👩‍👩‍👧", count: 501))?.description
                == "a message has at most 500 characters; this one has 501")
    }

    @Test("count characters as people do")
    func clusters() {
        #expect(PostRules.problem(message: String(repeating: "👩‍👩‍👧", count: 500)) == nil)
        #expect(PostRules.problem(message: String(repeating: "e\u{301}", count: 500)) == nil)
    }

    @Test("bound bytes too, since one character may have any number of them")
    func bytes() {
        let tower = "e" + String(repeating: "\u{301}", count: 10_000)
        #expect(tower.count == 1)
        #expect(
            PostRules.problem(message: tower)?.description == "a message has at most 10000 bytes; this one has 20001")
    }

    @Test("refuse messages that say nothing, and control characters but newline and tab")
    func messages() {
        #expect(PostRules.problem(message: "") != nil)
        #expect(PostRules.problem(message: " \n\t\u{a0}") != nil)
        #expect(PostRules.problem(message: "a\r\nb") != nil)
        #expect(PostRules.problem(message: "a\u{85}b") != nil)
        #expect(PostRules.problem(message: "a\n\tb") == nil)
    }

    @Test("tell of every field at once")
    func all() {
        #expect(PostRules.problems(user: "", topic: "", message: "").map(\.field) == [.user, .topic, .message])
    }
}
