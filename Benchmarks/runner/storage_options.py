"""The command line of script/bench storage."""

import argparse

from options import names, page_name, positive

PARTS = ("restart", "snapshot", "catch-up", "simulator")
FULL = {"tuples": 1_000_000, "trailing": 100_000, "entries": 1_000_000, "repeats": 5, "snapshot_repeats": 3,
        "catch_up_repeats": 3, "seeds": 1_000, "out": "docs/benchmarks"}
QUICK = {"tuples": 50_000, "trailing": 5_000, "entries": 20_000, "repeats": 2, "snapshot_repeats": 1,
         "catch_up_repeats": 1, "seeds": 100, "out": ".build/benchmarks/reports"}
DESCRIPTION = """Measures what a large state and a long log cost three servers on this machine: restarting with a
million tuples, writing while a snapshot of them is taken, and bringing back a server that is a million log entries behind,
by the log and by a snapshot; and the simulator's speed on one core. Takes about 25 minutes, with --quick about three; needs
about 12 GiB of memory and as much on the disk, a tenth of that with --quick."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench storage", description=DESCRIPTION)
    add = parser.add_argument
    add("--only", type=names(PARTS), default=PARTS, metavar="PARTS", help=f"some of {','.join(PARTS)} (all)")
    add("--quick", action="store_true",
        help="small states and few repetitions: a look at the state of things; page not kept in docs")
    add("--tuples", type=positive(int), help="tuples in the snapshot (1000000)")
    add("--trailing", type=positive(int), help="tuples written behind the snapshot, for restarts (100000)")
    add("--entries", type=positive(int), help="log entries that the server is behind (1000000)")
    add("--size", type=positive(int), default=256, help="bytes of payload in a tuple (256)")
    add("--repeats", type=positive(int), help="repetitions of restarts (5)")
    add("--snapshot-repeats", type=positive(int), help="repetitions of snapshots, each with a new cluster (3)")
    add("--catch-up-repeats", type=positive(int), help="repetitions of either way to catch up (3)")
    add("--seeds", type=positive(int), help="seeds that the simulator runs (1000)")
    add("--curve", choices=("yes", "no"), default="yes", help="encrypt (yes)")
    add("--require", action="store_true", help="exit 1 when a figure is missed")
    add("--out", help="where the page goes (docs/benchmarks; .build/benchmarks/reports with --quick)")
    add("--what", type=page_name, default="storage", help="name of the page after its date (storage)")
    add("--starling", default=".build/release/starling", metavar="PATH", help="the program to measure")
    add("--no-build", dest="build", action="store_false", help="do not build the release of Starling first")
    add("--keep", action="store_true", help="keep the servers' data and logs")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options
