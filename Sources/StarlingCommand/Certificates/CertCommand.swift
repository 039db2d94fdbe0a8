import ArgumentParser

struct CertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cert", abstract: "Make the certificates of servers that speak over HTTP, and keys.",
        discussion: """
            Servers that are started with --transport http know each other by certificates of an authority that is yours \
            alone. Once, on the machine where its key shall be kept:

              starling cert authority --out plan
              starling cert node --authority plan --plan plan/a.plan.json plan/b.plan.json plan/c.plan.json
              starling serve --data a --name a --plan plan/a.plan.json --transport http

            The second writes a certificate and its key beside each plan file; repeat it before they expire. A server uses \
            the new files without a restart.
            """,
        subcommands: [
            CertAuthorityCommand.self, CertNodeCommand.self, CertShowCommand.self, CertCurveCommand.self,
        ])
}
