# SPDX-License-Identifier: Apache-2.0
"""Latency distributions as one self-contained SVG: guest and host side by side."""

import math
from xml.sax.saxutils import escape

_COLOURS = ("#c0392b", "#1f77b4", "#7f8c8d", "#2ca02c", "#9467bd")
_WIDTH, _HEIGHT = 470, 330  # of one panel's plotting area
_LEFT, _TOP, _GAP, _BOTTOM = 70, 60, 70, 60


def svg(curves, titles):
    """`curves`: panel -> series -> Distribution. Share of wake-ups longer than t, both log."""
    everything = [d for panel in curves.values() for d in panel.values()]
    low = 10 ** math.floor(math.log10(max(1, min(min(d.counts) for d in everything))))
    high = 10 ** math.ceil(math.log10(max(d.maximum for d in everything) + 1))
    rarest = 10 ** math.floor(math.log10(min(1 / d.total for d in everything)))
    x = _Log(low, high, 0, _WIDTH)
    y = _Log(1, rarest, 0, _HEIGHT)
    width = _LEFT + len(curves) * (_WIDTH + _GAP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{_TOP + _HEIGHT + _BOTTOM}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>',
             _text(_LEFT, 24, "How many wake-ups take longer than t on a busy host", size=17)]
    for index, (panel, series) in enumerate(curves.items()):
        parts.append(f'<g transform="translate({_LEFT + index * (_WIDTH + _GAP)},{_TOP})">')
        parts += _axes(panel, x, y)
        for n, (name, distribution) in enumerate(series.items()):
            colour = _COLOURS[n % len(_COLOURS)]
            parts.append(_curve(distribution, x, y, colour))
            line = _HEIGHT - 20 * (len(series) - n)  # lower left, where no curve goes
            parts.append(f'<rect x="14" y="{line - 7}" width="18" height="4" fill="{colour}"/>')
            parts.append(_text(38, line, titles.get(name, name)))
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


class _Log:
    """A logarithmic axis from `first` at pixel a to `last` at pixel b."""

    def __init__(self, first, last, a, b):
        self.first, self.last, self.a, self.b = first, last, a, b

    def __call__(self, value):
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return self.a + (self.b - self.a) * min(max(share, 0), 1)

    def decades(self):
        ends = sorted((round(math.log10(self.first)), round(math.log10(self.last))))
        return range(ends[0], ends[1] + 1)


def _text(x, y, text, anchor="start", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _axes(panel, x, y):
    parts = [_text(0, -10, f"in the {panel}" if panel == "guest" else f"on the {panel}", size=15)]
    for decade in x.decades():
        at = x(10 ** decade)
        parts.append(f'<path d="M{at:.1f} 0V{_HEIGHT}" stroke="#ddd"/>')
        label = f"{10 ** decade} us" if decade < 3 else f"{10 ** (decade - 3)} ms"
        parts.append(_text(at, _HEIGHT + 20, label, "middle"))
    for decade in y.decades():
        at = y(10 ** decade)
        parts.append(f'<path d="M0 {at:.1f}H{_WIDTH}" stroke="#ddd"/>')
        parts.append(_text(-8, at + 4, f"{100 * 10 ** decade:g} %", "end"))
    parts.append(f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#555"/>')
    parts.append(_text(_WIDTH / 2, _HEIGHT + 42, "wake-up latency t", "middle"))
    return parts


def _curve(distribution, x, y, colour):
    """A step line; latencies that fall on one pixel are drawn once."""
    path, height, last = [], 0.0, None
    for us, share in distribution.exceeding():
        at = x(max(us, 1))
        if last is None:
            path.append(f"M0 0H{at:.1f}")
        elif at - last >= 0.5 or share == 0:
            path.append(f"V{height:.1f}H{at:.1f}")
        else:
            height = y(share) if share else _HEIGHT
            continue
        last, height = at, y(share) if share else _HEIGHT
    path.append(f"V{height:.1f}")
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2"/>'
