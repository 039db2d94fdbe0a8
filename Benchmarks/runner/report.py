"""The page about a run: what was measured where, the rates, and Starling's ratios."""

import json
import os

import requirements
from matrix import counted, ratios, summarize
from plot import plot


def table(head, rows, align=None):
    align = align or ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (head, align, *rows)]


def rate_rows(summary):
    for cell, v in summary.items():
        yield (f"{cell.operation}, {cell.window}", cell.system,
               f"{v['rate']:,.0f}", f"{v['lowest']:,.0f}–{v['highest']:,.0f}",
               f"{v['p50_ms']:.2f}", f"{v['p99_ms']:.2f}",
               f"{100 * v['others']:.0f} %")


def ratio_rows(summary):
    """Starling's ratios beside what the levels of `requirements` ask."""
    for operation, window, other, ratio in ratios(summary):
        asked = [requirements.threshold(level, operation, window.sessions, other) for level in ("base", "must", "goal")]
        yield (f"{operation}, {counted(window.sessions, 'session')}", f"starling / {other}", f"{ratio:.2f}",
               *("" if least is None else f"{least:g}" for least in asked))


def disturbed(summary):
    """Whether in any run others used more than a tenth of the cores."""
    return any(values["others"] > 0.1 for values in summary.values())


def markdown(run, image):
    summary = summarize(run["runs"])
    lines = [f"# {run['title']}", "",
             f"{run['date']}. {run['repeats']} repetitions of about {run['length']} for each load, the systems in "
             f"turn; "
             f"medians, with the lowest and highest rate. {run['size']} bytes a write, one request outstanding a "
             "session. How to read this: [README](README.md).", ""]
    if run.get("note"):
        lines += [run["note"], ""]
    if disturbed(summary):
        lines += ["**Something else used the machine during this run (column others): trust the ratios less, and the "
                  "rates not at all.**", ""]
    lines += table(("load", "system", "a second", "lowest–highest", "p50 ms", "p99 ms", "others"), rate_rows(summary),
                   ["---", "---", "---:", "---:", "---:", "---:", "---:"])
    rows = list(ratio_rows(summary))
    if rows:
        lines += ["", "## Ratios", "", *table(("load", "of", "ratio", "base", "must", "goal"), rows,
                                              ["---", "---", "---:", "---:", "---:", "---:"])]
    lines += ["", f"![Rates by load and system]({image})", "", "## Machine and versions", ""]
    lines += table(("what", "value"), {**run["machine"], **run["versions"]}.items(), ["---", "---"])
    lines += ["", "## Command", "", "```sh", run["command"], "```", ""]
    return "\n".join(lines)


def write(run, directory):
    image = plot(summarize(run["runs"]), f"{run['title']}, {run['date']}")
    return write_files(run, directory, lambda name: markdown(run, name), image)


def write_files(run, directory, text, image):
    """Writes the page, its plot and the raw results side by side, under a free name; returns the page's path.
    `text` makes the page, given the plot's file name."""
    os.makedirs(directory, exist_ok=True)
    name, number = f"{run['date']}-{run['what']}", 1
    while os.path.exists(os.path.join(directory, name + ".md")):
        number += 1
        name = f"{run['date']}-{run['what']}-{number}"
    files = {".json": json.dumps(run, indent=1, ensure_ascii=False) + "\n", ".svg": image, ".md": text(name + ".svg")}
    for suffix, content in files.items():
        with open(os.path.join(directory, name + suffix), "w", encoding="utf-8") as file:
            file.write(content)
    return os.path.join(directory, name + ".md")
