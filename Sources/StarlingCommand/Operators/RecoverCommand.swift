import ArgumentParser
import Cluster
import Glibc
import Raft
import WriteAheadLog
import ZeroMQ

struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Make one surviving server a cluster of its own, after a majority is lost for good.",
        discussion: """
            Only when a majority of the servers can never come back: what they acknowledged and this server does not \
            have is then lost. Otherwise bring a majority back; nothing is lost then.

            1. Stop all servers. On each survivor: `starling operator log inspect DIR`. Choose the one with the \
            highest last term and, among those, the highest last index.
            2. There:

              starling operator recover --data data --out new-plan --plan a.plan.json

            3. Start it with the new plan file, and give clients the new client file. Empty the other survivors' data \
            directories, and add them as new members.

            It keeps the server's name and addresses; its key too with --plan, else it makes a new one. A crash at \
            any point leaves the old state or the new one; repeating it does no harm.
            """)

    @Option(help: ArgumentHelp("The survivor's data directory.", valueName: "directory"))
    var data: String
    @Option(
        help: ArgumentHelp("The directory for the new plan and client file; made if need be.", valueName: "directory"))
    var out: String
    @Option(help: ArgumentHelp("The survivor's present plan file, to keep its key.", valueName: "file"))
    var plan: String?
    @Flag(help: "Do not ask.")
    var yes = false

    func run() throws {
        let path = UserDirectories.expanded(data)
        let recovery: OfflineRecovery<PosixFileSystem>
        do throws(OfflineRecoveryError) {
            recovery = try OfflineRecovery(
                path, files: PosixFileSystem(), holder: "pid \(getpid()), operator recover")
        } catch {
            throw Complaint(.failed, error.description)
        }
        defer { recovery.close() }
        try recover(recovery)
    }

    private func recover(_ recovery: OfflineRecovery<PosixFileSystem>) throws(Complaint) {
        let survey = recovery.survey
        guard let own = survey.own else {
            let names = survey.configuration.members.map(\.name)
            throw Complaint(
                .failed, OfflineRecoveryError.notAMember(name: survey.identity.name, members: names).description)
        }
        let files = RecoveryPlanFiles(
            directory: UserDirectories.expanded(out), server: own, present: survey.identity.cluster)
        let earlier = try files.read()
        if survey.isAlone, let earlier, earlier.cluster == survey.identity.cluster {
            Terminal.line("server \(own.name) is the only voter of cluster \(earlier.cluster) already.")
            sayWhatNext(files)
            return
        }
        if let earlier, earlier.cluster == survey.identity.cluster {
            throw Complaint(
                .failed, "\(files.planPath) is a plan of the present cluster: name another directory with --out")
        }
        for line in explanation(survey, own) { Terminal.line(line) }
        try confirm(own.name)

        // The keys and the new cluster's id are on the disk before anything depends on them.
        let new: ServerPlan
        if let earlier {
            new = earlier
        } else {
            new = try files.make(keys: keptKeys(survey, own))
        }
        try files.write(new)
        do throws(OfflineRecoveryError) {
            _ = try recovery.perform(newCluster: new.cluster, publicKey: new.keys.publicKey.bytes)
        } catch {
            throw Complaint(.failed, error.description)
        }
        Terminal.line("server \(own.name) is now the only voter of the new cluster \(new.cluster).")
        sayWhatNext(files)
    }

    private func explanation(_ survey: OfflineRecovery<PosixFileSystem>.Survey, _ own: Member) -> [String] {
        let others = survey.configuration.members.filter { $0.id != own.id }.map(\.name)
        var lines = survey.findings.map { $0.description }
        lines += [
            "server \(own.name) of cluster \(survey.identity.cluster), data in \(data)",
            "  its last entry: index \(survey.lastIndex) of term \(survey.lastTerm); it knows term "
                + "\(survey.hardState.term)",
            "  the other members by its log: " + (others.isEmpty ? "none" : others.joined(separator: ", ")),
            "",
            "What will happen: this server becomes the only voter of a new cluster, with all that it has. The other "
                + "members can never come back into it with what they have; empty their directories and add them "
                + "as new members.",
            "What may be lost: everything that others acknowledged and that is behind index \(survey.lastIndex) here. "
                + "What this server has and no majority had, so that nobody was told of it, comes into force.",
        ]
        if let damage = survey.damage {
            lines.append("This server's own log was damaged, and what stood behind the damage is lost too: \(damage)")
        }
        if let removal = survey.removal {
            lines.append(
                "This server was \(removal): any that is still a member knows more. Choose it only if there is none."
            )
        }
        if plan == nil {
            lines.append("Without --plan it gets a new key.")
        }
        return lines
    }

    private func confirm(_ name: String) throws(Complaint) {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Complaint(.wrongUsage, "nothing was changed: say --yes if this is what you want")
        }
        Terminal.text("Type the server's name, \(name), to go on: ")
        guard readLine() == name else { throw Complaint(.failed, "that is not its name; nothing was changed") }
    }

    /// The server's own, if its plan was given.
    private func keptKeys(
        _ survey: OfflineRecovery<PosixFileSystem>.Survey, _ own: Member
    ) throws(Complaint) -> ServerPlan? {
        guard let plan else { return nil }
        let kept: ServerPlan
        do throws(PlanError) {
            kept = try ServerPlan.read(from: UserDirectories.expanded(plan))
        } catch {
            throw Complaint(.failed, error.description)
        }
        guard kept.cluster == survey.identity.cluster, kept.name == survey.identity.name else {
            throw Complaint(
                .failed,
                "\(plan) is the plan of server \(kept.name) of cluster \(kept.cluster), and not of server "
                    + "\(survey.identity.name) of cluster \(survey.identity.cluster)")
        }
        return kept
    }

    private func sayWhatNext(_ files: RecoveryPlanFiles) {
        Terminal.line("Start it: starling serve --data \(data) --name \(files.server.name) --plan \(files.planPath)")
        Terminal.line(
            "Clients need \(files.clientPath), operators \(files.operatorPath). What was replaced is in \(data), in files named before-…."
        )
    }
}
