import ArgumentParser

struct AdminCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin", abstract: "Say who may do what: tokens, and policies of spaces.",
        discussion: """
              starling admin token create --user alice
              starling admin policy set blog '{"write":[["signed-in"],[{"caller-in":0}]],"take":[[{"caller-in":0},{"role":"admin"}]]}'
              STARLING_TOKEN=… starling tuple write blog '["alice","distsys","hi"]'

            These commands need the operator file that `starling cluster plan` wrote, or the token of somebody with the role \
            admin. To servers that run unencrypted (--no-curve) anybody is an admin.
            """,
        subcommands: [TokenCommand.self, PolicyCommand.self])
}
