import Testing
import ZeroMQ

@Suite("CURVE keys")
struct CurveKeyTests {
    @Test("A pair can be made again from its secret half")
    func publicFromSecret() throws {
        let pair = try CurveKeyPair.generate()
        #expect(CurveKeyPair(secretKey: pair.secretKey) == pair)
        #expect(CurveKeyPair(secretZ85: pair.secretZ85) == pair)
        #expect(CurvePublicKey(z85: pair.publicKey.z85) == pair.publicKey)
        #expect(try CurveKeyPair.generate() != pair)
    }

    @Test("The description of a pair does not show its secret half")
    func secretStaysSecret() throws {
        let pair = try CurveKeyPair.generate()
        #expect(!"\(pair)".contains(pair.secretZ85))
        #expect(!String(reflecting: pair).contains(pair.secretZ85))
    }

    @Test("Z85 agrees with the example of its specification and refuses what is not Z85")
    func z85() {
        let bytes: [UInt8] = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]
        #expect(Z85.encode(bytes) == "HelloWorld")
        #expect(Z85.decode("HelloWorld") == bytes)
        #expect(Z85.decode("Hell") == nil)
        #expect(Z85.decode("Hell\"") == nil)
        #expect(Z85.decode("#####") == nil, "beyond 32 bits")
        #expect(CurvePublicKey(z85: "HelloWorld") == nil)
        #expect(CurvePublicKey(bytes: [1, 2, 3]) == nil)
        #expect(CurveKeyPair(secretKey: [1]) == nil)
    }
}
