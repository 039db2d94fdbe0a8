import ArgumentParser

/// How servers speak with each other, as it is called on the command line.
enum TransportName: String, ExpressibleByArgument {
    case zeromq, http
}
