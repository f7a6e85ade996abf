# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""summary.md: all tables of a run as Markdown."""

import itertools

from bench import stats, words


def summary(results, command):
    meta, policies = results["meta"], results["policies"]
    lines = [f"Measured by `{command}` on {words.place(meta)}.", *filter(None, [words.stopped(meta)]),
             words.EMULATED if meta["emulated"] else words.HARDWARE, "", *(f"- {s}" for s in words.reading(results)),
             *_list("Terms:", [f"**{word}**: {text}" for word, text in words.glossary(results)])]
    for suite, cases in itertools.groupby(stats.cases(results), key=lambda c: c.suite):
        lines += ["", f"### {suite[0].upper()}{suite[1:]}"]
        lines += ["", words.SUITES[suite]] if suite in words.SUITES else []
        for case in cases:
            lines += ["", f"#### {case.name}"]
            lines += ["", *_table(case, policies)] if case.rows else []
            lines += _list("", words.missing(case, policies) + words.again(case, policies))
            lines += _list("pvsched is not best in:", words.not_best(case, policies))
    return "\n".join(lines) + "\n"


def _table(case, policies):
    shown = [p for p in policies if stats.measured(case, p) or p in case.missing]
    return [_line(["", *(policies[p] for p in shown)]), _line(["---"] * (len(shown) + 1)),
            *(_line([f"{row.metric} ({words.unit(row)})", *(_cell(case, row, p) for p in shown)]) for row in case.rows)]


def _cell(case, row, policy):
    estimate = row.raw(policy) if policy == row.base else row.estimate(policy)
    if estimate is None:
        return "-"
    write = words.ratio if row.relative and policy != row.base else words.number
    shown = words.detail(estimate, write, stats.most_rounds(case))
    median = write(estimate.median)
    text = f"**{median}**" if policy in stats.winners(row) else median
    return f"{text} ({shown})" if shown else text


def _line(cells):
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"


def _list(title, sentences):
    if not sentences:
        return []
    return ["", *([title, ""] if title else []), *(f"- {s}" for s in sentences)]
