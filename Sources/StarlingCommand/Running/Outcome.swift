import ArgumentParser
import Certificates
import Cluster
import Gateways
import Microblog
import StarlingClient
import TupleSpace

/// How a command ends, as the shell sees it.
enum Outcome: Int32 {
    case done = 0
    case failed = 1
    case wrongUsage = 2
    /// Nothing matched, or not in time.
    case notFound = 3
    case notPermitted = 4
    case unavailable = 5
    /// Of `serve`: the server is no member of its cluster any more.
    case removed = 6
    /// Of `tuple shell` without a terminal: by SIGINT, as other programs say it.
    case interrupted = 130

    /// Says on standard error what went wrong, and on standard output what was asked for (help, version).
    static func report(_ error: any Error, root: any ParsableCommand.Type) -> Outcome {
        let end = explain(error, root: root)
        if end.outcome == .done {
            Terminal.line(end.text)
        } else if !end.text.isEmpty {
            Terminal.complain(end.text)
        }
        return end.outcome
    }

    /// What an error means for the person at the terminal. Help and version are errors of the argument parser, too.
    static func explain(_ error: any Error, root: any ParsableCommand.Type) -> Complaint {
        if let complaint = complaint(about: error) { return complaint }
        let text = root.fullMessage(for: error)
        // ArgumentParser's own 64 is our 2, and its "Error:" our name.
        let sentence = text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text
        return switch root.exitCode(for: error) {
        case .success: Complaint(.done, text)
        case .validationFailure: Complaint(.wrongUsage, sentence)
        default: Complaint(.failed, sentence)
        }
    }

    /// What our own errors mean; nil for those of the argument parser.
    private static func complaint(about error: any Error) -> Complaint? {
        switch error {
        case let complaint as Complaint: complaint
        case let failure as Failure: Complaint(failure)
        case let problem as PostProblem: Complaint(.wrongUsage, problem.description)
        case let error as PlanError: Complaint(.failed, error.description)
        case let problem as CertificateProblem: Complaint(.failed, problem.description)
        case let failure as StartFailure: Complaint(failure.isRemoved ? .removed : .failed, failure.description)
        case let error as GatewayError: Complaint(.failed, error.description)
        case let failure as LoadFailure: Complaint(.unavailable, failure.description)
        default: nil
        }
    }
}

/// A sentence for the person at the terminal: what, where, which limit, and what to do; and how the program ends.
struct Complaint: Error, CustomStringConvertible {
    var outcome: Outcome
    /// Empty if everything has been said.
    var text: String

    init(_ outcome: Outcome, _ text: String) {
        self.outcome = outcome
        self.text = text
    }

    init(_ failure: Failure) {
        switch failure.code {
        case .noLeader, .busy:
            self.init(
                .unavailable,
                "the cluster is unavailable, and nothing was done: \(failure.message)\n"
                    + "Is a majority of the servers running, and is --servers right? `starling config show` says what "
                    + "is used."
            )
        case .outcomeUnknown:
            self.init(
                .unavailable,
                "the cluster did not answer in time, and it may or may not have been done: \(failure.message)")
        case .notAllowed, .unknownToken: self.init(.notPermitted, failure.message)
        case .malformed, .tupleTooLarge, .invalidTuple, .invalidTemplate, .invalidSpace:
            self.init(.wrongUsage, failure.message)
        default: self.init(.failed, failure.description)
        }
    }

    var description: String { text }
}
