"""Rates as horizontal bars on a logarithmic axis: a group of bars a label, a whisker from the lowest to the highest."""

import math
from html import escape

COLOURS = ("#0072b2", "#e69f00", "#999999", "#009e73")
WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 760, 230, 90, 70, 20, 14


def plot(title, unit, rows):
    """`rows`: (label, series, rate, lowest, highest); those of one label stand together."""
    series = list(dict.fromkeys(row[1] for row in rows))
    low = math.floor(math.log10(min(row[3] for row in rows)) - 0.1)
    high = math.ceil(math.log10(max(row[4] for row in rows)))

    def x(rate):
        return LEFT + (math.log10(rate) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts, y, label = [], TOP, None
    for name, system, rate, lowest, highest in rows:
        if name != label:
            y += GAP
            parts.append(f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            label = name
        colour = COLOURS[series.index(system) % len(COLOURS)]
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{x(rate) - LEFT:.1f}" height="{BAR - 4}" fill="{colour}"/>')
        parts.append(f'<line x1="{x(lowest):.1f}" x2="{x(highest):.1f}" y1="{y + 8}" y2="{y + 8}" stroke="black"/>')
        parts.append(f'<text x="{x(highest) + 6:.1f}" y="{y + 13}">{figure(rate)}</text>')
        y += BAR
    axis = []
    for power in range(low, high + 1):
        axis.append(f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="{TOP}" y2="{y + 6}" stroke="#ddd"/>')
        axis.append(f'<text x="{x(10**power):.1f}" y="{y + 22}" text-anchor="middle">{figure(10**power)}</text>')
    legend = []
    for number, system in enumerate(series):
        left = 16 + 180 * number
        legend.append(f'<rect x="{left}" y="38" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>')
        legend.append(f'<text x="{left + 18}" y="48">{escape(system)}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 50}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{y + 50}" fill="white"/>',
        f'<text x="16" y="24" font-size="16">{escape(title)}</text>', *legend, *axis, *parts,
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{y + 40}" text-anchor="middle">{escape(unit)} (logarithmic)</text>',
        "</svg>", ""])


def figure(rate):
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.3g}"
