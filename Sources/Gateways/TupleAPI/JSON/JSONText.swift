import TupleSpace

/// Tuples, templates and the cluster's status in the JSON of the HTTP API, for the other rooms of this package.
package enum JSONText {
    /// Why a text is not what it should be, and where in it.
    package struct Invalid: Error, Equatable, CustomStringConvertible {
        package var description: String
    }

    package static func tuple(_ text: String) throws(Invalid) -> Tuple {
        let json = try parse(text)
        do throws(InvalidJSONValue) {
            return try TupleJSON.tuple(json)
        } catch {
            throw Invalid(description: error.description)
        }
    }

    package static func template(_ text: String) throws(Invalid) -> Template {
        let json = try parse(text)
        do throws(InvalidJSONValue) {
            return try TemplateJSON.template(json)
        } catch {
            throw Invalid(description: error.description)
        }
    }

    /// - Parameter text: the array of alternatives.
    package static func statement(_ text: String, timeout: Timeout) throws(Invalid) -> Statement {
        let json = try parse(text)
        do throws(InvalidJSONValue) {
            return try StatementJSON.statement(json, timeout: timeout)
        } catch {
            throw Invalid(description: error.description)
        }
    }

    package static func policy(_ text: String) throws(Invalid) -> Policy {
        let json = try parse(text)
        do throws(InvalidJSONValue) {
            return try PolicyJSON.policy(json)
        } catch {
            throw Invalid(description: error.description)
        }
    }

    package static func json(_ policy: Policy) -> JSON { PolicyJSON.json(policy) }

    package static func json(ofStatement alternative: Int, _ results: [Reply]) -> JSON {
        StatementJSON.json(alternative, results)
    }

    package static func json(_ tuple: Tuple) -> JSON { TupleJSON.json(tuple) }

    package static func json(_ value: Value) -> JSON { TupleJSON.json(value) }

    /// What `GET /v1/cluster` answers.
    package static func text(of status: ClusterStatus) -> String { ClusterJSON.json(status).text }

    private static func parse(_ text: String) throws(Invalid) -> JSON {
        do throws(MalformedJSON) {
            return try JSONParser.parse(Array(text.utf8))
        } catch {
            throw Invalid(description: error.description)
        }
    }
}

extension JSON {
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}
