"""What writers notice of a snapshot."""

import os
import statistics
import time

from peer_starling import NAMES
from samples import Samples

WARM_UP, BEFORE, PAUSE = 3.0, 6.0, 2.0  # seconds
FIRST = 1 << 25


def measure(cluster, options, work, say, repeat):
    """The latencies of one load before and while the leader takes a snapshot, then a follower, then all."""
    path = os.path.join(work, "snapshot.samples")
    load = cluster.start_load(path, size=options.size, first=FIRST)
    time.sleep(WARM_UP)
    taken = []
    for who, names in (("leader", [cluster.leader()]), ("follower", followers(cluster)[:1]), ("all", list(NAMES))):
        time.sleep(BEFORE)
        taken.append((who, *cluster.take_snapshots(names)))
        time.sleep(PAUSE)
    time.sleep(1)  # The load writes its samples once a second.
    cluster.processes.stop([load])
    samples = Samples.read(path)
    os.unlink(path)
    results = [{"repeat": repeat, "who": who, **compare(samples, start, end)} for who, start, end in taken]
    for result in results:
        say(f"snapshot by {result['who']:8}: {result['during']['seconds']:.2f} s, p99 "
            f"{result['before']['p99_ms']:.2f} -> "
            f"{result['during']['p99_ms']:.2f} ms ({result['ratio']:.2f}), rate {result['before']['rate']:,.0f} -> "
            f"{result['during']['rate']:,.0f}/s")
    return results


def followers(cluster):
    leader = cluster.leader()
    return [name for name in NAMES if name != leader]


def compare(samples, start, end):
    """The load in the seconds before a snapshot, and from its beginning to its end."""
    before, during = samples.window(start - BEFORE, start), samples.window(start, end)
    return {"before": before, "during": during, "ratio": during["p99_ms"] / before["p99_ms"]}


def summarize(results):
    """By who took the snapshot: the medians of the repetitions."""
    summary = {}
    for who in dict.fromkeys(result["who"] for result in results):
        chosen = [result for result in results if result["who"] == who]
        ratios = [result["ratio"] for result in chosen]
        middle = {f"{part}_{key}": statistics.median(result[part][key] for result in chosen)
                  for part in ("before", "during") for key in ("rate", "p50_ms", "p99_ms", "max_ms")}
        summary[who] = {"ratio": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
                        "seconds": statistics.median(result["during"]["seconds"] for result in chosen), **middle}
    return summary
