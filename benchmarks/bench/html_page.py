# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""report.html: one self-contained file without scripts."""

import html
import itertools

from bench import figures, stats, words
from bench.results import OWN

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --faint: #5b6570; --back: #fff; --card: #f5f7f9; --line: #d5dbe1;
  --grey: #6b7580; --own0: #0b62d6; --own1: #00886b; --own2: #7d3fc8;
  --other0: #d1430f; --other1: #b07800; --other2: #c2185b; --other3: #8a5a2b; --other4: #b3261e; --other5: #7a7a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ec; --faint: #9aa5b0; --back: #14181c; --card: #1d2329;
  --line: #39424b; --grey: #a5afb9; --own0: #69a8ff; --own1: #35d0a8; --own2: #bd93ff;
  --other0: #ff8a5c; --other1: #f0bd45; --other2: #ff7fb0; --other3: #d3a476; --other4: #ff8078; --other5: #cfcf4a; } }
body { margin: 0 auto; max-width: 76rem;
  padding: 1rem 1.2rem 4rem; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: .4rem 0; } h2 { margin: 2.6rem 0 .3rem; border-bottom: 2px solid var(--line); }
h3 { margin: 1.8rem 0 .5rem; }
a { color: var(--own0); } small, .faint, figcaption { color: var(--faint); }
code { overflow-wrap: anywhere; } .wide { overflow-x: auto; }
.note { background: var(--card); border-left: 4px solid var(--other1); padding: .5rem .9rem; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .3rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; } tr > :first-child { text-align: left; position: sticky; left: 0; background: var(--back); }
td small, th small { display: block; font-weight: 400; white-space: nowrap; }
.best { background: color-mix(in srgb, var(--own1) 16%, var(--back)); font-weight: 700; }
#key { position: sticky; top: 0; z-index: 1; background: var(--back); border-bottom: 1px solid var(--line);
  padding: .35rem 0; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; }
#key svg { vertical-align: middle; margin-right: .35rem; }
h2, h3 { scroll-margin-top: 4.5rem; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; } figure { margin: 0; max-width: 100%; }
svg { max-width: 100%; height: auto; font-family: inherit; } svg text { fill: var(--ink); }
.grid { stroke: var(--line); } .frame { stroke: var(--faint); } .one { stroke: var(--ink); stroke-dasharray: 2 3; }
.curve { fill: none; stroke-width: 2; } .curve:hover { stroke-width: 4; } .other.curve { stroke-dasharray: 7 3; }
.other1.curve { stroke-dasharray: 2 2; } .other2.curve { stroke-dasharray: 9 3 2 3; }
.other3.curve { stroke-dasharray: 4 4; }
.box rect { fill-opacity: .25; } .box .median { stroke-width: 2.5; } .box circle { stroke: none; }
@media print { #key { position: static; } }
""" + "".join(f".{name} {{ stroke: var(--{colour}); }} .box.{name} * {{ fill: var(--{colour}); }}\n"
              for name, colour in (("base", "grey"), *((f"own{n}", f"own{n}") for n in range(3)),
                                   *((f"other{n}", f"other{n}") for n in range(6))))

_PLOTS = ("<b>Curves</b>: the share of wake-ups that take longer than t, over all rounds; lower and further left is "
          "better. <b>Boxes</b>: each dot is a round, the line spans minimum to maximum, and the box holds the middle "
          "half with the median. All axes of values are logarithmic: equal distances are equal factors.")

_STANDING = ('<p class="faint">A figure counts if the two policies differ clearly: the interval of their ratio '
             "within rounds lies on one side of 1, and there are five rounds or more. Chance makes 1 in 16 of equal "
             "figures look clear with five rounds, and at most 1 in 20 with more. All other figures are within the "
             "spread.</p>")


def report(results, command):
    meta, policies = results["meta"], results["policies"]
    suites = [(suite, list(cases)) for suite, cases in
              itertools.groupby(stats.cases(results), key=lambda c: c.suite)]
    body = [f"<h1>pvsched: {_e(', '.join(suite for suite, _ in suites))}</h1>",
            f"<p>Measured on {_e(words.place(meta))}.<br>By <code>{_e(command)}</code></p>",
            *(f'<p class="note">{_e(s)}</p>' for s in filter(None, [words.stopped(meta)])),
            f'<p class="note">{_e(words.EMULATED if meta["emulated"] else words.HARDWARE)}</p>',
            "<h2>In short</h2>", *(_standing(*suite, policies) for suite in suites), _STANDING,
            "<h2>How to read it</h2><ul>", *(f"<li>{_e(s)}</li>" for s in words.reading(results)),
            f"<li>{_PLOTS}</li></ul>", _glossary(results), "<h2>Contents</h2>", _contents(suites), _key(policies)]
    for suite, cases in suites:
        body.append(f'<h2 id="{_id(suite)}">{_e(suite[0].upper() + suite[1:])}</h2>')
        if suite in words.SUITES:
            body.append(f"<p>{words.SUITES[suite]}</p>")
        for case in cases:
            body += _case(case, policies)
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            f"<title>pvsched benchmark, {_e(meta['date'])}</title><style>{_STYLE}</style></head>\n<body>\n"
            + "\n".join(body).replace("<br>", "<br/>") + "\n</body></html>\n")


def _e(text):
    return html.escape(str(text))


def _id(*names):
    return _e("/".join(names).replace(" ", "-"))


def _glossary(results):
    items = "".join(f"<dt>{_e(word)}</dt><dd>{_e(text)}</dd>" for word, text in words.glossary(results))
    return f"<h2>Terms</h2><dl>{items}</dl>" if items else ""


def _standing(suite, cases, policies):
    """Each actuator compared with each policy that is not pvsched's."""
    measured = {p for case in cases for row in case.rows for p in row.rounds}
    others = [p for p in policies if p not in OWN and p in measured]
    own = [p for p in policies if p in OWN and p in measured]
    if not own or not others:
        return ""
    heads = "".join(f"<th>vs. {_e(policies[p])}</th>" for p in others)
    rows = [f'<tr><th><a href="#{_id(suite)}">{_e(suite)}</a></th>{heads}</tr>']
    for policy in own:
        cells = [stats.standing(cases, policy, other) for other in others]
        rows.append(f"<tr><td>{_e(policies[policy])}</td>" + "".join(
            f"<td>{better} better, {worse} worse<small>of {of} figures</small></td>" if of else "<td>-</td>"
            for of, better, worse in cells) + "</tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _contents(suites):
    items = []
    for suite, cases in suites:
        links = "; ".join(f'<a href="#{_id(suite, c.name)}">{_e(c.name)}</a>' for c in cases)
        items.append(f'<li><a href="#{_id(suite)}">{_e(suite)}</a>: {links}</li>')
    return f"<ul>{''.join(items)}</ul>"


def _key(policies):
    """The legend of all plots, which stays at the top of the window."""
    paint = figures.paints(policies)
    return '<div id="key">' + "".join(
        f'<span><svg width="30" height="10"><path d="M0 5H30" class="curve {paint[p]}"/></svg>{_e(title)}</span>'
        for p, title in policies.items()) + "</div>"


def _case(case, policies):
    parts = [f'<h3 id="{_id(case.suite, case.name)}">{_e(case.name)}</h3>']
    if case.rows:
        parts.append(_table(case, policies))
    parts += [f"<p>{_e(s)}</p>" for s in words.missing(case, policies) + words.again(case, policies)]
    beaten = words.not_best(case, policies)
    if beaten:
        parts.append(f"<p>pvsched is not best in:</p><ul>{''.join(f'<li>{_e(s)}</li>' for s in beaten)}</ul>")
    if case.curves:
        parts += ['<div class="figures">', *(f"<figure>{figures.curves(side, histograms, policies)}</figure>"
                                             for side, histograms in case.curves.items()), "</div>"]
    boxes = "".join(figures.boxes(row, policies) for row in case.rows)
    if boxes:
        parts.append(f'<details><summary>The rounds as box plots</summary><div class="figures">{boxes}</div></details>')
    return parts


def _table(case, policies):
    shown = [p for p in policies if stats.measured(case, p) or p in case.missing]
    heads = "".join(f"<th>{_e(policies[p])}</th>" for p in shown)
    rows = "".join(
        f"<tr><td>{_e(row.metric)}<small>{_e(words.unit(row))}</small></td>"
        + "".join(_cell(case, row, p) for p in shown) + "</tr>" for row in case.rows)
    return f'<div class="wide"><table><thead><tr><th>Metric</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(case, row, policy):
    raw, estimate = row.raw(policy), row.estimate(policy)
    if estimate is None:
        return f'<td title="{_e("; ".join(case.missing.get(policy, ())))}">-</td>'
    style = ' class="best"' if policy in stats.winners(row) else ""
    if not row.relative or policy == row.base:
        shown = words.detail(raw, words.number, stats.most_rounds(case))
        return f"<td{style}>{words.number(raw.median)}{f'<small>({shown})</small>' if shown else ''}</td>"
    shown = words.detail(estimate, words.ratio, stats.most_rounds(case))
    return (f"<td{style}>{words.ratio(estimate.median)}{f'<small>({shown})</small>' if shown else ''}"
            f"<small>{_e(words.amount(raw.median, row))}</small></td>")
