import StarlingClient
import Testing
import ZeroMQ

@Suite("The client file")
struct ClientFileTests {
    @Test("gives the servers and their keys")
    func good() throws {
        let key = try CurveKeyPair.generate().publicKey
        let text = """
            {"cluster": "00000000deadbeef", "servers": [
              {"name": "a", "client": "10.0.0.1:7460", "http": "10.0.0.1:7480", "publicKey": "\(key.z85)"},
              {"name": "b", "client": "h:1", "http": "h:2"}]}
            """
        let file = try ClientFile(json: Array(text.utf8))
        #expect(file.cluster == 0xDEAD_BEEF)
        #expect(file.endpoints == [ServerEndpoint("10.0.0.1:7460", publicKey: key), ServerEndpoint("h:1")])
        #expect(file.servers.map(\.name) == ["a", "b"] && file.servers[0].http == "10.0.0.1:7480")
    }

    @Test(
        "that is not one is refused",
        arguments: [
            "", "[]", #"{"cluster":"1","servers":[]}"#, #"{"cluster":"0000000000000001","servers":[]}"#,
            #"{"cluster":"0000000000000001","servers":[{"name":"a","client":"nowhere"}]}"#,
            #"{"cluster":"0000000000000001","servers":[{"name":"a","client":"h:1","publicKey":"short"}]}"#,
        ])
    func bad(_ text: String) {
        #expect(throws: ClientFile.Invalid.self) { try ClientFile(json: Array(text.utf8)) }
    }
}
