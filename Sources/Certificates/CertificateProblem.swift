/// What is wrong with a certificate or a key, and where: a file, or whose it is.
public struct CertificateProblem: Error, Equatable, Sendable, CustomStringConvertible {
    public var place: String
    public var problem: String

    public init(_ place: String, _ problem: String) {
        self.place = place
        self.problem = problem
    }

    public var description: String { "\(place): \(problem)" }
}
