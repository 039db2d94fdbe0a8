"""script/bench paired and transports: one program against another, as before and after a change, and one transport against
the other."""

import argparse
import datetime
import hashlib
import os
import shlex
import statistics
import sys
import time

import machine
from matrix import Matrix, counted
from options import OPERATIONS, names, page_name, positive, windows
from failure import Failure
from peer_starling import Starling
from processes import http
from report import table, write_files
from paired_plot import plot

SYSTEMS = ("before", "after")
TRANSPORTS = ("zeromq", "http")
DESCRIPTION = """Measures two programs of Starling against each other: in each repetition a fresh cluster of either,
driven in turn with the same loads, now the one first and now the other. What counts is the median of the repetitions'
ratios. Takes about a quarter of an hour."""

TRANSPORTS_DESCRIPTION = """Measures servers that speak with each other over HTTP, with certificates, against servers that do over
ZeroMQ, with CURVE: in each repetition a fresh cluster of either, driven in turn with the same loads. What counts is the median of
the repetitions' ratios. Takes about ten minutes."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench paired", description=DESCRIPTION)
    add = parser.add_argument
    add("--before", required=True, metavar="PATH", help="the program that is compared with")
    add("--after", default=".build/release/starling", metavar="PATH",
        help="the program in question (.build/release/starling)")
    add("--before-version", default="unknown", metavar="TEXT", help="what the page calls it, such as its commit")
    add("--after-version", metavar="TEXT", help="what the page calls it (git describe)")
    add_common(parser, "before-after")
    options = parser.parse_args(arguments)
    options.requests, options.limit = None, 1e6
    options.systems, options.title, options.transports = SYSTEMS, "Before and after", {}
    return options


def parse_transports(arguments):
    parser = argparse.ArgumentParser(prog="script/bench transports", description=TRANSPORTS_DESCRIPTION)
    parser.add_argument("--program", default=".build/release/starling", metavar="PATH",
                        help="the program in question (.build/release/starling)")
    add_common(parser, "transports")
    options = parser.parse_args(arguments)
    options.requests, options.limit = None, 1e6
    options.systems, options.title = TRANSPORTS, "ZeroMQ and HTTP between servers"
    options.transports = {name: name for name in TRANSPORTS}
    for name in TRANSPORTS:
        setattr(options, name, options.program)
    return options


def add_common(parser, what):
    add = parser.add_argument
    add("--operations", type=names(OPERATIONS), default=OPERATIONS, metavar="OPS", help="some of write,read (both)")
    add("--windows", type=windows, default=windows("1x1,64x8,512x32"), metavar="LIST",
        help="loads as SESSIONSxCONNECTIONS (1x1,64x8,512x32)")
    add("--seconds", type=positive(float), default=5.0, help="about how long a run lasts (5)")
    add("--repeats", type=positive(int), default=5, help="pairs of runs of each load (5)")
    add("--size", type=positive(int), default=256, help="bytes a write (256)")
    add("--curve", choices=("yes", "no"), default="yes", help="encrypt (yes)")
    add("--require", type=positive(float), metavar="RATIO", help="exit 1 when a median ratio is below this, as in 0.95")
    add("--out", default="docs/benchmarks", help="where the page goes (docs/benchmarks)")
    add("--what", type=page_name, default=what, help=f"name of the page after its date ({what})")
    add("--keep", action="store_true", help="keep the servers' data and logs")


class Program(Starling):
    """Starling in one of two versions. Its first connection goes to the leader: whether a single session's does must not
    be left to the election."""

    def __init__(self, name, options, processes, directory):
        super().__init__(argparse.Namespace(**vars(options), starling=getattr(options, name)), processes, directory)
        self.name = name
        self.transport = options.transports.get(name, "zeromq")
        if not os.access(self.program, os.X_OK):
            raise Failure(f"{self.program} is not a program")

    def start(self):
        super().start()
        leader = None
        deadline = time.monotonic() + 10
        while leader is None and time.monotonic() < deadline:
            leader = next((i for i, address in enumerate(self.client_addresses) if self.leads(address)), None)
        if leader is None:
            raise Failure(f"no server of {self.name} leads")
        self.client_addresses = self.client_addresses[leader:] + self.client_addresses[:leader]

    @staticmethod
    def leads(client_address):
        host, port = client_address.split(":")
        metrics = http(f"http://{host}:{int(port) + 20}/metrics") or b""
        return b"\nstarling_server_is_leader 1" in metrics


def run(options, processes, work, say):
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    runs = []
    for repeat in range(options.repeats):
        runs += repetition(options, processes, os.path.join(work, str(repeat)), repeat, say)
    page = {"title": options.title, "systems": options.systems, "what": options.what, "date": datetime.date.today().isoformat(),
            "command": shlex.join(["script/bench", *sys.argv[1:]]), "machine": described,
            "versions": versions(options, processes),
            "size": options.size, "repeats": options.repeats, "seconds": options.seconds, "runs": runs}
    summary = summarize(runs, options.systems)
    first, second = options.systems
    for (operation, sessions), values in summary.items():
        say(f"{operation:5} {sessions:4} sessions  {second} / {first} {values['ratio']:.3f}  "
            f"({values['lowest']:.3f}-{values['highest']:.3f})")
    say(f"written: {write(page, options.out)}")
    missed = [f"{operation}s at {counted(sessions, 'session')}: {values['ratio']:.3f} of {first}, "
              f"{options.require:g} is required"
              for (operation, sessions), values in summary.items()
              if options.require and values["ratio"] < options.require]
    for sentence in missed:
        print(f"figure missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


def versions(options, processes):
    if options.transports:
        return {"starling": f"{processes.run(['git', 'describe', '--always', '--dirty'], 10).strip()}, "
                            f"{fingerprint(options.program)}"}
    after = options.after_version or processes.run(["git", "describe", "--always", "--dirty"], 10).strip()
    return {"before": f"{options.before_version}, {fingerprint(options.before)}",
            "after": f"{after}, {fingerprint(options.after)}"}


def fingerprint(path):
    with open(path, "rb") as file:
        return f"SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}…"


def repetition(options, processes, work, repeat, say):
    """One pair of runs of every load. The order of the two programs changes from repetition to repetition."""
    order = options.systems if repeat % 2 == 0 else tuple(reversed(options.systems))
    say(f"repetition {repeat + 1} of {options.repeats}: {order[0]} first")
    peers = []
    for name in order:
        os.makedirs(directory := os.path.join(work, name))
        peers.append(Program(name, options, processes, directory))
        peers[-1].start()
    once = argparse.Namespace(**{**vars(options), "repeats": 1})
    matrix = Matrix(once, peers, processes, say)
    matrix.measure()
    processes.stop()
    return [{**run, "repeat": repeat} for run in matrix.runs]


def summarize(runs, systems=SYSTEMS):
    """By (operation, sessions): the median of the ratios of each pair, and the medians of the rates and p99."""
    (first, second), summary = systems, {}
    for load in dict.fromkeys((run["operation"], run["sessions"]) for run in runs):
        chosen = [run for run in runs if (run["operation"], run["sessions"]) == load]
        rates = {(run["repeat"], run["system"]): run["rate"] for run in chosen}
        ratios = [rates[repeat, second] / rates[repeat, first] for repeat, system in rates if system == second]
        summary[load] = {"ratio": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
                         "ratios": ratios,
                         "others": max(run["others"] for run in chosen)}
        for system in systems:
            own = [run for run in chosen if run["system"] == system]
            summary[load][system] = {key: statistics.median(run[key] for run in own)
                                     for key in ("rate", "p50_ms", "p99_ms")}
    return summary


def write(page, directory):
    return write_files(page, directory, lambda image: markdown(page, image), plot(page, summarize(page["runs"], page["systems"])))


def markdown(page, image):
    first, second = page["systems"]
    summary = summarize(page["runs"], page["systems"])
    rows = [(f"{operation}, {counted(sessions, 'session')}", f"{v['ratio']:.3f}",
             f"{v['lowest']:.3f}–{v['highest']:.3f}",
             f"{v[first]['rate']:,.0f}", f"{v[second]['rate']:,.0f}",
             f"{v[first]['p50_ms']:.2f} → {v[second]['p50_ms']:.2f}",
             f"{v[first]['p99_ms']:.2f} → {v[second]['p99_ms']:.2f}",
             f"{100 * v['others']:.0f} %") for (operation, sessions), v in summary.items()]
    lines = [f"# {page['title']}", "",
             f"{page['date']}. {page['repeats']} pairs of runs of about {page['seconds']:g} s for each load, with "
             f"fresh clusters for each, {first} and {second} in turn. The ratio is the median of the pairs' ratios of rates; rates and latencies are "
             f"medians. {page['size']} "
             "bytes a write, one request outstanding a session. How to read this: [README](README.md).", "",
             *table(("load", f"{second} / {first}", "lowest–highest", f"{first}, a second", second, "p50, ms", "p99, ms",
                     "others"), rows),
             "", f"![Ratios of each pair]({image})", "", "## Machine and versions", "",
             *table(("what", "value"), {**page["machine"], **page["versions"]}.items(), ["---", "---"]),
             "", "## Command", "", "```sh", page["command"], "```", ""]
    return "\n".join(lines)
