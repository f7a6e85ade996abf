# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""docs/performance.md: one run of one commit, as answers to questions, with promises kept or missed."""

import dataclasses

from bench import promises, results as results_file, stats, words
from bench.policies import POLICIES
from settings import BENCHMARKS, CHECKOUT, LabError

PAGE = CHECKOUT / "docs" / "performance.md"
RESULTS = BENCHMARKS / "results"
KEPT, MISSED, NOT_MEASURED = "kept", "MISSED", "not measured"
_LARGER = {"ns": ("us", 1000), "us": ("ms", 1000), "ms": ("s", 1000)}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One promise of one question, with what was measured."""

    question: promises.Question
    promise: promises.Promise
    title: str  # of the policy
    peer: str  # its title
    value: float = 0
    peer_value: float = 0
    ratio: stats.Estimate = None  # None: not measured
    unit: str = ""
    better: str = "lower"

    @property
    def state(self):
        """"" where nothing is promised."""
        if not self.promise.limit:
            return ""
        if not self.ratio:
            return NOT_MEASURED
        kept = (self.ratio.median <= self.promise.limit if self.better == "lower"
                else self.ratio.median >= self.promise.limit)
        return KEPT if kept else MISSED

    @property
    def limit(self):
        return f"{'>=' if self.better == 'higher' else '<='} {words.ratio(self.promise.limit)}"

    def answer(self):
        if not self.ratio:
            return f"{self.title} was not measured in this run."
        values = self.promise.answer.format(value=quantity(self.value, self.unit), peer=self.peer,
                                            peer_value=quantity(self.peer_value, self.unit))
        return f"{values} {self._compared()}"

    def _compared(self):
        """The ratio, apart from the values: the median of ratios is not the ratio of the medians."""
        unclear = ", no clear difference" if self.ratio.includes_one else ""
        return f"Median ratio of the rounds: {words.ratio(self.ratio.median)}{unclear}."


def quantity(value, unit):
    """With the unit that leaves fewer than four digits before the point."""
    while value >= 1000 and unit in _LARGER:
        unit, factor = _LARGER[unit]
        value /= factor
    return words.number(value) if unit in ("", "1") else f"{words.number(value)} {unit}"


def verdicts(results):
    rows = {(row.suite, row.case, row.metric): row for case in stats.cases(results) for row in case.rows}
    return [_verdict(results["policies"], rows, question, promise)
            for question in promises.QUESTIONS for promise in question.promises]


def _verdict(titles, rows, question, promise):
    title = titles.get(promise.policy) or POLICIES[promise.policy].title
    peer = question.peer_title or question.peer_case or titles.get(question.peer) or POLICIES[question.peer].title
    row = rows.get((question.suite, question.case, question.metric))
    peer_row = rows.get((question.suite, question.peer_case, question.metric)) if question.peer_case else row
    unmeasured = Verdict(question, promise, title, peer, better=row.better if row else "lower")
    if not row or not peer_row:
        return unmeasured
    peer_policy = promise.policy if question.peer_case else question.peer
    mine, other = row.rounds.get(promise.policy, {}), peer_row.rounds.get(peer_policy, {})
    ratios = [mine[n] / other[n] for n in mine if other.get(n)]
    if not ratios:
        return unmeasured
    return Verdict(question, promise, title, peer, row.raw(promise.policy).median, peer_row.raw(peer_policy).median,
                   stats.Estimate.of(ratios), row.unit, row.better)


def page(results, source):
    """The whole page; `source`: the file of the results, as the page names it."""
    found = verdicts(results)
    lines = ["# Performance", "", *_head(results["meta"], source), "", *_legend(), "",
             _line(["Question", "Answer", "Measured", "Peer", "Median ratio of the rounds", "Promise", "Command"]),
             _line(["---"] * 7)]
    for question in promises.QUESTIONS:
        lines.append(_row(question, [v for v in found if v.question is question], results["meta"]))
    return "\n".join([*lines, "", summary(found), ""])


def _head(meta, source):
    own = f", kernel {meta['own_kernel']}" if "own_kernel" in meta else ""
    timed = f", latency for {meta['seconds']} s in each" if meta.get("seconds") else ""
    qemu = f"QEMU {meta.get('qemu') or '(its version was not recorded)'}"
    command = f", by `{meta['command']}`" if meta.get("command") else ""
    return [
        f"`./lab bench --page docs/performance.md` generates this page from [{source}](../{source}): do not edit it.",
        *([words.stopped(meta)] if meta.get("trouble") else []),
        "",
        f"- Machine: {meta['machine']}{own}.",
        f"- Host under test: kernel {meta['host_kernel']}, {qemu}, "
        f"{'emulated, with its guests within the emulation' if meta['emulated'] else 'on hardware virtualisation'}.",
        f"- Run: {meta['date']}, commit {meta['commit']}, {meta['rounds']} rounds{timed}{command}.",
        *(["- Emulation multiplies the time of exits and wake-ups: "
           "absolute values are for orientation, ratios count."] if meta["emulated"] else []),
    ]


def _legend():
    return [
        "Values are medians of the rounds.",
        "A ratio divides two values of the same round; shown is the median ratio of the rounds, "
        "and in brackets their minimum and maximum "
        "(from nine rounds on: a 95 % interval of the median by order statistics).",
        "So it differs from the ratio of the two medians shown.",
        "Where the brackets include 1 there is no clear difference.",
        "\"n = 3\" marks a ratio of fewer rounds than the run has.",
        "A promise limits the median ratio, and [promises.py](../benchmarks/bench/promises.py) declares it.",
        "Two runs of the same code differ by up to a third on an emulated host.",
        "[Benchmarks](explanation/benchmarks.md) explains the method.",
    ]


def _row(question, found, meta):
    answers = " ".join(v.answer() for v in found if v.promise.answer)
    peers = dict.fromkeys(f"{v.peer}: {quantity(v.peer_value, v.unit)}" for v in found if v.ratio)
    return _line([
        question.text, answers,
        _lines(f"{v.promise.policy}: {quantity(v.value, v.unit) if v.ratio else '-'}" for v in found),
        _lines(peers) or "-",
        _lines(f"{words.ratio(v.ratio.median)} ({_spread(v.ratio, meta)})" if v.ratio else "-" for v in found),
        _lines(_shown(v) for v in found), f"`{question.command}`"])


def _spread(ratio, meta):
    few = f"; n = {len(ratio.values)}" if len(ratio.values) < meta["rounds"] else ""
    return f"{words.ratio(ratio.low)} .. {words.ratio(ratio.high)}{few}"


def _shown(verdict):
    if not verdict.state:
        return "-"
    state = f"🔴 **{MISSED}**" if verdict.state == MISSED else verdict.state
    return f"{verdict.limit}: {state}"


def _lines(cells):
    return "<br>".join(cells)


def _line(cells):
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def summary(found):
    states = [v.state for v in found if v.state]
    counts = ", ".join(f"{states.count(s)} {s.lower()}" for s in (KEPT, MISSED, NOT_MEASURED))
    return f"{len(states)} promises: {counts}."


def judge(results, red=False):
    """(what to print, exit status): 1 if a promise is missed or was not measured."""
    found = verdicts(results)
    lines = []
    for v in found:
        if not v.state:
            continue
        shown = f"median ratio of the rounds to {v.peer} {words.ratio(v.ratio.median)}" if v.ratio else "no ratio"
        state = f"\033[31m{v.state}\033[0m" if red and v.state != KEPT else v.state
        lines.append(f"  {state}: {v.question.text} {v.title}: {shown}, promised {v.limit}")
    return "\n".join([summary(found), *lines]), 0 if all(v.state in ("", KEPT) for v in found) else 1


def newest():
    """The file of the last run in benchmarks/results, by what the runs say of themselves."""
    files = sorted(RESULTS.glob("*.json"))
    if not files:
        raise LabError(f"{RESULTS} holds no results: run ./lab bench --preset page --publish")
    metas = {file: results_file.load(file)["meta"] for file in files}
    return max(files, key=lambda f: (metas[f]["date"], metas[f].get("time", "")))


def write(target, source=None):
    """Writes the page from `source`, or from the newest results; returns the results."""
    source = (source or newest()).resolve()
    measured = results_file.load(source)
    try:
        named = str(source.relative_to(CHECKOUT))
    except ValueError:
        named = source.name
    target.write_text(page(measured, named))
    return measured


def publish(results):
    """Keeps a run's results under benchmarks/results and writes the page from them; returns the file."""
    meta = results["meta"]
    file = RESULTS / f"{meta['date']}-{meta['commit']}.json"
    RESULTS.mkdir(exist_ok=True)
    results_file.save(results, file)
    write(PAGE, file)
    return file
