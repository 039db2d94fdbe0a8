import ByteCoding

extension StateMachine {
    /// In the place of what the session said before.
    mutating func setFailureTuples(_ failureTuples: [FailureTuple], _ command: CommandView) -> Outcome {
        guard failureTuples.count <= Limits.failureTuplesPerSession else {
            return .failed(.tooManyFailureTuples(failureTuples.count))
        }
        var bytes = 0
        for one in failureTuples {
            if let failure = one.refusal { return .failed(failure) }
            let tuple = one.encodedTuple
            bytes += tuple.count
            let space = Array(one.space.utf8)
            let forbidden = space.withUnsafeBytes { space in
                tuple.withUnsafeBytes { refusal(.write, $0, in: space, for: command.who) }
            }
            if let forbidden { return .failed(forbidden) }
        }
        guard bytes <= Limits.failureTupleBytesPerSession else { return .failed(.failureTuplesTooLarge(bytes)) }
        let former = testaments[command.session]?.byteCount ?? 0
        guard testaments.byteCount - former + bytes <= Limits.failureTupleBytes else {
            return .failed(.failureTuplesFull)
        }
        note(.testament, UInt64(failureTuples.count))
        testaments.set(
            failureTuples.isEmpty
                ? nil : .init(credential: [UInt8](command.credential), tuples: failureTuples, byteCount: bytes),
            of: command.session)
        return .done
    }

    /// Writes what a session left, as far as it might write that now.
    mutating func deposit(_ testament: FailureTuples.Testament, into applied: inout Applied) {
        testament.credential.withUnsafeBytes { credential in
            for one in testament.tuples {
                let (space, tuple) = (Array(one.space.utf8), one.encodedTuple)
                space.withUnsafeBytes { space in
                    tuple.withUnsafeBytes { tuple in
                        let name: [UInt8]? =
                            identify(credential) { caller in
                                let isRefused = refusal(.write, tuple, in: space, for: caller) != nil
                                let isChecked = !mutations.contains(.failureTuplesAreNotChecked)
                                return isRefused && isChecked ? nil : [UInt8](caller.name)
                            } ?? nil
                        guard let name, let number = tuples.addSpace(space) else { return note(.notDeposited, 0) }
                        let id = tupleID(after: lastTupleID)
                        _ = name.withUnsafeBytes {
                            store(id, tuple, in: space, number, lease: one.lease.milliseconds, caller: $0)
                        }
                        // One whose lease has ended already is not there.
                        offerAll([id], into: &applied)
                    }
                }
            }
        }
    }
}

extension FailureTuple {
    var encodedTuple: [UInt8] {
        var writer = ByteWriter()
        tuple.encode(into: &writer)
        return writer.bytes
    }

    /// Why no session may leave it.
    var refusal: Failure? {
        guard SpaceName.isValid(space) else { return .invalidSpace }
        if case .milliseconds(let lease) = lease, lease > Limits.leaseMilliseconds { return .leaseTooLong(lease) }
        return nil
    }
}
