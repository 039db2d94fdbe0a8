"""The plot of a storage page: where the time of a restart goes, and writes while a server catches up."""

from html import escape

import storage_restart

COLOURS = {"process": "#999999", "log": "#0072b2", "snapshot": "#56b4e9", "doors": "#cccccc", "election": "#e69f00",
           "replay": "#009e73"}
WAYS = {"log": "#0072b2", "snapshot": "#e69f00"}
WIDTH, LEFT, RIGHT, ROW, CHART = 760, 90, 20, 30, 240


def plot(page):
    parts, top = [], 40
    if "restart" in page["results"]:
        part, height = restarts(storage_restart.summarize(page["results"]["restart"]), top)
        parts, top = parts + part, top + height
    if "catch-up" in page["results"]:
        part, height = timelines(page["results"]["catch-up"], top)
        parts, top = parts + part, top + height
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{top}" fill="white"/>',
        f'<text x="16" y="24" font-size="16">{escape(page["title"])}, {page["date"]}</text>', *parts, "</svg>", ""])


def text(x, y, content, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def restarts(summary, top):
    """A bar for each kind of restart, in phases, with the limit of two seconds."""
    longest = max(2.2, *(values["highest"] for values in summary.values()))
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<rect x="{LEFT + 100 * number}" y="{top}" width="12" height="12" fill="{colour}"/>')
        parts.append(text(LEFT + 100 * number + 18, top + 10, name))
    first = top + 24
    for number, (kind, values) in enumerate(summary.items()):
        y, x = first + number * ROW, float(LEFT)
        parts.append(text(LEFT - 8, y + 15, kind, "end"))
        for name, seconds in values["phases"].items():
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{seconds * scale:.1f}" height="{ROW - 10}" '
                         f'fill="{COLOURS[name]}"/>')
            x += seconds * scale
        parts.append(text(x + 6, y + 15, f"{values['seconds']:.2f} s"))
    end = first + len(summary) * ROW
    limit = LEFT + 2 * scale
    parts.append(f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{first - 4}" y2="{end}" stroke="#d55e00" '
                 f'stroke-dasharray="4 3"/>')
    parts.append(text(limit, end + 12, "2 s", "middle"))
    return parts, end + 40 - top


def timelines(results, top):
    """Writes a second, of the first repetition of either way, from before the server starts to after it has caught up."""
    chosen = {way: next(result for result in results if result["way"] == way)
              for way in WAYS if any(result["way"] == way for result in results)}
    series = {way: result["series"] for way, result in chosen.items()}
    low = min(points["from"] for points in series.values())
    high = max(points["from"] + points["step"] * len(points["rates"]) for points in series.values())
    most = max(max(points["rates"]) for points in series.values()) * 1.1
    bottom = top + CHART - 40

    def x(seconds):
        return LEFT + (seconds - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(rate):
        return bottom - rate / most * (CHART - 60)

    parts = [text(16, top + 10, "Writes a second; a server is started at 0 s and has caught up at the dashed line")]
    for rate in range(0, int(most), 5_000):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y(rate) + 4, f"{rate:,}", "end"))
    for way, points in series.items():
        path = " ".join(f"{x(points['from'] + points['step'] * (i + 0.5)):.1f},{y(rate):.1f}"
                        for i, rate in enumerate(points["rates"]))
        done = x(chosen[way]["seconds"])
        parts.append(f'<polyline points="{path}" fill="none" stroke="{WAYS[way]}" stroke-width="1.5"/>')
        parts.append(f'<line x1="{done:.1f}" x2="{done:.1f}" y1="{y(most):.1f}" y2="{bottom}" stroke="{WAYS[way]}" '
                     'stroke-dasharray="4 3"/>')
        near_edge = done > WIDTH - RIGHT - 90
        parts.append(text(done - 4 if near_edge else done + 4, y(most) + (24 if near_edge else 10), f"by {way}",
                          "end" if near_edge else "start"))
    parts.append(f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{y(most):.1f}" y2="{bottom}" stroke="#555"/>')
    for seconds in ticks(low, high):
        parts.append(text(x(seconds), bottom + 16, f"{seconds} s", "middle"))
    return parts, CHART


def ticks(low, high):
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000) if (high - low) / step <= 12)
    return [number * step for number in range(-int(-low // step), int(high // step) + 1)]
