"""How long servers with a large state take from their start until they serve."""

import os
import statistics
import time

from cluster import Requests
from peer_starling import NAMES

FIRST = 1 << 20  # of the numbers that tuples of `starling bench` have
READ = "/v1/spaces/bench/read?consistency=linearizable"
WRITE = "/v1/spaces/restarts/tuples"
# What a server says, with its own measurement where it has one.
MILESTONES = {"begun": r"^server \w+ of cluster", "log": r"^opened the log in (\d+) ms",
              "snapshot": r"^loaded the snapshot .* in (\d+) ms", "open": r"^page at", "led": r" leads in term "}


def measure(cluster, options, say):
    """One server restarted until it serves a linearizable read, and all until one takes a write; warm and cold."""
    results = []
    for repeat in range(options.repeats):
        for kind in ("one", "all", "one cold", "all cold"):
            name = next(other for other in NAMES if other != cluster.leader())
            names = [name] if kind.startswith("one") else list(NAMES)
            cluster.kill(names)
            if kind.endswith("cold"):
                forget_cached(cluster, names)
            result = {"kind": kind, "repeat": repeat, **restart(cluster, names, name)}
            cluster.wait_ready(120)
            results.append(result)
            say(f"restart, {kind:8}: {result['seconds']:.2f} s  ({phases_text(result['phases'])})")
    return results


def restart(cluster, names, name):
    began = cluster.start(names)
    doors = [Requests(cluster.http_port(each)) for each in names]
    path, body = ((READ, {"template": ["bench", FIRST, None]}) if len(names) == 1
                  else (WRITE, {"tuple": ["restarted", time.time()]}))
    number = 0
    while not doors[number % len(doors)].post(path, body):
        number += 1
        cluster.check()
        time.sleep(0.002)
        if time.monotonic() - began > 120:
            break
    done = time.monotonic()
    for door in doors:
        door.close()
    # What the servers said has to come through their pipes.
    cluster.wait(lambda: cluster.said(name, MILESTONES["open"]), "the restarted server says that it serves")
    return {"seconds": done - began, "phases": phases(cluster.servers[name].lines, began, done, cluster, name)}


def phases(lines, began, done, cluster, name):
    """Where the time went in the server `name`, in seconds, in order."""
    at, own = {}, {}
    for key, pattern in MILESTONES.items():
        found = cluster.said(name, pattern, began)
        if found:
            at[key] = found[0] - began
            own[key] = float(found[1].group(1)) / 1e3 if found[1].groups() else None
    return split(at, own, done - began)


def split(at, own, total):
    """From milestones (seconds from the start) and the server's own durations to consecutive phases."""
    begun, opened = at.get("begun", 0.0), at.get("open", total)
    led = min(total, max(opened, at.get("led", opened)))
    log, snapshot = own.get("log") or 0.0, own.get("snapshot") or 0.0
    return {"process": begun, "log": log, "snapshot": snapshot, "doors": max(0.0, opened - begun - log - snapshot),
            "election": led - opened, "replay": max(0.0, total - led)}


def phases_text(values):
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in values.items())


def forget_cached(cluster, names):
    """Has the kernel drop what it caches of the servers' files, so that they come from the disk as after a boot."""
    for name in names:
        for file in os.scandir(cluster.data(name)):
            if file.is_file():
                descriptor = os.open(file.path, os.O_RDONLY)
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)


def summarize(results):
    """Medians by kind, in the order of their first appearance."""
    kinds = list(dict.fromkeys(result["kind"] for result in results))
    summary = {}
    for kind in kinds:
        chosen = [result for result in results if result["kind"] == kind]
        seconds = [result["seconds"] for result in chosen]
        summary[kind] = {
            "seconds": statistics.median(seconds), "lowest": min(seconds), "highest": max(seconds),
            "phases": {name: statistics.median(result["phases"][name] for result in chosen)
                       for name in chosen[0]["phases"]}}
    return summary
