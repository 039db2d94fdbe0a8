"""A client of Starling's native protocol (docs/formats/client-protocol.md) in one file. Needs pyzmq.

    with Starling("127.0.0.1:7460") as blog:
        blog.write("blog", ["alice", "distsys", "hi"])
        with blog.take("blog", ["alice", ANY, ANY], timeout=5) as held:
            print(held.tuple)          # acknowledged at the end of the block, given back if the block raises

Small on purpose: one request at a time, one server after another when one fails. Not for several threads at once.
"""
import os
import struct
import time

import zmq

CODES = """? malformed unsupported tuple-too-large invalid-tuple invalid-template invalid-space template-too-broad
session-expired session-window-full already-acknowledged too-many-sessions too-many-waiters too-many-spaces
idempotency-mismatch idempotency-full superseded position-gone busy no-leader disk-full outcome-unknown not-allowed
statement-failed""".split()
SINGLES = (None, False, True)
AGAIN = ("busy", "no-leader", "outcome-unknown")

class StarlingError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{message} ({code})")
        self.code = code

def varint(n): return bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80]) + varint(n >> 7)
def prefixed(b): return varint(len(b)) + b
def text(s): return prefixed(s.encode())
class Pattern(bytes): "A field of a template that is no value, encoded; starling_statements.py makes more of them."
class Expression(bytes): "What stands for a value in a statement, encoded."
ANY = Pattern(b"\0")
def value(v):
    if v is None or isinstance(v, bool): return bytes([SINGLES.index(v)])
    if isinstance(v, Expression): return v
    if isinstance(v, int): return b"\3" + varint((v << 1 ^ v >> 63) & (1 << 64) - 1)
    if isinstance(v, float): return b"\4" + struct.pack("<d", v)
    if isinstance(v, str): return b"\5" + text(v)
    if isinstance(v, bytes): return b"\6" + prefixed(v)
    if isinstance(v, (list, tuple)): return b"\7" + varint(len(v)) + b"".join(map(value, v))
    if isinstance(v, dict):
        entries = sorted((k.encode(), x) for k, x in v.items())
        return b"\x08" + varint(len(v)) + b"".join(prefixed(k) + value(x) for k, x in entries)
    raise TypeError(f"no Starling value: {v!r}")
def fields(t): return varint(len(t)) + b"".join(map(value, t))
def template(t): return varint(len(t)) + b"".join(f if isinstance(f, Pattern) else b"\1" + value(f) for f in t)
def duration(seconds): return b"\1" if seconds is None else b"\0" + varint(int(seconds * 1000))
def page(limit, newest, after=None, before=None):
    ends = b"".join(struct.pack("<Q", id) for id in (after, before) if id is not None)
    return varint(limit) + bytes([newest | (after is not None) << 1 | (before is not None) << 2]) + ends

class Reader:
    def __init__(self, data): self.data, self.at = data, 0
    def end(self): return self.at >= len(self.data)
    def raw(self, n):
        if self.at + n > len(self.data): raise StarlingError("malformed", "cut short")
        self.at += n
        return self.data[self.at - n:self.at]
    def skip(self, n): return self.raw(n) and self
    def byte(self): return self.raw(1)[0]
    def u32(self): return struct.unpack("<I", self.raw(4))[0]
    def u64(self): return struct.unpack("<Q", self.raw(8))[0]
    def varint(self): return b if (b := self.byte()) < 0x80 else b & 0x7F | self.varint() << 7
    def prefixed(self): return self.raw(self.varint())
    def string(self): return self.prefixed().decode()
    def value(self):
        tag = self.byte()
        if tag < 3: return SINGLES[tag]
        if tag == 3: return (n := self.varint()) >> 1 ^ -(n & 1)
        if tag == 4: return struct.unpack("<d", self.raw(8))[0]
        if tag in (5, 9): return self.string()
        if tag == 6: return self.prefixed()
        if tag == 7: return [self.value() for _ in range(self.varint())]
        if tag == 8: return {self.string(): self.value() for _ in range(self.varint())}
        raise StarlingError("malformed", f"value tag {tag}")
    def fields(self): return [self.value() for _ in range(self.varint())]
    def found(self): return None if self.byte() == 3 else (self.u64(), self.skip(12).fields())
    def tuples(self): return [(self.u64(), self.fields()) for _ in range(self.skip(2).u32())]
    def failure(self): return StarlingError(CODES[self.byte()], self.string())

class Held:
    """A taken tuple: ours for good once acknowledged, back in its place if released or if this client dies."""
    def __init__(self, client, sequence, id, tuple):
        self.client, self.sequence, self.id, self.tuple = client, sequence, id, tuple
    def __enter__(self): return self
    def __exit__(self, kind, *_): self.release() if kind else self.acknowledge()
    def acknowledge(self): self.client.pending.discard(self.sequence)  # the next command tells it, or flush()
    def release(self): self.client.command(b"\7" + varint(self.sequence)), self.acknowledge()

class Starling:
    """`servers`: "HOST:PORT" or (that, 32-byte public key) each; those with a key are spoken to with CURVE."""
    def __init__(self, *servers, token="", cluster=0, patience=10.0, session_seconds=30):
        self.servers = [(s, b"") if isinstance(s, str) else s for s in servers]
        self.hello = b"\1\1" + struct.pack("<Q", cluster) + text(token)
        self.patience, self.socket, self.turn, self.ids, self.sequence = patience, None, 0, 0, 0
        self.session = int.from_bytes(os.urandom(8), "little") or 1
        self.pending = set()  # sequence numbers without acknowledgement
        self.command(b"\1" + varint(session_seconds * 1000))

    def __enter__(self): return self
    def __exit__(self, *_): self.command(b"\2"), self.leave()

    def connect(self):
        address, key = self.servers[self.turn % len(self.servers)]
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if key:
            self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
            self.socket.curve_serverkey = key
        self.socket.connect(f"tcp://{address}")
        self.socket.send(self.hello)
        frame = self.receive(1.0)
        if frame is None or frame.byte() != 129: raise ConnectionError("no welcome")
        if frame.byte() != 1: raise StarlingError("unsupported", "the server speaks another version")
        self.cluster, _, self.leader, _ = (frame.u64() for _ in range(4))
        for _ in range(frame.varint()):
            _, _, found, _, public = frame.u64(), frame.string(), frame.string(), frame.string(), frame.prefixed()
            if found not in [s for s, _ in self.servers] and (public or not key): self.servers.append((found, public))

    def receive(self, seconds):
        if not self.socket.poll(max(0, seconds) * 1000): return None
        frame = Reader(self.socket.recv())
        if frame.data[0] == 255: raise frame.skip(1).failure()
        return frame

    def leave(self):
        if self.socket: self.socket.close()
        self.socket, self.turn = None, self.turn + 1

    def request(self, kind, payload, wait=0.0):
        """Sends the same request to one server after another until one answers. Returns (position, reply)."""
        self.ids += 1
        frame = b"\2" + varint(self.ids) + bytes([kind]) + prefixed(payload)
        deadline, error = None if wait is None else time.monotonic() + wait + self.patience, None
        while deadline is None or time.monotonic() < deadline:
            try:
                if not self.socket: self.connect()
                self.socket.send(frame)
                reply = self.answer(self.ids, wait)
                if not reply: raise ConnectionError("the server is silent")
                if reply[1].data[:1] != b"\6": return reply
                raise reply[1].skip(1).failure()
            except (ConnectionError, StarlingError) as problem:
                if isinstance(problem, StarlingError) and problem.code not in AGAIN: raise
                error = problem
                self.leave()
                time.sleep(0.05)
        raise StarlingError("outcome-unknown", f"no answer in time; last: {error}")
    def answer(self, id, wait):
        """The answer to the request, in whatever order answers come; None if the server falls silent."""
        until = None if wait is None else time.monotonic() + wait + 2.0
        while until is None or time.monotonic() < until:
            frame = self.receive(1.0)
            if frame is None:
                self.socket.send(b"\3" + bytes(8))
                if (frame := self.receive(1.0)) is None: return None
            if frame.byte() != 130: continue
            while not frame.end():
                got, _, position = frame.varint(), frame.byte(), (frame.varint(), frame.varint())
                payload = frame.prefixed()
                if got == id: return position, Reader(payload)

    def command(self, operation, wait=0.0, holds=False):
        self.sequence += 1
        self.pending.add(self.sequence)
        below, sequence = min(self.pending), self.sequence
        done = [n for n in range(below, sequence) if n not in self.pending][:4096]
        header = struct.pack("<QQ", self.session, sequence) + varint(below) + varint(len(done))
        _, reply = self.request(1, header + b"".join(map(varint, done)) + operation, wait)
        if not (holds and reply.data[:1] == b"\2"): self.pending.discard(sequence)
        return reply

    def query(self, query, timeout=0.0):
        return self.request(2, b"\0" + duration(timeout) + query, timeout)[1]

    # The tuplespace. Time-outs and leases are seconds; None is for ever. Patterns are tuples with ANY, or what
    # starling_statements.py has, in their fields. What is not there is None or False. `after`, `before` are ids.
    def flush(self): self.command(b"\x08")
    def keep_alive(self): self.request(3, struct.pack("<Q", self.session))  # if nothing else goes for session_seconds
    def write(self, space, tuple, lease=None):
        kind = b"\4" + text(space) if lease is None else b"\x0a" + text(space) + varint(int(lease * 1000))
        return self.command(kind + fields(tuple)).skip(1).u64()
    def take(self, space, pattern, timeout=0.0):
        operation = b"\5" + text(space) + duration(timeout) + b"\1" + template(pattern)
        found = self.command(operation, timeout, holds=True).found()
        return found and Held(self, self.sequence, *found)

    def take_all(self, space, pattern, limit=100, newest=False):  # for good, and as one
        return self.command(b"\x0d" + text(space) + page(limit, newest) + template(pattern)).tuples()
    def by_id(self, kind, space, id, more=b""): return self.command(kind + text(space) + struct.pack("<Q", id) + more)
    def renew(self, space, id, lease): return self.by_id(b"\x0b", space, id, duration(lease)).byte() == 0
    def take_id(self, space, id): return (self.by_id(b"\x0c", space, id).found() or (id, None))[1]
    def replace(self, space, id, tuple): return self.by_id(b"\x0e", space, id, fields(tuple)).byte() == 1
    def read(self, space, pattern, timeout=0.0):
        return (self.query(b"\1" + text(space) + template(pattern), timeout).found() or (0, None))[1]
    def read_all(self, space, pattern, limit=100, newest=False, after=None, before=None):
        return self.query(b"\2" + text(space) + page(limit, newest, after, before) + template(pattern)).tuples()
    def count(self, space, pattern): return self.query(b"\3" + text(space) + template(pattern)).skip(1).u64()
