"""The command line of script/bench."""

import argparse
import re

from failure import Misuse
from matrix import Window
from requirements import LEVELS

SYSTEMS = ("starling", "etcd", "bare")
OPERATIONS = ("write", "read")
QUICK = {"seconds": 1.0, "repeats": 1, "limit": 5, "out": ".build/benchmarks/reports"}
FULL = {"seconds": 5.0, "repeats": 3, "limit": 30, "out": "docs/benchmarks"}
DESCRIPTION = """Measures Starling against etcd and against the bare loop, in turn, on this machine, with the same
loads, and writes a page with a plot and the raw results. Needs Linux and Debian's packages, which it installs."""

OTHERS = """Other measurements: script/bench queue (a work queue, against etcd), tuplespace (in one process, against Ruby's Rinda),
waiting (what those cost who wait for something else), storage (large states and long logs), failover, transports, paired (two programs
against each other); each has its own --help."""


def names(known):
    def parse(text):
        chosen = text.split(",")
        if not set(chosen) <= set(known):
            raise argparse.ArgumentTypeError(f"{text}: the names are {', '.join(known)}")
        return tuple(name for name in known if name in chosen)
    return parse


def page_name(text):
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", text):
        raise argparse.ArgumentTypeError(f"{text}: small letters, digits and hyphens")
    return text


def windows(text):
    try:
        parsed = tuple(Window(*map(int, part.split("x"))) for part in text.split(","))
    except (ValueError, TypeError):
        raise argparse.ArgumentTypeError(f"{text}: say SESSIONSxCONNECTIONS, as in 1x1,64x8,512x32")
    if not all(1 <= w.connections <= w.sessions for w in parsed):
        raise argparse.ArgumentTypeError(f"{text}: at least one connection, and no more than sessions")
    return parsed


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return value
    return parse


def add_common(parser):
    add = parser.add_argument
    add("--curve", choices=("yes", "no"), default="yes", help="encrypt Starling and the bare loop (yes)")
    add("--out", help="where the page goes (docs/benchmarks; .build/benchmarks/reports with --quick)")
    add("--starling", default=".build/release/starling", metavar="PATH", help="the program to measure")
    add("--no-build", dest="build", action="store_false", help="do not build the release of Starling first")
    add("--keep", action="store_true", help="keep the servers' data and logs")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench", description=DESCRIPTION, epilog=OTHERS)
    add = parser.add_argument
    add("--only", type=names(SYSTEMS), default=SYSTEMS, metavar="SYSTEMS", help="some of starling,etcd,bare (all)")
    add("--operations", type=names(OPERATIONS), default=OPERATIONS, metavar="OPS", help="some of write,read (both)")
    add("--windows", type=windows, default=windows("1x1,64x8,512x32"), metavar="LIST",
        help="loads as SESSIONSxCONNECTIONS (1x1,64x8,512x32)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=positive(float), help="about how long a run lasts (5; 1 with --quick)")
    length.add_argument("--requests", type=positive(int), help="requests a run, the same for all systems")
    add("--repeats", type=positive(int), help="repetitions of the whole matrix (3; 1 with --quick)")
    add("--size", type=positive(int), default=256, help="bytes a write (256)")
    add("--quick", action="store_true",
        help="a look at the state of things: a second a run, once; page not kept in docs")
    add("--zero-filled", choices=("yes", "no"), default="yes", help="preallocate the bare loop's log (yes)")
    add("--require", nargs="?", const="base", choices=tuple(LEVELS), metavar="LEVEL",
        help="exit 1 when a ratio is below base (the default level), must or goal")
    add("--limit", type=positive(float), help="minutes after which no further repetition starts (30; 5 with --quick)")
    add("--what", type=page_name, help="name of the page after its date (the systems)")
    add_common(parser)
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.require and "starling" not in options.only:
        raise Misuse("--require is about Starling, which --only leaves out")
    return options
