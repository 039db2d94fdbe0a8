import ArgumentParser

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print a script that completes starling's commands and options in a shell.",
        discussion: """
            bash:  starling completions bash > ~/.local/share/bash-completion/completions/starling
            zsh:   starling completions zsh > "${fpath[1]}/_starling"
            fish:  starling completions fish > ~/.config/fish/completions/starling.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    @Argument(help: "The shell: bash, zsh or fish.")
    var shell: Shell

    func run() {
        let script =
            switch shell {
            case .bash: StarlingCommand.completionScript(for: .bash)
            case .zsh: StarlingCommand.completionScript(for: .zsh)
            case .fish: StarlingCommand.completionScript(for: .fish)
            }
        Terminal.line(script)
    }
}
