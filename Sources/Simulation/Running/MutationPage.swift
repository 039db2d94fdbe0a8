/// The page of the documentation that says which defence was found switched off, and how.
public struct MutationPage: Sendable {
    private let findings: [MutationFinding]
    private let seeds: UInt64

    /// - Parameter seeds: how many were tried at most for each defence.
    public init(_ findings: [MutationFinding], seeds: UInt64) {
        self.findings = findings
        self.seeds = seeds
    }

    /// In Markdown.
    public var text: String {
        (introduction + summary + table + notAtRandom + scenarios).joined(separator: "\n")
    }

    private var introduction: [String] {
        [
            "# What the simulator finds without each defence",
            "",
            "<!-- Generated: starling simulate --mutations --seeds \(seeds) > docs/mutations.md -->",
            "",
            "A simulator that finds nothing proves nothing. Each line of the program that defends against something that",
            "must never happen can be switched off, in tests only. This page says how soon the simulator then finds a",
            "violation. It is made by",
            "",
            "    starling simulate --mutations --seeds \(seeds) > docs/mutations.md",
            "",
            "For each defence, runs are made in which it is needed: certain faults happen in every run, and misfortunes come",
            "quickly (`Hunt.swift` says which). Seeds are tried from 1 on, and the first one counts that fails without the",
            "defence and holds with it. What no seed finds within the bound is given to the scripts: whole clusters, to which",
            "the events of one scenario happen. `MutationTests` asserts of each that it is found, by the script that it has or",
            "else at random: by 40 seeds, from 1 on or, where the first that finds it comes later, from a little before that.",
            "`starling simulate --seed N --without NAME` runs one seed of the usual runs without a defence.",
            "",
        ]
    }

    private var summary: [String] {
        let random = findings.count { $0.seeds != nil }
        let scripted = findings.count { $0.seeds == nil && $0.script != nil }
        let tested = findings.count { !$0.isCaught && $0.mutation.directedTest != nil }
        let open = findings.count { !$0.isProven }
        let several = findings.compactMap(\.seeds).sorted()
        let median = several.isEmpty ? 0 : several[several.count / 2]
        return [
            "Of \(findings.count) defences \(random) are found missing at random (half of them within \(median) "
                + "\(median == 1 ? "seed" : "seeds")), \(scripted) more by a script, and \(tested) by directed tests "
                + "only. Without any proof: \(open).",
            "",
        ]
    }

    private var table: [String] {
        let header = [
            "| scenario | defence switched off | in | seeds until caught | what is broken then |",
            "| ---: | --- | --- | ---: | --- |",
        ]
        return header + findings.map(row) + [""]
    }

    private func row(_ finding: MutationFinding) -> String {
        let scenario = finding.mutation.scenario
        let link = scenario == 0 ? "" : "[\(scenario)](#scenario-\(scenario))"
        let caught = finding.seeds.map(String.init) ?? (finding.script == nil ? "test only" : "script")
        let broken = finding.failure?.invariant ?? finding.script.map { "script \"\($0)\"" } ?? "see below"
        return "| \(link) | `\(finding.mutation.name)` | \(finding.mutation.layer.rawValue) | \(caught) | \(broken) |"
    }

    private var notAtRandom: [String] {
        let rest = findings.filter { $0.seeds == nil }
        guard !rest.isEmpty else { return [] }
        var lines = ["## Not found at random", ""]
        for finding in rest {
            var text = "- `\(finding.mutation.name)`: not within \(finding.seedsTried) seeds. "
            if let note = finding.mutation.hunt.note { text += note + " " }
            if let script = finding.script { text += "Found by the script \"\(script)\". " }
            if let test = finding.mutation.directedTest {
                text += "Directed test: `\(test.file)`, \"\(test.title)\"."
            }
            lines.append(text)
        }
        return lines + [""]
    }

    private var scenarios: [String] {
        let used = Set(findings.map(\.mutation.scenario)).subtracting([0]).sorted()
        let lines = used.map { "- <a id=\"scenario-\($0)\"></a>\($0). \(MutationPage.scenario($0))" }
        return ["## The scenarios", ""] + lines
    }
}
