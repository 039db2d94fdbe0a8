"""script/bench failover: how long writers wait when a leader is killed, hands over, or all servers are restarted in turn."""

import argparse
import bisect
import datetime
import os
import shlex
import statistics
import subprocess
import sys
import time

import machine
from cluster import Cluster
from failover_plot import plot
from failure import Failure
from options import page_name, positive
from peer_starling import NAMES, Starling
from processes import die_with_parent
from report import table, write_files

DESCRIPTION = """Measures how long writers wait: after kill -9 of the leader, during a planned hand-over of leadership, and
during a rolling restart of all three servers. Eight writers write without pause through StarlingClient, which goes to another
server by itself. Takes about five minutes."""
SETTLE = 0.5  # seconds of undisturbed writing before each event
WINDOW = 1.5  # seconds from an event in which a pause counts as its


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench failover", description=DESCRIPTION)
    add = parser.add_argument
    add("--kills", type=positive(int), default=50, help="leaders killed (50)")
    add("--transfers", type=positive(int), default=50, help="hand-overs (50)")
    add("--restarts", type=positive(int), default=10, help="rolling restarts of all three servers (10)")
    parser.set_defaults(curve="yes")
    add("--require", action="store_true", help="exit 1 when a figure is missed")
    add("--out", default="docs/benchmarks", help="where the page goes (docs/benchmarks)")
    add("--what", type=page_name, default="failover", help="name of the page after its date (failover)")
    add("--starling", default=".build/release/starling", metavar="PATH", help="the program to measure")
    add("--clients", default=".build/release/chaos-clients", metavar="PATH", help="the writers' program")
    add("--no-build", dest="build", action="store_false", help="do not build the release first")
    add("--keep", action="store_true", help="keep the servers' data and logs")
    return parser.parse_args(arguments)


class Pulse:
    """Writers that write without pause, and when."""

    def __init__(self, options, processes, cluster):
        self.path = os.path.join(cluster.directory, "pulse")
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                [options.clients, "pulse", "--client-file", f"{cluster.directory}/client.json"], stdin=subprocess.PIPE,
                stdout=output, stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)
        processes.running.append(self.process)
        self.process.log = self.path

    def end(self):
        """Sorted ends of the writes that succeeded as (ended, began), in seconds; and the begins of those that failed."""
        self.process.stdin.close()
        if self.process.wait(30) != 0:
            raise Failure("the writers ended with an error")
        done, failed = [], []
        with open(self.path, encoding="ascii") as file:
            for line in file:
                began, ended, outcome = line.split()
                if outcome == "ok":
                    done.append((int(ended) / 1e9, int(began) / 1e9))
                else:
                    failed.append(int(began) / 1e9)
        return Writes(sorted(done), failed)


class Writes:
    def __init__(self, done, failed):
        self.done, self.failed = done, failed
        self.ends = [ended for ended, _ in done]

    def pause(self, start, end):
        """The longest time between two acknowledgements, any part of which lies between the two instants."""
        first = max(0, bisect.bisect_left(self.ends, start) - 1)
        last = min(len(self.ends), bisect.bisect_left(self.ends, end) + 1)
        ends = self.ends[first:last]
        return max(after - before for before, after in zip(ends, ends[1:]))

    def failures(self, start, end):
        return sum(start - 1 <= began <= end for began in self.failed)


def kill_leaders(cluster, count, say):
    events = []
    for number in range(count):
        time.sleep(SETTLE)
        leader = cluster.leader()
        events.append((time.monotonic(), time.monotonic() + WINDOW))
        cluster.kill([leader])
        time.sleep(WINDOW)
        cluster.start([leader])
        cluster.wait_ready()
        if (number + 1) % 10 == 0:
            say(f"killed {number + 1} of {count} leaders")
    return events


def transfer(cluster, options, processes, say):
    events = []
    for number in range(options.transfers):
        time.sleep(SETTLE)
        began = time.monotonic()
        processes.run([
            cluster.program, "cluster", "transfer", "--servers", ",".join(cluster.client_addresses()), "--client-file",
            f"{cluster.directory}/client.json", "--operator-file", f"{cluster.directory}/operator.json", *cluster.curve], 30)
        events.append((began, time.monotonic() + 0.2))
        if (number + 1) % 10 == 0:
            say(f"handed over {number + 1} of {options.transfers} times")
    return events


def restart_in_turn(cluster, count, say):
    events = []
    for number in range(count):
        time.sleep(SETTLE)
        began = time.monotonic()
        for name in NAMES:
            cluster.stop([name])
            cluster.start([name])
            cluster.wait_ready()
        events.append((began, time.monotonic()))
        say(f"rolling restart {number + 1} of {count}")
    return events


def run(options, processes, work, say):
    peer = Starling(options, processes, work)
    peer.build()
    if options.build:
        processes.run(["swift", "build", "-c", "release", "--product", "chaos-clients"], 3600)
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    cluster = Cluster(options.starling, processes, os.path.join(work, "failover"), say, peer.curve)
    cluster.start()
    cluster.wait_ready()
    pulse = Pulse(options, processes, cluster)
    time.sleep(2)
    kills = kill_leaders(cluster, options.kills, say)
    transfers = transfer(cluster, options, processes, say)
    restarts = restart_in_turn(cluster, options.restarts, say)
    time.sleep(1)
    writes = pulse.end()
    cluster.stop()
    results = {
        "kill": [{"seconds": writes.pause(a, b), "failed": writes.failures(a, b)} for a, b in kills],
        "transfer": [{"seconds": writes.pause(a, b), "failed": writes.failures(a, b)} for a, b in transfers],
        "restart": [{"seconds": writes.pause(a, b), "failed": writes.failures(a, b)} for a, b in restarts]}
    page = {"title": "Failover", "what": options.what, "date": datetime.date.today().isoformat(),
            "command": shlex.join(["script/bench", *sys.argv[1:]]), "machine": described, "versions": peer.versions(),
            "writes": len(writes.done), "results": results}
    say(f"written: {write_files(page, options.out, lambda image: markdown(page, image), plot(page))}")
    missed = misses(page)
    for sentence in missed:
        print(f"figure missed: {sentence}", file=sys.stderr)
    return 1 if missed and options.require else 0


def within(events, limit):
    return sum(event["seconds"] < limit for event in events)


def figures(page):
    """Rows (figure, measured as text, asked as text, whether it is met)."""
    kills, transfers, restarts = (page["results"][kind] for kind in ("kill", "transfer", "restart"))

    def failed(events):
        return sum(event["failed"] for event in events)
    most = max(event["seconds"] for event in kills)
    longest = max(event["seconds"] for event in restarts)
    return [
        ("leader killed: writes succeed again within 1 s", f"{within(kills, 1)} of {len(kills)}", "49 of 50",
         within(kills, 1) * 50 >= 49 * len(kills)),
        ("leader killed: the longest", f"{most:.2f} s", "at most 1.5 s", most <= 1.5),
        ("planned transfer: pause under 50 ms", f"{within(transfers, 0.05)} of {len(transfers)}", "49 of 50",
         within(transfers, 0.05) * 50 >= 49 * len(transfers)),
        ("planned transfer: failed requests", f"{failed(transfers)}", "none", failed(transfers) == 0),
        ("rolling restart of three servers: the longest pause", f"{1000 * longest:.0f} ms", "under 100 ms", longest < 0.1),
        ("rolling restart: failed requests", f"{failed(restarts)}", "none", failed(restarts) == 0),
    ]


def misses(page):
    return [f"{what}: {measured}, {asked} is required" for what, measured, asked, met in figures(page) if not met]


NAMES_OF = {"kill": "kill -9 of the leader", "transfer": "planned transfer", "restart": "rolling restart of all three"}


def markdown(page, image):
    rows = []
    for kind, events in page["results"].items():
        seconds = sorted(1000 * event["seconds"] for event in events)
        rows.append((NAMES_OF[kind], str(len(events)), f"{seconds[0]:.0f}", f"{statistics.median(seconds):.0f}",
                     f"{seconds[max(0, round(0.98 * len(seconds)) - 1)]:.0f}", f"{seconds[-1]:.0f}",
                     str(sum(event["failed"] for event in events))))
    return "\n".join([
        f"# {page['title']}", "", f"{page['date']}. How to read this: [README](README.md).", "",
        *table(("figure", "measured", "asked", "met"),
               [(what, measured, asked, "yes" if met else "**no**") for what, measured, asked, met in figures(page)]), "",
        f"![Pauses]({image})", "",
        "Eight writers write without pause through `StarlingClient`, which goes to another server by itself and repeats what it "
        f"does not know to be done; {page['writes']:,} writes in all. What counts is the longest time between two acknowledgements of any "
        "writers: within a second and a half from a *kill*, during a *transfer* (`starling cluster transfer`), and during a *rolling restart* "
        "(SIGTERM, start, ready, the next). A request *failed* if its writer was told so.", "",
        *table(("what", "times", "least, ms", "median, ms", "98th of 100, ms", "most, ms", "failed requests"), rows), "",
        "## Machine and versions", "",
        *table(("what", "value"), [*page["machine"].items(), *page["versions"].items()]), "",
        "## Command", "", "```sh", page["command"], "```", ""])
