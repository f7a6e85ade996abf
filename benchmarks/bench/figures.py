# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The report's plots as SVG within HTML. CSS classes (`paint`) set the colours."""

import statistics
from xml.sax.saxutils import escape, quoteattr

import latency
import plot
from bench.results import OWN
from bench.words import BETTER, number, ratio

_LABELS, _WIDTH, _LINE, _TOP, _BOTTOM = 165, 300, 19, 8, 24  # of a box plot
_TICKS = ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(n / 10 for n in range(10, 100)))
_TICK_GAP = 38


def paints(policies):
    """Policy -> CSS class: the base is grey, pvsched's are cool and solid, the others warm and dashed."""
    base, *rest = policies
    own = [p for p in rest if p in OWN]
    others = [p for p in rest if p not in OWN]
    return {base: "base", **{p: f"own own{n % 3}" for n, p in enumerate(own)},
            **{p: f"other other{n % 6}" for n, p in enumerate(others)}}


def curves(side, histograms, policies):
    """The share of wake-ups that take longer than t, by policy; both axes are logarithmic."""
    paint = paints(policies)
    series = [(policies[p], _distribution(histograms[p]), f'class="curve {paint[p]}"')
              for p in policies if p in histograms]
    x, y = plot.axes_for([d for _, d, _ in series])
    width, height = plot.LEFT + plot.WIDTH + 25, plot.TOP + plot.HEIGHT + plot.BOTTOM - 20
    where = f"in the {side}" if side == "guest" else f"on the {side}"
    return _svg(width, height, f"Share of wake-ups {where} that take longer than t",
                [f'<g transform="translate({plot.LEFT},{plot.TOP - 25})">', *plot.panel(side, series, x, y), "</g>"])


def _distribution(histogram):
    counts = {int(us): n for us, n in histogram.items()}
    return latency.Distribution(counts, max(counts))


def boxes(row, policies):
    """A box plot of each policy's rounds; "" if a value does not fit on a logarithmic axis."""
    paint = paints(policies)
    estimates = [(p, e) for p in policies if (e := row.estimate(p)) and not (row.relative and p == row.base)]
    values = [v for _, e in estimates for v in e.values]
    if not values or min(values) <= 0:
        return ""
    x = _axis(values, row.relative)
    bottom = _TOP + _LINE * len(estimates)
    parts = []
    for tick in _ticks(x):
        label = ratio(tick) if row.relative else number(tick)
        parts.append(f'<path d="M{x(tick):.1f} {_TOP}V{bottom}" class="{"one" if tick == 1 else "grid"}"/>')
        parts.append(plot.text(x(tick), bottom + 16, label, "middle", 11))
    for n, (policy, estimate) in enumerate(estimates):
        middle = _TOP + _LINE * (n + 0.5)
        parts.append(plot.text(_LABELS - 10, middle + 4, policies[policy], "end", 12))
        parts += [f'<g class="box {paint[policy]}">', *_box(estimate.values, x, middle), "</g>"]
    what = f"ratio to {policies[row.base]}" if row.relative else row.unit
    return (f"<figure><figcaption>{escape(row.metric)}, {escape(what)} ({BETTER[row.better]})</figcaption>"
            + _svg(_LABELS + _WIDTH + 20, bottom + _BOTTOM, f"Rounds of {row.metric}", parts) + "</figure>")


def _box(values, x, y):
    lowest, highest = x(min(values)), x(max(values))
    parts = [f'<path d="M{lowest:.1f} {y}H{highest:.1f}"/>']
    if len(values) > 2:
        first, median, third = (x(q) for q in statistics.quantiles(values, n=4, method="inclusive"))
        parts.append(f'<rect x="{first:.1f}" y="{y - 6}" width="{max(third - first, 1):.1f}" height="12"/>')
        parts.append(f'<path class="median" d="M{median:.1f} {y - 6}v12"/>')
    parts += [f'<circle cx="{x(v):.1f}" cy="{y}" r="2"/>' for v in values]
    return parts


def _axis(values, relative):
    low, high = min(values), max(values)
    if relative:
        low, high = min(low, 1), max(high, 1)
    return plot.Log(low / 1.1, high * 1.1, _LABELS, _LABELS + _WIDTH)


def _ticks(x):
    """As many round numbers as fit, and 1 wherever it is on the axis."""
    for mantissas in _TICKS:
        found = [m * 10.0 ** e for e in range(-12, 13) for m in mantissas if x.first <= m * 10.0 ** e <= x.last]
        if len(found) >= 3:
            break
    kept = [1.0] if x.first <= 1 <= x.last else []
    for tick in found:
        if all(abs(x(tick) - x(k)) >= _TICK_GAP for k in kept):
            kept.append(tick)
    return kept


def _svg(width, height, label, parts):
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
            f'aria-label={quoteattr(label)}>' + "".join(parts) + "</svg>")
