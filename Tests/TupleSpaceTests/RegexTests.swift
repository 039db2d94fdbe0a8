import CRE2
import Testing

@testable import TupleSpace

@Suite("Regular expressions in templates")
struct RegexTests {
    private func finds(_ pattern: String, _ text: String) -> Bool {
        TemplateField.regex(pattern).matches(.string(text))
    }

    @Test("are found anywhere, unless they are tied to the ends; and in strings only")
    func basics() {
        #expect(finds("b", "abc") && !finds("^b", "abc") && finds("^a.c$", "abc") && !finds("^a$", "a\n"))
        #expect(finds("a|é", "é") && finds("^[à-ü]$", "é") && finds("^.$", "😀") && !finds(".", "\n"))
        #expect(finds(#"^\d{2,3}$"#, "123") && !finds(#"^\d{2,3}$"#, "1234") && !finds(#"\d"#, "٣"))
        #expect(finds(#"\bcat\b"#, "a cat.") && !finds(#"\bcat\b"#, "concat"))
        #expect(finds("", "") && finds("", "x") && finds("a??b", "b"))
        #expect(!TemplateField.regex("a").matches(.symbol("a")))
        #expect(!TemplateField.regex("1").matches(.int(1)))
        #expect(!TemplateField.regex("a").matches(.bytes([97])))
    }

    @Test(
        "of another dialect are refused, with the place",
        arguments: [
            ("(", "at character 2: a ) is missing"), (")", "at character 1: a ) that closes nothing"),
            ("a(b", "at character 4: a ) is missing"), ("*a", "* has nothing before it"), ("a**", "two repetitions"),
            ("a{3,2}", "{3,2} ends before it begins"), ("a{256}", "at most 255 times"), ("a{", "a repetition is {n}"),
            ("a{,2}", "a repetition is {n}"), ("^*", "cannot be repeated"), ("[", "has at least one"),
            ("[]", "has at least one"), ("[b-a]", "the range b-a ends before it begins"), ("[a", "a ] is missing"),
            ("[[:alpha:]]", "write \\["), (#"[\d-z]"#, "single characters"), (#"\"#, "a \\ at the end"),
            (#"\p{L}"#, "\\p is not known"), (#"\1"#, "\\1 is not known"), ("(?i)a", "only (?:…) is known"),
            ("(?=a)", "only (?:…) is known"), ("(?P<n>a)", "only (?:…) is known"), ("]", "write \\]"),
            ("((((((((((((((((((a))))))))))))))))))", "nested deeper than 16"),
            ("((a{100}){100}){100}", "the limit is 1000"), (String(repeating: "a", count: 257), "the limit is 256"),
        ])
    func refused(pattern: String, problem: String) {
        let found = RegexDialect.problem(in: pattern) ?? "nothing"
        #expect(found.contains(problem), "\(pattern): \(found)")
        let failure = #expect(throws: Failure.self) { try Template([.regex(pattern)]).validate() }
        #expect(failure?.code == .invalidTemplate)
    }

    @Test("that the dialect has are all taken by the engine")
    func accepted() {
        var random = SeededGenerator(seed: 7)
        let pieces = Array("ab\\[](){}|*+?^$.,-019dwsDWSbBtnrpQE:é/ ").map(String.init)
        var accepted = 0
        for _ in 0..<100_000 {
            let pattern = (0..<(1 + random.below(10))).map { _ in pieces[random.below(pieces.count)] }.joined()
            guard RegexDialect.problem(in: pattern) == nil else { continue }
            accepted += 1
            let verdict = pattern.utf8CString.withUnsafeBufferPointer {
                starling_regex_matches($0.baseAddress, $0.count - 1, "ab", 2)
            }
            #expect(verdict >= 0, "\(pattern)")
        }
        #expect(accepted > 1_000)
        // The biggest there may be.
        #expect(RegexDialect.problem(in: "([^a]{197}){5}") == nil)
        #expect(finds("^([^a]{197}){5}$", String(repeating: "é", count: 985)))
    }

    @Test("mean what they mean elsewhere")
    func oracle() throws {
        var random = SeededGenerator(seed: 11)
        var both = (0, 0)
        for _ in 0..<1_200 {
            let pattern = expression(&random, depth: 3)
            guard RegexDialect.problem(in: pattern) == nil else { continue }
            let other = try Regex(pattern).matchingSemantics(.unicodeScalar)
            for _ in 0..<6 {
                let text = String((0..<random.below(8)).map { _ in Array("aabbc1_ -").randomElement(using: &random)! })
                let expected = try other.firstMatch(in: text) != nil
                if expected { both.0 += 1 } else { both.1 += 1 }
                #expect(finds(pattern, text) == expected, "\(pattern) in \(text)")
            }
        }
        #expect(both.0 > 500 && both.1 > 500)
    }

    private func expression(_ random: inout SeededGenerator, depth: Int) -> String {
        func pick(_ list: [String]) -> String { list[random.below(list.count)] }
        if depth == 0 {
            return pick([
                "a", "b", "c", "1", ".", "[ab]", "[^a]", "[a-c1]", #"\d"#, #"\w"#, #"\s"#, #"\W"#, #"\-"#, "_",
            ])
        }
        switch random.below(8) {
        case 0..<3:
            return expression(&random, depth: depth - 1) + expression(&random, depth: depth - 1)
        case 3:
            return "(" + expression(&random, depth: depth - 1) + "|" + expression(&random, depth: depth - 1) + ")"
        case 4..<6:
            return "(?:" + expression(&random, depth: depth - 1) + ")" + pick(["*", "+", "?", "{2}", "{1,2}", "{2,}"])
        case 6: return pick(["^", ""]) + expression(&random, depth: depth - 1) + pick(["$", ""])
        default: return expression(&random, depth: depth - 1)
        }
    }

    @Test("take time linear in the text, also those that explode elsewhere")
    func explosive() {
        let text = String(repeating: "a", count: 1 << 20)
        let began = ContinuousClock.now
        for pattern in ["^(a*)*b$", "^(a|a)*b$", "^(a|aa)+b$", "(.*)(.*)(.*)(.*)b", "^(a?){250}a{250}b"] {
            #expect(!finds(pattern, text), "\(pattern)")
        }
        #expect(ContinuousClock.now - began < .seconds(5))
    }
}
