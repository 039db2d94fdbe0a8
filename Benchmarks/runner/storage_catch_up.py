"""A server that was away for very many log entries comes back while the others work."""

import math
import os
import shutil
import statistics
import tempfile
import time

from cluster import Cluster, Progress
from failure import Failure
from peer_starling import NAMES
from samples import Samples

WARM_UP, BEFORE, AFTER, SETTLE, AGAIN, STEP = 3.0, 15.0, 15.0, 3.0, 15.0, 0.5  # seconds
KEEP_ALL = ["--trailing-entries", "1000000000", "--trailing-mebibytes", "1000000"]
MEMORY = "/dev/shm"
FIRST = 1 << 20
BATCH_SESSIONS = 3  # so few that an entry carries one to three commands


def measure(program, processes, options, work, say, curve):
    """Prepares once, then repeats from copies: the follower is brought back by the log, and by a snapshot."""
    cluster = Cluster(program, processes, os.path.join(work, "catch-up"), say, curve)
    directory = tempfile.mkdtemp(prefix="starling-bench-", dir=MEMORY if os.path.isdir(MEMORY) else work)
    try:
        prepared = prepare(cluster, directory, options, say)
        results = [repetition(cluster, directory, prepared, repeat, way, options, work, say)
                   for repeat in range(options.catch_up_repeats) for way in ("log", "snapshot")]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return results, prepared


def repetition(cluster, directory, prepared, repeat, way, options, work, say):
    for name in NAMES:
        shutil.rmtree(cluster.data(name), ignore_errors=True)
        shutil.copytree(os.path.join(directory, name), cluster.data(name))
    os.sync()
    result = {"repeat": repeat, "way": way, **catch_up(cluster, prepared, way, options, work)}
    cluster.stop()
    say(f"catch-up by {way:8}: {result['behind']:,} entries in {result['seconds']:.1f} s; writes "
        f"{result['before']['rate']:,.0f} -> {result['during']['rate']:,.0f} -> {result['after']['rate']:,.0f}/s "
        f"({result['ratio']:.2f}; worst second {result['worst']:.2f})")
    return result


def prepare(cluster, directory, options, say):
    """Data directories of three servers of which one lacks the entries. They are made in memory, where a sync costs
    nothing, and measured on the disk: the files are the same."""
    place, cluster.place = cluster.place, directory
    cluster.start(flags=KEEP_ALL)
    cluster.wait_ready()
    leader = cluster.leader()
    away = next(name for name in NAMES if name != leader)
    had = int(cluster.metrics(away)["starling_log_last_index"])
    cluster.stop([away])
    others = [name for name in NAMES if name != away]
    began = time.monotonic()
    commands = grow(cluster, leader, others, options, say)
    entries = int(cluster.metrics(leader)["starling_log_last_index"]) - had
    seconds = time.monotonic() - began
    cluster.stop()
    cluster.place = place
    return {"away": away, "had": had, "entries": entries, "commands": commands, "seconds": seconds}


def grow(cluster, leader, others, options, say):
    """Writes by few sessions until the log has grown by the entries asked for; returns how many commands that took."""
    base = cluster.metrics(leader)

    def grown():
        return cluster.metrics(leader).get("starling_log_last_index", 0) - base["starling_log_last_index"]
    progress = Progress(say, f"making {options.entries:,} log entries while a server is away")
    path = os.path.join(cluster.directory, "growth")
    load = cluster.start_load(path, BATCH_SESSIONS, 1, options.size, FIRST, others)
    while (share := grown() / options.entries) < 1:
        cluster.check()
        if load.poll() is not None:
            raise Failure("the load that makes log entries ended")
        progress.show(share)
        time.sleep(0.2)
    cluster.processes.stop([load])
    progress.end()
    os.unlink(path)
    return int(cluster.metrics(leader)["starling_tuples"] - base["starling_tuples"])


def catch_up(cluster, prepared, way, options, work):
    away = prepared["away"]
    others = [name for name in NAMES if name != away]
    flags = KEEP_ALL if way == "log" else []
    cluster.start(others, flags)
    cluster.wait_ready(120)
    if way == "snapshot":
        cluster.take_snapshots(others)
    leader = cluster.leader()
    path = os.path.join(work, "catch-up.samples")
    load = cluster.start_load(path, size=options.size, first=FIRST + (1 << 25), names=others)
    time.sleep(WARM_UP + BEFORE)
    behind = int(cluster.metrics(leader)["starling_proposals_committed_total"]) - prepared["had"]
    began = cluster.start([away], flags)
    done = wait_caught_up(cluster, leader, away)
    time.sleep(AFTER)
    by_snapshot = cluster.said(away, "caught up by a snapshot", began) is not None
    cluster.kill([away])
    gone = time.monotonic()
    time.sleep(SETTLE + AGAIN + 1)  # The load writes its samples once a second.
    cluster.processes.stop([load])
    samples = Samples.read(path)
    os.unlink(path)
    if by_snapshot != (way == "snapshot"):
        raise Failure(f"the server was to catch up by {way}, and did not")
    series = {"from": -BEFORE, "step": STEP,
              "rates": [round(rate) for rate in samples.rates(began - BEFORE, done + AFTER, STEP)]}
    return {"behind": behind, "seconds": done - began, **compare(samples, began, done, gone), "series": series}


def wait_caught_up(cluster, leader, away):
    """Until it has applied what was committed a moment before: when."""
    def caught_up():
        commit = cluster.metrics(leader).get("starling_proposals_committed_total", 0)
        applied = cluster.metrics(away).get("starling_proposals_applied_total", 0)
        return commit and applied >= commit - 1_000
    cluster.wait(caught_up, "the server catches up", 600, pause=0.1)
    return time.monotonic()


def compare(samples, began, done, gone):
    before, during = samples.window(began - BEFORE, began), samples.window(began, done)
    after = samples.window(done, done + AFTER)
    worst = min(samples.rates(began, max(done, began + 1), 1.0))
    again = samples.window(gone + SETTLE, gone + SETTLE + AGAIN)
    # A third server takes its share of this machine's cores and disk, catching up or not: what counts is what three usually do. That is
    # measured afterwards, when the state has grown; how the rate drifts with that, the same two servers show before and afterwards.
    usual = after["rate"] * math.sqrt(before["rate"] / again["rate"])
    return {"before": before, "during": during, "after": after, "again": again, "usual": usual,
            "ratio": during["rate"] / usual, "worst": worst / usual}


def summarize(results):
    summary = {}
    for way in dict.fromkeys(result["way"] for result in results):
        chosen = [result for result in results if result["way"] == way]
        ratios = [result["ratio"] for result in chosen]
        summary[way] = {
            "behind": statistics.median(result["behind"] for result in chosen),
            "seconds": statistics.median(result["seconds"] for result in chosen),
            "ratio": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
            "worst": statistics.median(result["worst"] for result in chosen),
            "usual": statistics.median(result["usual"] for result in chosen),
            **{f"{part}_{key}": statistics.median(result[part][key] for result in chosen)
               for part in ("before", "during", "after", "again") for key in ("rate", "p50_ms", "p99_ms")}}
    return summary
