# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Latency distributions as one self-contained SVG, guest and host side by side."""

import math
from xml.sax.saxutils import escape

_COLOURS = ("#c0392b", "#1f77b4", "#7f8c8d", "#2ca02c", "#9467bd")
WIDTH, HEIGHT = 470, 330  # of one panel's plotting area
LEFT, TOP, _GAP, BOTTOM = 70, 60, 70, 60


def svg(curves, titles):
    """`curves`: panel -> series -> Distribution. The curve is the share of wake-ups longer than t; log axes."""
    x, y = axes_for([d for series in curves.values() for d in series.values()])
    width = LEFT + len(curves) * (WIDTH + _GAP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{TOP + HEIGHT + BOTTOM}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>',
             text(LEFT, 24, "Share of wake-ups that take longer than t on a busy host", size=17)]
    for index, (side, series) in enumerate(curves.items()):
        parts.append(f'<g transform="translate({LEFT + index * (WIDTH + _GAP)},{TOP})">')
        painted = []
        for n, (name, distribution) in enumerate(series.items()):
            colour = _COLOURS[n % len(_COLOURS)]
            painted.append((titles.get(name, name), distribution, f'stroke="{colour}"'))
            line = HEIGHT - 20 * (len(series) - n)  # lower left, which has no curves
            parts.append(f'<rect x="14" y="{line - 7}" width="18" height="4" fill="{colour}"/>')
            parts.append(text(38, line, titles.get(name, name)))
        parts += [*panel(side, painted, x, y), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def axes_for(distributions):
    """The axes for all distributions: latency, and share of longer wake-ups."""
    low = 10 ** math.floor(math.log10(max(1, min(min(d.counts) for d in distributions))))
    high = 10 ** math.ceil(math.log10(max(d.maximum for d in distributions) + 1))
    rarest = 10 ** math.floor(math.log10(min(1 / d.total for d in distributions)))
    # The axes need a length even for one wake-up, or for equal latencies.
    return Log(low, max(high, 10 * low), 0, WIDTH), Log(1, min(rarest, 0.1), 0, HEIGHT)


def panel(side, series, x, y):
    """One plot; `series`: (title, Distribution, the SVG attributes of its colour)."""
    return [*_axes(side, x, y), *(_curve(*one, x, y) for one in series)]


class Log:
    """A logarithmic axis from `first` at pixel a to `last` at pixel b."""

    def __init__(self, first, last, a, b):
        self.first, self.last, self.a, self.b = first, last, a, b

    def __call__(self, value):
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return self.a + (self.b - self.a) * min(max(share, 0), 1)

    def decades(self):
        ends = sorted((round(math.log10(self.first)), round(math.log10(self.last))))
        return range(ends[0], ends[1] + 1)


def text(x, y, words, anchor="start", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def _axes(side, x, y):
    parts = [text(0, -10, f"in the {side}" if side == "guest" else f"on the {side}", size=15)]
    for decade in x.decades():
        at = x(10 ** decade)
        parts.append(f'<path d="M{at:.1f} 0V{HEIGHT}" class="grid" stroke="#ddd"/>')
        label = f"{10 ** decade} us" if decade < 3 else f"{10 ** (decade - 3)} ms"
        parts.append(text(at, HEIGHT + 20, label, "middle"))
    for decade in y.decades():
        at = y(10 ** decade)
        parts.append(f'<path d="M0 {at:.1f}H{WIDTH}" class="grid" stroke="#ddd"/>')
        parts.append(text(-8, at + 4, f"{100 * 10 ** decade:g} %", "end"))
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" class="frame" fill="none" stroke="#555"/>')
    parts.append(text(WIDTH / 2, HEIGHT + 42, "wake-up latency t", "middle"))
    return parts


def _curve(title, distribution, paint, x, y):
    """A step line; latencies of the same pixel are drawn once."""
    path, height, last = [], 0.0, None
    for us, share in distribution.exceeding():
        at = x(max(us, 1))
        if last is None:
            path.append(f"M0 0H{at:.1f}")
        elif at - last >= 0.5 or share == 0:
            path.append(f"V{height:.1f}H{at:.1f}")
        else:
            height = y(share) if share else HEIGHT
            continue
        last, height = at, y(share) if share else HEIGHT
    path.append(f"V{height:.1f}")
    return (f'<path d="{"".join(path)}" fill="none" {paint} stroke-width="2">'
            f"<title>{escape(title)}</title></path>")
