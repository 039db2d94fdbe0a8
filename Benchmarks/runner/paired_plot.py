"""The plot of a paired page: every pair's ratio as a dot, and the median as a line."""

from html import escape

from matrix import counted

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 170, 30, 30, 60


def plot(page, summary):
    ratios = [ratio for values in summary.values() for ratio in values["ratios"]]
    low, high = min(0.9, *ratios) - 0.01, max(1.1, *ratios) + 0.01
    bottom = TOP + ROW * len(summary)

    def x(ratio):
        return LEFT + (ratio - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 40}" font-family="sans-serif" '
             f'font-size="12">',
             f'<rect width="{WIDTH}" height="{bottom + 40}" fill="white"/>',
             f'<text x="16" y="24" font-size="16">{escape(page["title"])}, {page["date"]}: rate {page["systems"][1]} / '
             f'rate {page["systems"][0]}</text>']
    for ratio, colour in ((0.95, "#d55e00"), (1.0, "#555"), (1.05, "#ddd")):
        parts.append(f'<line x1="{x(ratio):.1f}" x2="{x(ratio):.1f}" y1="{TOP - 10}" y2="{bottom}" stroke="{colour}" '
                     f'stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{x(ratio):.1f}" y="{bottom + 18}" text-anchor="middle">{ratio:.2f}</text>')
    for number, ((operation, sessions), values) in enumerate(summary.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{operation}, '
                     f'{counted(sessions, "session")}</text>')
        for ratio in values["ratios"]:
            parts.append(f'<circle cx="{x(ratio):.1f}" cy="{y:.1f}" r="4" fill="#0072b2" fill-opacity="0.5"/>')
        middle = x(values["ratio"])
        parts.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}" stroke="black" '
                     f'stroke-width="2"/>')
    return "\n".join(parts + ["</svg>", ""])
