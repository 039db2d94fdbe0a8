"""script/bench tuplespace: the tuplespace in one process, without cluster or disk, against Ruby's Rinda."""

import argparse
import datetime
import json
import os
import shlex
import statistics
import sys
import time

import bars
import machine
from failure import Failure
from options import page_name, positive
from report import table, write_files

DESCRIPTION = """Measures the tuplespace in one process, without cluster or disk: tuples written and taken again among others,
in turn with Ruby's Rinda; writes among takes that wait for something else; the memory of a resident tuple. Takes about two
minutes."""
RINDA = "Benchmarks/rinda/pairs.rb"
# By system: resident tuples and pairs of a run. Rinda looks at every tuple.
LOADS = {"starling": {0: 200_000, 10_000: 200_000, 1_000_000: 200_000}, "rinda": {0: 40_000, 10_000: 30, 100_000: 6}}
ENCODING = "starling, with encoding"
WAITERS, WRITES, RESIDENT = 10_000, 200_000, 1_000_000


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench tuplespace", description=DESCRIPTION)
    add = parser.add_argument
    add("--repeats", type=positive(int), default=5, help="repetitions of everything, the systems in turn (5)")
    add("--require", action="store_true", help="exit 1 when a figure is missed")
    add("--out", default="docs/benchmarks", help="where the page goes (docs/benchmarks)")
    add("--what", type=page_name, default="tuplespace", help="name of the page after its date (tuplespace)")
    add("--program", default=".build/release/tuplespace-benchmark", metavar="PATH",
        help="the program to measure (.build/release/tuplespace-benchmark)")
    add("--no-build", dest="build", action="store_false", help="do not build the release first")
    parser.set_defaults(keep=False)
    return parser.parse_args(arguments)


def run(options, processes, work, say):
    if options.build:
        processes.run(["swift", "build", "-c", "release", "--product", "tuplespace-benchmark"], 3600)
    if not os.access(options.program, os.X_OK):
        raise Failure(f"{options.program} is not there: build it, or leave --no-build away")
    before = machine.BusyShare()
    time.sleep(1)
    described = machine.describe(work, before.read())
    others = machine.BusyShare(processes.core_seconds)
    results = {"pairs": [], "waiters": [], "memory": []}

    def ask(command):
        return json.loads(processes.run([str(word) for word in command], 600))
    for repeat in range(options.repeats):
        for resident in sorted({count for loads in LOADS.values() for count in loads}):
            for system, program in (("starling", [options.program, "pairs"]), ("rinda", ["ruby", RINDA])):
                if resident not in LOADS[system]:
                    continue
                read = ask([*program, resident, LOADS[system][resident]])
                rate = read["rate"]
                results["pairs"].append({"repeat": repeat, "system": system, "resident": resident, "rate": rate})
                if "rate_with_encoding" in read:
                    results["pairs"].append({"repeat": repeat, "system": ENCODING, "resident": resident,
                                             "rate": read["rate_with_encoding"]})
                say(f"[{repeat + 1}/{options.repeats}] {system:8} {resident:9,} resident  {rate:12,.1f} pairs a second")
        results["waiters"].append(ask([options.program, "waiters", WAITERS, WRITES]))
        results["memory"].append(ask([options.program, "memory", RESIDENT])["bytes_per_resident_tuple"])
        say(f"[{repeat + 1}/{options.repeats}] writes among {WAITERS:,} waiters {results['waiters'][-1]['ratio']:.3f} times as long; "
            f"{results['memory'][-1]:.0f} bytes a tuple")
    page = {"title": "The tuplespace in one process, and Rinda", "what": options.what,
            "date": datetime.date.today().isoformat(), "command": shlex.join(["script/bench", *sys.argv[1:]]),
            "machine": described, "versions": versions(processes), "others": round(others.read(), 3), "results": results}
    say(f"written: {write(page, options.out)}")
    missed = misses(page)
    for sentence in missed:
        print(f"figure missed: {sentence}", file=sys.stderr)
    return 1 if missed and options.require else 0


def versions(processes):
    swift = processes.run(["swift", "--version"], 60).splitlines()
    return {"starling": processes.run(["git", "describe", "--always", "--dirty"], 10).strip(),
            "Swift": next((line for line in swift if "Swift version" in line), "unknown"),
            "Ruby": processes.run(["ruby", "--version"], 10).strip(),
            "Rinda": processes.run(["ruby", "-e", "puts Gem.loaded_specs['rinda']&.version || Gem::Specification"
                                    ".find_by_name('rinda').version"], 10).strip()}


def rates(page):
    """By (system, resident): the rates, by repetition."""
    found = {}
    for reading in page["results"]["pairs"]:
        found.setdefault((reading["system"], reading["resident"]), []).append(reading["rate"])
    return found


def ratio(first, second):
    """The median of the repetitions' ratios."""
    return statistics.median(a / b for a, b in zip(first, second))


def figures(page):
    """Rows (figure, measured as text, asked as text, whether it is met)."""
    found, results = rates(page), page["results"]
    starling = {resident: found["starling", resident] for resident in LOADS["starling"]}
    empty, some = (ratio(starling[resident], found["rinda", resident]) for resident in (0, 10_000))
    among = ratio(starling[0], starling[RESIDENT])
    waiters = statistics.median(reading["ratio"] for reading in results["waiters"])
    memory = statistics.median(results["memory"])
    return [
        ("pairs a second in an empty space, to Rinda's", f"{empty:,.1f} times", "at least 10 times", empty >= 10),
        ("the same among 10,000 tuples", f"{some:,.0f} times", "at least 5,000 times", some >= 5_000),
        (f"a pair among {RESIDENT:,} tuples, to one in an empty space", f"{among:.2f} times as long", "at most 3 times", among <= 3),
        (f"a write with {WAITERS:,} takes waiting for something else, to one with none", f"{waiters:.2f} times as long",
         "at most 1.2 times", waiters <= 1.2),
        ("memory of a resident tuple of 10 + 10 + 44 bytes", f"{memory:.0f} bytes", "at most 400 bytes", memory <= 400),
    ]


def misses(page):
    return [f"{what}: {measured}, {asked} is required" for what, measured, asked, met in figures(page) if not met]


def markdown(page, image):
    rows = [(system, f"{resident:,}", bars.figure(statistics.median(values)),
             f"{bars.figure(min(values))}–{bars.figure(max(values))}", f"{1e6 / statistics.median(values):,.2f}")
            for (system, resident), values in sorted(rates(page).items(), key=lambda item: item[0][1])]
    waiters = page["results"]["waiters"]
    nanoseconds = {name: statistics.median(reading[f"write_among_{name}"] for reading in waiters) for name in ("waiters", "none")}
    lines = [f"# {page['title']}", "", f"{page['date']}. Medians of {len(waiters)} repetitions, the systems in turn; a ratio is the "
             "median of the repetitions' ratios. How to read this: [README](README.md).", ""]
    if page["others"] > 0.1:
        lines += [f"**Something else used {100 * page['others']:.0f} % of the machine during this run: trust the ratios less, and "
                  "the rates not at all.**", ""]
    return "\n".join([
        *lines, *table(("figure", "measured", "asked", "met"),
                       [(what, measured, asked, "yes" if met else "**no**") for what, measured, asked, met in figures(page)]), "",
        f"![Pairs a second]({image})", "",
        "A pair is a tuple (user, topic, message) of 10, 10 and 44 bytes, written and taken again by its three values, in a space "
        "that holds so many others, no two of which have a field in common. *starling* is the replicated "
        "state machine, which applies commands as they come from clients, each as a batch of its own; *with encoding* begins with the "
        "tuple, as Rinda does, and encodes both commands and batches, which clients do and not servers. *rinda* is a "
        "`Rinda::TupleSpace` in the same process, without DRb. (It would look at fewer tuples if their first field were a Symbol, "
        "namely at those with the same one.)", "",
        *table(("system", "resident tuples", "pairs a second", "lowest–highest", "µs a pair"), rows), "",
        f"Waiters: {WRITES:,} writes into a machine where {WAITERS:,} takes wait for something else, and as many into one where none "
        f"does, a hundred here and a hundred there: {nanoseconds['waiters']:,.0f} and {nanoseconds['none']:,.0f} ns a write. Memory: what a "
        f"process grows by when {RESIDENT:,} tuples are written, indexes, sessions and recent events included.", "",
        "## Machine and versions", "",
        *table(("what", "value"), {**page["machine"], "used by others meanwhile": f"{100 * page['others']:.0f} % of all cores",
                                   **page["versions"]}.items(), ["---", "---"]), "",
        "## Command", "", "```sh", page["command"], "```", ""])


def write(page, directory):
    rows = [(f"{resident:,} resident tuples", system, statistics.median(values), min(values), max(values))
            for (system, resident), values in sorted(rates(page).items(), key=lambda item: item[0][1])]
    image = bars.plot(f"Tuples written and taken, {page['date']}", "pairs a second", rows)
    return write_files(page, directory, lambda name: markdown(page, name), image)
