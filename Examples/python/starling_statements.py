"""Statements and the richer template fields for starling_client.py, after docs/formats/tuples.md.

    # Moves a job from one space to another, as one: {0} is the number under which its name is kept.
    run(space, [taken("jobs", ["resize", bind(0)]), write("doing", [formal(0)], lease=60)])

An alternative is a list: its guard (`always`, `taken` or `seen`), which is step 0, and then its steps. The first
alternative whose guard finds something is done, all of it or nothing; a step that cannot be done raises
StarlingError("statement-failed").
"""
from starling_client import Expression, Pattern, duration, fields, template, text, value, varint

TYPES = ("string", "number", "int", "float", "bool", "bytes", "list", "map", "symbol")

# Template fields.
def of_type(name): return Pattern(b"\2" + bytes([TYPES.index(name)]))
def between(lower, upper, open=False): return Pattern((b"\4" if open else b"\3") + value(lower) + value(upper))
def prefix(s): return Pattern(b"\5" + text(s))
def regex(s): return Pattern(b"\6" + text(s))

# In a statement: `bind` keeps what a field matches under a number below 64, and from then on `formal` stands for it.
def bind(number, type=None): return Pattern(b"\7" + varint(number) + bytes([TYPES.index(type) if type else 255]))
def formal(number): return Expression(b"\x0a" + varint(number))
def id_of(step): return Expression(b"\x0b" + varint(step))

# Guards.
always = b"\0"
def taken(space, pattern): return b"\1" + text(space) + template(pattern)
def seen(space, pattern): return b"\2" + text(space) + template(pattern)

# Steps.
def write(space, tuple, lease=None): return b"\1" + text(space) + duration(lease) + fields(tuple)
def take(space, pattern): return b"\2" + text(space) + template(pattern)
def take_if_any(space, pattern): return b"\3" + text(space) + template(pattern)
def read(space, pattern): return b"\4" + text(space) + template(pattern)
def absent(space, pattern): return b"\5" + text(space) + template(pattern)
def replace(step, tuple): return b"\6" + varint(step) + fields(tuple)

def run(client, *alternatives, timeout=0.0):
    """(number of the alternative done, from 0; what its guard and each step gave), or None if no guard found anything
    in time. A guard or step gave (id, tuple) of what it found, (id, None) of what it wrote, or None."""
    encoded = [guard + varint(len(steps)) + b"".join(steps) for guard, *steps in alternatives]
    reply = client.command(b"\x0f" + duration(timeout) + varint(len(encoded)) + b"".join(encoded), timeout)
    if reply.byte() == 3: return None
    return reply.byte(), [result(reply) for _ in range(reply.varint())]

def result(reply):
    code = reply.byte()
    if code == 0: return None
    id = reply.u64()
    reply.skip(12)
    return id, reply.fields() if code == 2 else None
