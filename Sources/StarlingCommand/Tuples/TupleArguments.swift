import ArgumentParser
import Gateways
import TupleSpace

/// Reads what the user typed. What is wrong with it is wrong usage.
enum TupleArguments {
    static func tuple(_ text: String) throws(Complaint) -> Tuple {
        do throws(JSONText.Invalid) {
            return try JSONText.tuple(text)
        } catch {
            throw Complaint(
                .wrongUsage, "\(error.description)\nA tuple is a JSON array, as in '[\"alice\",\"distsys\",\"hi\"]'.")
        }
    }

    static func template(_ text: String) throws(Complaint) -> Template {
        do throws(JSONText.Invalid) {
            return try JSONText.template(text)
        } catch {
            throw Complaint(
                .wrongUsage,
                "\(error.description)\nA template is a JSON array, as in '[\"alice\",null,{\"type\":\"string\"}]'.")
        }
    }

    static func id(_ text: String?, _ option: String) throws(Complaint) -> TupleID? {
        guard let text else { return nil }
        guard let value = UInt64(text), String(value) == text else {
            throw Complaint(.wrongUsage, "--\(option) is the id of a tuple (a decimal number), and not \"\(text)\"")
        }
        return TupleID(value)
    }

    static func id(_ text: String) throws(Complaint) -> TupleID {
        guard let value = UInt64(text), String(value) == text else {
            throw Complaint(.wrongUsage, "the id of a tuple is a decimal number, and not \"\(text)\"")
        }
        return TupleID(value)
    }

    /// Seconds; in milliseconds.
    static func lease(_ text: String, orForever: Bool = false) throws(Complaint) -> UInt64 {
        let limit = Double(Limits.leaseMilliseconds) / 1_000
        guard let seconds = Double(text), seconds >= 0, seconds <= limit else {
            throw Complaint(
                .wrongUsage,
                "--lease is a number of seconds from 0 to \(Int(limit))\(orForever ? ", or forever; not" : ", and not") \"\(text)\""
            )
        }
        return UInt64((seconds * 1_000).rounded(.up))
    }

    /// Seconds, or `forever`.
    static func timeout(_ text: String) throws(Complaint) -> Timeout {
        if text == "forever" { return .forever }
        let limit = Double(Limits.timeoutMilliseconds) / 1_000
        guard let seconds = Double(text), seconds >= 0, seconds <= limit else {
            throw Complaint(
                .wrongUsage, "--timeout is a number of seconds from 0 to \(Int(limit)), or forever; not \"\(text)\"")
        }
        return .milliseconds(UInt64((seconds * 1_000).rounded(.up)))
    }
}

/// How fresh a read must be.
struct ConsistencyOptions: ParsableArguments {
    enum Level: String, ExpressibleByArgument, CaseIterable {
        case linearizable, sequential, local
    }

    @Option(
        help: """
            linearizable: sees every write acknowledged before; sequential: at least as new as --position; local: \
            what the \
            server has.
            """)
    var consistency: Level = .linearizable

    @Option(help: ArgumentHelp("With sequential: the position that a write printed.", valueName: "index.ordinal"))
    var position: String?

    func level() throws(Complaint) -> Consistency {
        guard consistency == .sequential else {
            guard position == nil else {
                throw Complaint(.wrongUsage, "--position goes with --consistency sequential only")
            }
            return consistency == .local ? .local : .linearizable
        }
        guard let position, let parsed = Position(position) else {
            throw Complaint(
                .wrongUsage, "--consistency sequential needs --position INDEX.ORDINAL, as a write prints it")
        }
        return .sequential(parsed)
    }
}
