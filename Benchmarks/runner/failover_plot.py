"""The plot of a failover page: a dot for every event, on a logarithmic axis of milliseconds."""

import math
from html import escape

KINDS = {"kill": ("leader killed", "#d55e00"), "transfer": ("planned transfer", "#0072b2"),
         "restart": ("rolling restart", "#009e73")}
LIMITS = {"kill": 1_000, "transfer": 50, "restart": 100}
WIDTH, LEFT, RIGHT, TOP, ROW = 760, 130, 30, 50, 70


def plot(page):
    results = page["results"]
    low, high = 1.0, 2_000.0
    bottom = TOP + ROW * len(KINDS)

    def x(milliseconds):
        share = math.log(max(low, milliseconds) / low) / math.log(high / low)
        return LEFT + min(1, share) * (WIDTH - LEFT - RIGHT)

    parts = []
    for mark in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000):
        parts.append(f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(mark):.1f}" y="{bottom + 16}" text-anchor="middle">{mark:,}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{bottom + 34}" text-anchor="middle">milliseconds</text>')
    for number, (kind, (name, colour)) in enumerate(KINDS.items()):
        middle = TOP + ROW * number + ROW / 2
        parts.append(f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>')
        limit = x(LIMITS[kind])
        parts.append(f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{middle - 26}" y2="{middle + 26}" stroke="{colour}" '
                     'stroke-dasharray="4 3"/>')
        for place, event in enumerate(results[kind]):
            y = middle + (place % 9 - 4) * 5
            parts.append(f'<circle cx="{x(1000 * event["seconds"]):.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity="0.6"/>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{bottom + 44}" fill="white"/>',
        f'<text x="16" y="24" font-size="16">{escape(page["title"])}, {page["date"]}; dashed: what is asked of most</text>',
        *parts, "</svg>", ""])
