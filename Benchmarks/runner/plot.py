"""The rates as an SVG: a panel for each operation, a group of bars for each number of sessions, on a log scale."""

import math
from html import escape

COLOURS = {"starling": "#0072b2", "etcd": "#e69f00", "etcd-spread": "#d55e00", "bare": "#999999"}
WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 70, 20, 60, 50


def plot(summary, title):
    operations = list(dict.fromkeys(cell.operation for cell in summary))
    systems = list(dict.fromkeys(cell.system for cell in summary))
    height = TOP + len(operations) * (PANEL + BOTTOM)
    # A little room below the lowest bar and above the highest, so that neither vanishes nor hits the legend.
    low = math.floor(math.log10(min(values["lowest"] for values in summary.values())) - 0.15)
    high = math.ceil(math.log10(max(values["highest"] for values in summary.values())) + 0.05)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
        *legend(systems),
    ]
    for number, operation in enumerate(operations):
        chosen = {cell: values for cell, values in summary.items() if cell.operation == operation}
        parts += panel(chosen, systems, operation, TOP + number * (PANEL + BOTTOM), low, high)
    return "\n".join(parts + ["</svg>", ""])


def legend(systems):
    for number, system in enumerate(systems):
        x = LEFT + 110 * number
        yield f'<rect x="{x}" y="34" width="12" height="12" fill="{COLOURS[system]}"/>'
        yield f'<text x="{x + 18}" y="44">{system}</text>'


def panel(summary, systems, operation, top, low, high):
    def y(rate):
        return top + PANEL - 20 - (math.log10(rate) - low) / (high - low) * (PANEL - 40)

    parts = [f'<text x="16" y="{top + PANEL / 2}" transform="rotate(-90 16 {top + PANEL / 2})" '
             f'text-anchor="middle">{operation}s a second (log scale)</text>']
    for power in range(low, high + 1):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" '
                     'stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    windows = list(dict.fromkeys(cell.window for cell in summary))
    group = (WIDTH - LEFT - RIGHT) / len(windows)
    width = group * 0.8 / len(systems)
    for number, window in enumerate(windows):
        start = LEFT + number * group + group * 0.1
        parts.append(f'<text x="{start + group * 0.4:.1f}" y="{y(10**low) + 18:.1f}" text-anchor="middle">'
                     f'{window}</text>')
        for cell, values in summary.items():
            if cell.window == window:
                x = start + systems.index(cell.system) * width
                parts += bar(values, COLOURS[cell.system], x, width, y, y(10**low))
    return parts


def bar(values, colour, x, width, y, floor):
    """A bar to the median, a whisker from the lowest to the highest repetition, and the median in figures."""
    top, middle = y(values["rate"]), x + width / 2
    yield (f'<rect x="{x + 2:.1f}" y="{top:.1f}" width="{width - 4:.1f}" height="{max(0, floor - top):.1f}" '
           f'fill="{colour}"/>')
    yield (f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{y(values["lowest"]):.1f}" y2="{y(values["highest"]):.1f}" '
           f'stroke="black"/>')
    yield f'<text x="{middle:.1f}" y="{y(values["highest"]) - 4:.1f}" text-anchor="middle">{values["rate"]:,.0f}</text>'
