"""script/bench storage: what a large state and a long log cost."""

import datetime
import json
import os
import shlex
import sys
import time

import machine
import storage_catch_up
import storage_report
import storage_restart
import storage_snapshot
from cluster import Cluster
from peer_starling import NAMES, Starling
from storage_restart import FIRST


def run(options, processes, work, say):
    peer = Starling(options, processes, work)
    peer.build()
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    others = machine.BusyShare(processes.core_seconds)
    results = {}
    if "restart" in options.only or "snapshot" in options.only:
        results.update(with_large_state(options, processes, work, say, peer.curve))
    if "catch-up" in options.only:
        results["catch-up"], results["prepared"] = storage_catch_up.measure(
            options.starling, processes, options, work, say, peer.curve)
    if "simulator" in options.only:
        results["simulator"] = simulator(options, processes, say)
    page = {
        "title": "Large states and long logs", "what": options.what, "date": datetime.date.today().isoformat(),
        "command": shlex.join(["script/bench", *sys.argv[1:]]), "machine": described, "versions": peer.versions(),
        "others": round(others.read(), 3), "tuples": options.tuples, "trailing": options.trailing,
        "entries": options.entries, "size": options.size, "results": results,
    }
    say(f"written: {storage_report.write(page, options.out)}")
    missed = storage_report.misses(page)
    for sentence in missed:
        print(f"figure missed: {sentence}", file=sys.stderr)
    return 1 if missed and options.require else 0


def with_large_state(options, processes, work, say, curve):
    """Clusters with the state of the title, each made anew: restarts, then snapshots under load, which makes the state grow."""
    results = {}

    def begin(name):
        cluster = Cluster(options.starling, processes, os.path.join(work, name), say, curve)
        cluster.start()
        cluster.wait_ready()
        cluster.load(options.tuples, FIRST, options.size)
        cluster.take_snapshots(NAMES)
        results.setdefault("memory", cluster.memory())
        return cluster

    if "restart" in options.only:
        cluster = begin("restart")
        cluster.load(options.trailing, FIRST + options.tuples, options.size)
        results["restart"] = storage_restart.measure(cluster, options, say)
        cluster.discard()
    if "snapshot" in options.only:
        results["snapshot"] = []
        for repeat in range(options.snapshot_repeats):
            cluster = begin(f"snapshot-{repeat}")
            results["snapshot"] += storage_snapshot.measure(cluster, options, work, say, repeat)
            cluster.discard()
    return results


def simulator(options, processes, say):
    say(f"simulating {options.seeds} seeds on one core")
    text = processes.run([options.starling, "simulate", "--seeds", str(options.seeds), "--threads", "1", "--json"],
                         3600)
    result = json.loads(text)
    say(f"simulator: {result['events_per_second']:,.0f} events a second")
    return {"seeds": result["seeds"], "events": result["events"], "events_per_second": result["events_per_second"]}
