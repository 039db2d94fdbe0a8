import ByteCoding
import TupleSpace

/// A named space of tuples: what `space(_:)` of a client, a session or any other store gives. It costs nothing to make.
///
///     let jobs = client.space("jobs")
///     try await jobs.write("resize", "cat.png", 640)
///     if let (_, file, width) = try await jobs.take("resize", .any(String.self), .any(Int.self)) { … }
///
/// A tuple is written as its fields, and looked for by a template of as many fields: see ``FieldPattern``. What is found comes as a Swift
/// tuple with the types of the template. Always the oldest match is found.
///
/// Everything here throws `Failure` only, but for what is given a closure that throws.
public struct Space: Sendable {
    public let store: any TupleStore
    public let name: String

    /// The space of this name: 1 to `Limits.spaceNameBytes` bytes of UTF-8 without control characters; another is refused when it is used.
    public init(_ name: String, of store: any TupleStore) {
        self.name = name
        self.store = store
    }
}

extension TupleStore {
    /// The space of this name. It exists from its first tuple on.
    public func space(_ name: String) -> Space { Space(name, of: self) }
}

extension Space {
    /// Writes a tuple.
    /// - Parameters:
    ///   - fields: 1 to `Limits.fieldsPerTuple`, each of a type that is a ``FieldValue``.
    ///   - lease: the tuple goes by itself when it ends, unless it is renewed.
    ///   - key: with it, writing the same again does nothing more and gives the same result, also from another process: for whoever must
    ///     repeat a write whose outcome is unknown. It is kept for an hour.
    @discardableResult
    public func write<each Field: FieldValue>(
        _ fields: repeat each Field, lease: Timeout = .forever, key: String? = nil
    ) async throws(Failure) -> WriteResult {
        let tuple = Tuple(repeat each fields)
        switch lease {
        case .forever:
            let key = key.map { IdempotencyKey($0, for: .write(space: name, tuple: tuple)) }
            return try await store.write(tuple, to: name, key: key)
        case .milliseconds(let lease):
            let operation = TupleSpace.Operation.writeLeased(space: name, tuple: tuple, leaseMilliseconds: lease)
            let key = key.map { IdempotencyKey($0, for: operation) }
            return try await store.write(tuple, to: name, lease: lease, key: key)
        }
    }

    /// Gives a tuple a lease from now on, or none: `.forever`.
    /// - Returns: false if there is no such tuple, or its lease had ended, or somebody holds it.
    @discardableResult
    public func renew(_ id: TupleID, lease: Timeout) async throws(Failure) -> Bool {
        try await store.renew(id, in: name, lease: lease).isThere
    }

    /// Puts another tuple in one's place, under its id and with its lease.
    /// - Returns: false if there is no such tuple, or somebody holds it.
    @discardableResult
    public func replace<each Field: FieldValue>(
        _ id: TupleID, with fields: repeat each Field
    ) async throws(Failure) -> Bool {
        try await store.replace(id, in: name, with: Tuple(repeat each fields)) != nil
    }

    /// Takes a tuple away by its id, for good.
    /// - Returns: false if there is no such tuple, or somebody holds it.
    @discardableResult
    public func remove(_ id: TupleID) async throws(Failure) -> Bool {
        try await store.take(id, from: name).tuple != nil
    }
}

extension Timeout {
    /// Rounded to milliseconds; less than 0 is 0.
    public static func seconds(_ seconds: Double) -> Timeout {
        // Far beyond every limit, so that what is too long is refused as that. `maximum` makes 0 of what is no number.
        .milliseconds(UInt64(min(Double.maximum(0, seconds * 1_000), 1e18).rounded()))
    }
}

extension IdempotencyKey {
    /// With a checksum of the operation, so that another one under the same key is refused with `idempotency-mismatch`.
    init(_ key: String, for operation: TupleSpace.Operation) {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        let checksum = crc32c(writer.take())
        self.init(key: key, digest: withUnsafeBytes(of: checksum.littleEndian) { [UInt8]($0) })
    }
}
