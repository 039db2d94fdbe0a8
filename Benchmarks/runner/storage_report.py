"""The page about a run of script/bench storage."""

import statistics

import storage_catch_up
import storage_restart
import storage_snapshot
from report import table, write_files
from storage_plot import plot

RESTART = {"one": "one server, until it serves a linearizable read", "all": "all three, until a write succeeds",
           "one cold": "one server, its files not cached by the kernel",
           "all cold": "all three, their files not cached"}
WHO = {"leader": "the leader alone", "follower": "a follower alone", "all": "all three at one time"}


def figures(page):
    """Rows (figure, measured as text, asked as text, whether it is met) of what was measured."""
    results, rows = page["results"], []
    if "restart" in results:
        # All three at once share this machine's cores, which no figure is asked for: the table has them.
        seconds = storage_restart.summarize(results["restart"])["one"]["seconds"]
        rows.append((f"restart with {page['tuples']:,} tuples: {RESTART['one']}", f"{seconds:.2f} s", "under 2 s",
                     seconds < 2))
    if "snapshot" in results:
        summary = storage_snapshot.summarize(results["snapshot"])
        ratio = summary["leader"]["ratio"]
        rows.append((f"p99 of writes while the leader takes a snapshot of {page['tuples']:,} tuples",
                     f"{ratio:.2f} times",
                     "at most 2 times", ratio <= 2))
    if "catch-up" in results:
        for way, values in storage_catch_up.summarize(results["catch-up"]).items():
            rows.append((f"writes while a server {values['behind']:,.0f} entries behind catches up by {way}",
                         f"{100 * values['ratio']:.0f} %", "above 70 %", values["ratio"] > 0.7))
    if "simulator" in results:
        rate = results["simulator"]["events_per_second"]
        rows.append(("simulated events a second on one core", f"{rate:,.0f}", "at least 100,000", rate >= 100_000))
    return rows


def misses(page):
    return [f"{what}: {measured}, {asked} is required" for what, measured, asked, met in figures(page) if not met]


def restart_section(page):
    summary = storage_restart.summarize(page["results"]["restart"])
    names = list(next(iter(summary.values()))["phases"])
    rows = [(RESTART[kind], f"{v['seconds']:.2f}", f"{v['lowest']:.2f}–{v['highest']:.2f}",
             *(f"{v['phases'][name]:.2f}" for name in names)) for kind, v in summary.items()]
    count = len(page["results"]["restart"]) // len(summary)
    return ["## Restart", "",
            f"Servers are killed (-9) and started again: {page['tuples']:,} tuples stand in the snapshot and "
            f"{page['trailing']:,} were "
            f"written behind it, {page['size']} bytes of payload each, all different. Seconds from just before the "
            f"process is started, "
            f"medians of {count}. The time of one of the servers is split: *process* until its first line, *log* "
            f"reading it and verifying "
            "the snapshot's checksums, *snapshot* loading it and building the indexes, *doors* opening its ports and "
            "what the others left of "
            "the cores, *election* until it knows the leader, *replay* the log behind the snapshot and the request "
            "itself.", "",
            *table(("what", "seconds", "lowest–highest", *names), rows)]


def snapshot_section(page):
    summary = storage_snapshot.summarize(page["results"]["snapshot"])
    rows = [(WHO[who], f"{v['seconds']:.2f}", f"{v['before_p99_ms']:.2f}", f"{v['during_p99_ms']:.2f}",
             f"{v['ratio']:.2f}",
             f"{v['lowest']:.2f}–{v['highest']:.2f}", f"{v['before_p50_ms']:.2f} → {v['during_p50_ms']:.2f}",
             f"{v['during_max_ms']:.0f}", f"{v['before_rate']:,.0f} → {v['during_rate']:,.0f}")
            for who, v in summary.items()]
    count = len(page["results"]["snapshot"]) // len(summary)
    return ["## Snapshots under load", "",
            f"64 sessions on 8 connections write tuples of {page['size']} bytes; SIGUSR1 has a server take a "
            f"snapshot. The {storage_snapshot.BEFORE:g} "
            f"seconds before it are compared with the time from the signal until the snapshot is durable; medians of "
            f"{count}. Servers take "
            "their snapshots at different times by themselves; *all three at one time* is worse than what they do.", "",
            *table(("snapshot of", "seconds", "p99 before, ms", "p99 during", "ratio", "lowest–highest", "p50, ms",
                    "longest, ms",
                    "writes a second"), rows)]


def catch_up_section(page):
    prepared = page["results"]["prepared"]
    summary = storage_catch_up.summarize(page["results"]["catch-up"])
    rows = [(way, f"{v['behind']:,.0f}", f"{v['seconds']:.1f}", f"{v['before_rate']:,.0f}", f"{v['during_rate']:,.0f}",
             f"{v['after_rate']:,.0f}", f"{v['again_rate']:,.0f}", f"{v['usual']:,.0f}", f"{100 * v['ratio']:.0f} %",
             f"{100 * v['lowest']:.0f}–{100 * v['highest']:.0f} %",
             f"{100 * v['worst']:.0f} %", f"{v['before_p99_ms']:.1f} → {v['during_p99_ms']:.1f}")
            for way, v in summary.items()]
    count = len(page["results"]["catch-up"]) // len(summary)
    return ["## A server far behind", "",
            f"One of three servers was stopped while the log grew by {prepared['entries']:,} entries (batches; "
            f"{prepared['commands']:,} "
            f"commands in them, of {page['size']} bytes of payload). While 64 sessions write, it is started again, "
            f"and has caught up when it has "
            "applied what was committed up to 1,000 entries before. *Before* are two servers without the third, in the "
            f"{storage_catch_up.BEFORE:g} seconds before its start; *after* are all three, in the "
            f"{storage_catch_up.AFTER:g} seconds behind; *again* the two, after the third was killed once more. All servers "
            "share this machine's cores and disk, so that two are faster than three by themselves; and the rate drifts "
            "as the state grows. *Usual* is therefore what three do, without the drift: after × √(before ÷ again). By log, everything is "
            f"still in "
            f"the leader's log; by snapshot, the leader has just taken one and keeps 10,000 entries. Medians of "
            f"{count}.", "",
            *table(("by", "entries behind", "seconds", "writes before", "during", "after", "again", "usual", "during / usual",
                    "lowest–highest",
                    "worst second", "p99, ms"), rows)]


def markdown(page, image):
    lines = [f"# {page['title']}", "", f"{page['date']}. How to read this: [README](README.md).", ""]
    if page["others"] > 0.1:
        lines += [f"**Something else used {100 * page['others']:.0f} % of the machine during this run: trust the "
                  f"ratios less, and the "
                  "seconds not at all.**", ""]
    lines += [*table(("figure", "measured", "asked", "met"),
                     [(what, measured, asked, "yes" if met else "**no**")
                      for what, measured, asked, met in figures(page)],
                     ["---", "---:", "---:", "---"]), "",
                     f"![Restarts, and writes while a server catches up]({image})", ""]
    sections = {"restart": restart_section, "snapshot": snapshot_section, "catch-up": catch_up_section}
    for name, section in sections.items():
        if name in page["results"]:
            lines += [*section(page), ""]
    described = {**page["machine"], "used by others meanwhile": f"{100 * page['others']:.0f} % of all cores",
                 **page["versions"]}
    if "memory" in page["results"]:
        readings = page["results"]["memory"].values()
        described["memory of a server"] = (
            f"{statistics.median(r['bytes'] for r in readings) / 2**20:,.0f} MiB resident with "
            f"{statistics.median(r['tuples'] for r in readings):,.0f} tuples, after all of the above")
    lines += ["## Machine and versions", "", *table(("what", "value"), described.items(), ["---", "---"]),
              "", "## Command", "", "```sh", page["command"], "```", ""]
    return "\n".join(lines)


def write(page, directory):
    return write_files(page, directory, lambda image: markdown(page, image), plot(page))
