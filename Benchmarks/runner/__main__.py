"""script/bench: see its --help and docs/benchmarks/README.md."""

import datetime
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time

import failover
import machine
import options as command_line
import paired
import report
import requirements
import storage
import storage_options
import tuplespace
import waiting
import work_queue
from failure import Failure, Misuse
from matrix import Matrix, ratios, summarize
from peer_bare import Bare
from peer_etcd import Etcd
from peer_starling import Starling
from processes import Processes

PEERS = {peer.name: peer for peer in (Starling, Etcd, Bare, work_queue.EtcdSpread)}


def say(text):
    print(text, flush=True)


def measure(options, processes, work):
    """Builds, starts and drives everything, and returns the run as it is written to the raw file."""
    peers = []
    for name in options.only:
        directory = os.path.join(work, name)
        os.makedirs(directory)
        peers.append(PEERS[name](options, processes, directory))
    for peer in peers:
        say(f"building {peer.name}")
        peer.build()
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    for peer in peers:
        say(f"starting {peer.name}")
        peer.start()
    matrix = Matrix(options, peers, processes, say)
    matrix.measure()
    versions = {}
    for peer in peers:
        versions.update(peer.versions())
    return {
        "title": title(options),
        "what": options.what or "-".join(options.only), "date": datetime.date.today().isoformat(),
        "command": shlex.join(["script/bench", *sys.argv[1:]]), "machine": described, "versions": versions,
        "note": getattr(options, "note", ""), "size": options.size, "repeats": matrix.repeats, "runs": matrix.runs,
        "length": f"{options.requests} requests" if options.requests else f"{options.seconds:g} s",
    }


def title(options):
    what = "Writes and reads" if len(options.operations) > 1 else f"{options.operations[0].capitalize()}s"
    return f"{what}: {', '.join(options.only)}"


def conclude(options, run):
    """Says where the page is and how Starling compares; returns the exit status."""
    rows = ratios(summarize(run["runs"]))
    for operation, window, other, ratio in rows:
        say(f"{operation:5} {window.sessions:4} sessions  starling / {other:5} {ratio:8.2f}")
    if report.disturbed(summarize(run["runs"])):
        say("warning: something else used the machine meanwhile (others): measure again when it is idle")
    say(f"written: {report.write(run, options.out)}")
    missed = requirements.misses(options.require, rows, options.operations) if options.require else []
    for sentence in missed:
        print(f"requirement missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


def run_matrix(options, processes, work, say):
    return conclude(options, measure(options, processes, work))


MODES = {"storage": (storage_options.parse, storage.run), "paired": (paired.parse, paired.run),
         "transports": (paired.parse_transports, paired.run),
         "failover": (failover.parse, failover.run), "tuplespace": (tuplespace.parse, tuplespace.run),
         "waiting": (waiting.parse, waiting.run), "queue": (work_queue.parse, run_matrix)}


def interrupted(number, frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)  # also where a shell started this in the background, ignoring it
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup keeps its meaning
        signal.signal(signal.SIGHUP, interrupted)
    processes, work, options = Processes(), None, None
    try:
        mode = sys.argv[1] if len(sys.argv) > 1 else ""
        parse, run = MODES.get(mode, (command_line.parse, run_matrix))
        options = parse(sys.argv[2 if mode in MODES else 1:])
        os.makedirs(".build/benchmarks", exist_ok=True)
        work = tempfile.mkdtemp(prefix="run-", dir=".build/benchmarks")
        return run(options, processes, work, say)
    except Misuse as problem:
        print(f"script/bench: {problem}", file=sys.stderr)
        return 2
    except Failure as problem:
        print(f"script/bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("script/bench: interrupted", file=sys.stderr)
        return 130
    finally:
        # A second Ctrl-C must not leave a server behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        processes.stop()
        if work and options.keep:
            say(f"kept: {work}")
        elif work:
            shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
