"""Which runs are made, in which order, and what is kept of them."""

import json
import statistics
import time
from collections import namedtuple

from failure import Failure
from machine import BusyShare


class Window(namedtuple("Window", "sessions connections")):
    def __str__(self):
        return f"{counted(self.sessions, 'session')}, {counted(self.connections, 'connection')}"


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


Cell = namedtuple("Cell", "operation window system")
RESULT_KEYS = ("operation", "sessions", "requests", "errors", "rate", "p50_ms", "p99_ms")


def cells(operations, windows, peers):
    """One repetition: for each load, the systems in turn, so that a slow minute of the machine hits all of them."""
    return [Cell(operation, window, peer.name)
            for operation in operations for window in windows for peer in peers if operation in peer.operations]


def parse_result(text, cell):
    """The JSON object a driver printed; a driver that prints anything else, or counts errors, has failed."""
    try:
        result = {key: json.loads(text)[key] for key in RESULT_KEYS}
    except (ValueError, KeyError, TypeError) as problem:
        raise Failure(f"{cell.system} printed no result ({problem!r}): {text.strip()[-500:]}")
    if result["errors"] or result["requests"] < 1 or not result["rate"] > 0:
        raise Failure(f"{cell.system}: {result['errors']} errors, {result['requests']} requests done in a run of "
                      f"{cell.operation}s at {cell.window.sessions} sessions")
    if (result["operation"], result["sessions"]) != (cell.operation, cell.window.sessions):
        raise Failure(f"{cell.system} measured something else than was asked: {result}")
    return result


class Matrix:
    def __init__(self, options, peers, processes, say):
        self.options, self.processes, self.say = options, processes, say
        self.peers = {peer.name: peer for peer in peers}
        self.cells = cells(options.operations, options.windows, peers)
        self.rates = {}
        self.runs = []
        self.repeats = 0
        self.deadline = time.monotonic() + options.limit * 60

    def measure(self):
        for cell in self.cells:
            self.estimate(cell)
        for repeat in range(self.options.repeats):
            for cell in self.cells:
                if time.monotonic() > self.deadline:
                    return self.end_early()
                self.record(cell, repeat)
            self.repeats += 1

    def end_early(self):
        if self.repeats == 0:
            raise Failure(f"not one repetition was done within {self.options.limit} minutes (--limit)")
        self.runs = [run for run in self.runs if run["repeat"] < self.repeats]
        self.say(f"stopped after {self.repeats} repetitions: {self.options.limit} minutes are over (--limit)")

    def estimate(self, cell):
        """Warms a system up and learns its rate, so that each run lasts about as long as was asked."""
        if self.options.requests:
            return
        self.rates[cell] = self.run(cell, max(200, 10 * cell.window.sessions))["rate"]
        self.rates[cell] = self.run(cell, self.count(cell, self.options.seconds / 2))["rate"]

    def count(self, cell, seconds):
        return self.options.requests or max(10 * cell.window.sessions, round(self.rates[cell] * seconds))

    def record(self, cell, repeat):
        others = BusyShare(self.processes.core_seconds)
        result = self.run(cell, self.count(cell, self.options.seconds))
        others = others.read()
        self.rates[cell] = result["rate"]
        self.runs.append({"repeat": repeat, "system": cell.system, "connections": cell.window.connections, **result,
                          "others": round(others, 3)})
        self.say(f"[{len(self.runs):3}/{self.options.repeats * len(self.cells)}] {cell.operation:5} "
                 f"{cell.window.sessions:4} sessions  {cell.system:8} {result['rate']:10,.0f}/s  "
                 f"p50 {result['p50_ms']:8.3f} ms  p99 {result['p99_ms']:8.3f} ms  others {100 * others:3.0f} %")

    def run(self, cell, requests):
        command = self.peers[cell.system].command(cell.operation, cell.window, requests)
        return parse_result(self.processes.run(command, 60 + 10 * self.options.seconds), cell)


def summarize(runs):
    """For each cell the median of its repetitions, and the lowest and highest rate among them."""
    groups = {}
    for run in runs:
        window = Window(run["sessions"], run["connections"])
        groups.setdefault(Cell(run["operation"], window, run["system"]), []).append(run)
    return {cell: {
        "rate": statistics.median(run["rate"] for run in group),
        "lowest": min(run["rate"] for run in group),
        "highest": max(run["rate"] for run in group),
        "p50_ms": statistics.median(run["p50_ms"] for run in group),
        "p99_ms": statistics.median(run["p99_ms"] for run in group),
        "others": max(run["others"] for run in group),
    } for cell, group in groups.items()}


def ratios(summary, system="starling"):
    """Rows (operation, window, other system, rate of `system` over the other's), in the order of the summary."""
    return [(cell.operation, cell.window, other.system, values["rate"] / summary[other]["rate"])
            for cell, values in summary.items() if cell.system == system
            for other in summary
            if (other.operation, other.window) == (cell.operation, cell.window) and other.system != system]
