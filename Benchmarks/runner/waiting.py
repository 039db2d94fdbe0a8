"""script/bench waiting: what those cost who wait for something else."""

import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

import bars
import machine
from cluster import Cluster
from failure import Failure
from options import names, page_name, positive, windows
from peer_starling import Starling
from processes import die_with_parent, tail
from report import table, write_files

DESCRIPTION = """Measures writes to a cluster on which ten thousand takes, reads or subscribers wait for something that nobody
writes, in pairs with writes while nobody waits. Takes about five minutes."""
# Who waits, and the metric that counts them. A take is replicated: every server has it. The others are at one server each.
KINDS = {"takes": ("starling_waiters", max), "reads": ("starling_watches", sum), "subscribers": ("starling_subscriptions", sum)}
LEAST, GOAL = 0.5, 0.9


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench waiting", description=DESCRIPTION)
    add = parser.add_argument
    add("--only", type=names(tuple(KINDS)), default=tuple(KINDS), metavar="KINDS", help=f"some of {','.join(KINDS)} (all)")
    add("--waiting", type=positive(int), default=10_000, help="who wait (10000)")
    add("--window", type=windows, default=windows("64x8"), metavar="WINDOW", help="load as SESSIONSxCONNECTIONS (64x8)")
    add("--seconds", type=positive(float), default=3.0, help="how long a run lasts (3)")
    add("--repeats", type=positive(int), default=7, help="pairs of runs with and without (7)")
    add("--size", type=positive(int), default=256, help="bytes a write (256)")
    add("--curve", choices=("yes", "no"), default="yes", help="encrypt (yes)")
    add("--require", action="store_true", help="exit 1 when a figure is missed")
    add("--out", default="docs/benchmarks", help="where the page goes (docs/benchmarks)")
    add("--what", type=page_name, default="waiting", help="name of the page after its date (waiting)")
    add("--starling", default=".build/release/starling", metavar="PATH", help="the program to measure")
    add("--clients", default=".build/release/chaos-clients", metavar="PATH", help="the program of those who wait")
    add("--no-build", dest="build", action="store_false", help="do not build the release first")
    add("--keep", action="store_true", help="keep the servers' data and logs")
    return parser.parse_args(arguments)


class Waiting:
    """Those who wait, from when the servers know of all of them until `end`, when they know of none."""

    def __init__(self, options, processes, cluster, kind):
        self.processes, self.cluster, self.kind = processes, cluster, kind
        log = os.path.join(cluster.directory, "waiting.log")
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [options.clients, "wait", "--client-file", f"{cluster.directory}/client.json", f"--{kind}", str(options.waiting)],
                stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, preexec_fn=die_with_parent)
        self.process.log = log
        processes.running.append(self.process)
        cluster.wait(lambda: self.count() == options.waiting, f"{options.waiting:,} {kind} wait")

    def count(self):
        metric, total = KINDS[self.kind]
        return total(self.cluster.metrics(name).get(metric, 0) for name in self.cluster.servers)

    def end(self):
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            raise Failure(f"those who wait ended with an error; they said: {tail(self.process.log)}")
        self.processes.stop([self.process])
        self.cluster.wait(lambda: self.count() == 0, "nobody waits")


def measure(options, processes, work, kind, curve, say):
    """Pairs of runs: without and with, then with and without, and so on."""
    cluster = Cluster(options.starling, processes, os.path.join(work, kind), say, curve)
    cluster.start()
    cluster.wait_ready()
    window, runs = options.window[0], []

    def write(seconds):
        return json.loads(processes.run(cluster.bench(
            ["--sessions", window.sessions, "--connections", window.connections, "--seconds", seconds, "--size", options.size]), 120))
    write(options.seconds)
    for repeat in range(options.repeats):
        for waits in (False, True) if repeat % 2 == 0 else (True, False):
            waiting = Waiting(options, processes, cluster, kind) if waits else None
            others = machine.BusyShare(processes.core_seconds)
            result = write(options.seconds)
            run = {"kind": kind, "repeat": repeat, "waits": waits, "rate": result["rate"], "p50_ms": result["p50_ms"],
                   "p99_ms": result["p99_ms"], "errors": result["errors"], "others": round(others.read(), 3)}
            runs.append(run)
            say(f"[{repeat + 1}/{options.repeats}] {options.waiting if waits else 0:6,} {kind:11} {run['rate']:10,.0f} writes a second  "
                f"p50 {run['p50_ms']:.2f} ms  p99 {run['p99_ms']:.2f} ms  others {100 * run['others']:.0f} %")
            if waiting:
                waiting.end()
    cluster.discard()
    return runs


def run(options, processes, work, say):
    peer = Starling(options, processes, work)
    peer.build()
    if options.build:
        processes.run(["swift", "build", "-c", "release", "--product", "chaos-clients"], 3600)
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    runs = []
    for kind in options.only:
        runs += measure(options, processes, work, kind, peer.curve, say)
    page = {"title": "Those who wait for something else", "what": options.what, "date": datetime.date.today().isoformat(),
            "command": shlex.join(["script/bench", *sys.argv[1:]]), "machine": described, "versions": peer.versions(),
            "window": str(options.window[0]), "size": options.size, "waiting": options.waiting, "runs": runs}
    say(f"written: {write_page(page, options.out)}")
    missed = misses(page)
    for sentence in missed:
        print(f"figure missed: {sentence}", file=sys.stderr)
    return 1 if missed and options.require else 0


def summarize(runs):
    """By kind: the median of the pairs' ratios, and by whether somebody waits the medians."""
    summary = {}
    for kind in dict.fromkeys(run["kind"] for run in runs):
        rates = {(run["repeat"], run["waits"]): run["rate"] for run in runs if run["kind"] == kind}
        ratios = [rates[repeat, True] / rates[repeat, False] for repeat, waits in rates if waits]
        summary[kind] = {"ratio": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
                         "others": max(run["others"] for run in runs if run["kind"] == kind)}
        for waits in (False, True):
            own = [run for run in runs if (run["kind"], run["waits"]) == (kind, waits)]
            summary[kind][waits] = {key: statistics.median(run[key] for run in own) for key in ("rate", "p50_ms", "p99_ms")}
            summary[kind][waits]["span"] = (min(run["rate"] for run in own), max(run["rate"] for run in own))
    return summary


def misses(page):
    return [f"writes while {page['waiting']:,} {kind} wait: {100 * values['ratio']:.0f} % of those while nobody does, {100 * LEAST:.0f} % "
            "is required" for kind, values in summarize(page["runs"]).items() if values["ratio"] < LEAST]


def markdown(page, image):
    summary = summarize(page["runs"])
    rows = [(f"{page['waiting']:,} {kind}", f"{100 * v['ratio']:.0f} %", f"{100 * v['lowest']:.0f}–{100 * v['highest']:.0f} %",
             f"{100 * LEAST:.0f} %", f"{100 * GOAL:.0f} %", f"{v[False]['rate']:,.0f} → {v[True]['rate']:,.0f}",
             f"{v[False]['p50_ms']:.2f} → {v[True]['p50_ms']:.2f}", f"{v[False]['p99_ms']:.2f} → {v[True]['p99_ms']:.2f}",
             f"{100 * v['others']:.0f} %") for kind, v in summary.items()]
    repeats = 1 + max(run["repeat"] for run in page["runs"])
    return "\n".join([
        f"# {page['title']}", "", f"{page['date']}. How to read this: [README](README.md).", "",
        *table(("who waits", "writes with / without", "lowest–highest", "must", "goal", "writes a second", "p50, ms", "p99, ms",
                "others"), rows), "",
        f"![Writes a second]({image})", "",
        f"Three servers; {page['window']} write tuples of {page['size']} bytes, while takes, reads or subscribers wait in the same space "
        f"for {page['waiting']:,} different tuples that nobody writes, over three connections of another process, one to each server. The "
        f"ratio is the median of {repeats} pairs of runs, now the one first and now the other; rates and latencies are medians.", "",
        "## Machine and versions", "", *table(("what", "value"), {**page["machine"], **page["versions"]}.items(), ["---", "---"]), "",
        "## Command", "", "```sh", page["command"], "```", ""])


def write_page(page, directory):
    rows = [(f"{page['waiting']:,} {kind}", "while they wait" if waits else "while nobody waits", v[waits]["rate"], *v[waits]["span"])
            for kind, v in summarize(page["runs"]).items() for waits in (False, True)]
    image = bars.plot(f"{page['title']}, {page['date']}", "writes a second", rows)
    return write_files(page, directory, lambda name: markdown(page, name), image)
