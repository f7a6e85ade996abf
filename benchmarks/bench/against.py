# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Has pvsched become worse since an older results.json?

Hundreds of figures are compared, so some look worse by chance. Two measures separate
chance from a regression, both computed from the two files:
  - spread: the variance of a figure's rounds, in both runs;
  - drift: the change between the runs of the same figure under policies that are not
    pvsched, whose code did not change.
A figure is worse if its change exceeds the threshold by more than spread and drift
explain. The false discovery rate (Benjamini and Hochberg) is controlled for each suite,
so a suite with few figures keeps its power.
The costs of pvsched's BPF programs are also judged as one figure: each program has few
rounds and mostly one policy, so no program alone would be significant.
"""

import collections
import dataclasses
import math
import statistics

from bench import native, stats
from bench.results import OWN

THRESHOLD = 0.10
_FALSE_DISCOVERIES = 0.05
# Two runs of the same code differ by some per cent beyond the spread within each run (memory
# layout, other work of the machine). Some figures have no other policy that would show it.
_LEAST_DRIFT = 0.05
_MEDIAN = math.pi / 2  # ratio of the variances of a median and a mean
_DIMENSIONLESS = ("1", "ratio", "x", "%")
_NEVER = 100  # factor from which on a regression counts as undetectable
_PROGRAMS = "program "  # prefix of the metrics of BPF programs
_OWN_PLACE = ("machine", "own_kernel")
_SAME_PLACE = (*_OWN_PLACE, "emulated", "host_kernel")


@dataclasses.dataclass(frozen=True)
class Finding:
    """A figure that became worse, or that can no longer be measured."""

    suite: str
    case: str
    policy: str
    metric: str  # empty: the policy was not measured at all
    text: str  # one sentence


@dataclasses.dataclass
class _Change:
    """The change of one figure of one policy: in one case, or the mean over several."""

    rows: list
    policy: str
    worse: float  # natural logarithm of how many times as bad it is
    variance: float  # of `worse`, by the rounds' spread
    old: float
    new: float
    logs: tuple = ()  # of the two runs: round -> logarithm
    freedom: int = 0
    drift: float = 0.0  # variance

    @property
    def case(self):
        cases, metrics = len({r.case for r in self.rows}), len({r.metric for r in self.rows})
        if len(self.rows) == 1:
            return self.rows[0].case
        return f"mean of {metrics} programs" if metrics > 1 else f"mean of {cases} cases"

    @property
    def metric(self):
        return self.rows[0].metric if len({r.metric for r in self.rows}) == 1 else "what a program costs"

    @property
    def error(self):
        return math.sqrt(self.variance + self.drift)

    def chance(self, margin):
        """The probability of this excess over `margin` if the figure is not worse.

        Student's distribution, by Abramowitz and Stegun, 26.7.8.
        """
        t = (self.worse - margin) / self.error
        z = t * (1 - 1 / (4 * self.freedom)) / math.sqrt(1 + t * t / (2 * self.freedom))
        return 1 - statistics.NormalDist().cdf(z)


def compare(new, old, threshold=THRESHOLD):
    """Findings, the most significant first; empty if no figure is worse."""
    suites = _by_suite(_changes(new, old))
    margin = math.log(1 + threshold)
    found = [c for changes in suites.values() for c in _sure(changes, margin, _FALSE_DISCOVERIES / len(suites))]
    return [*_lost(new, old), *(_finding(c, new) for c in sorted(found, key=lambda c: c.chance(margin)))]


def _by_suite(changes):
    """The changes of pvsched's policies, by suite."""
    suites = collections.defaultdict(list)
    for change in changes:
        if change.policy in OWN:
            suites[change.rows[0].suite].append(change)
    return suites


def _sure(changes, margin, rate):
    """The changes that exceed `margin`, by Benjamini and Hochberg's procedure."""
    ordered = sorted(changes, key=lambda c: c.chance(margin))
    sure = 0
    for rank, change in enumerate(ordered, 1):
        if change.chance(margin) <= rate * rank / len(ordered):
            sure = rank
    return ordered[:sure]


def _would_show(suites, margin):
    """A sentence for each suite: the smallest regression that would be found if it were the only one."""
    for suite, changes in suites.items():
        rate = _FALSE_DISCOVERIES / len(suites) / len(changes)
        needed = sorted(((math.exp(_needed(c, margin, rate)), c) for c in changes), key=lambda pair: pair[0])
        (least, surest), (half, _) = needed[0], needed[len(needed) // 2]
        if least > _NEVER:
            yield f"{suite}: a regression of one figure alone would not be found: there are too few rounds"
            continue
        yield (f"{suite}: a regression of one figure alone would be found from a factor of {least:.2f} "
               f"({surest.metric}, {surest.case}), for half of the figures "
               + (f"from {half:.2f}" if half <= _NEVER else "never"))


def _needed(change, margin, rate):
    low, high = 0.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        sure = dataclasses.replace(change, worse=middle).chance(margin) <= rate
        low, high = (low, middle) if sure else (middle, high)
    return high


def report(new, old, path, threshold=THRESHOLD):
    """(the report, the exit status)."""
    findings = compare(new, old, threshold)
    suites = _by_suite(_changes(new, old))
    compared = {(row.suite, row.case, c.policy, row.metric) for changes in suites.values() for c in changes
                for row in c.rows}
    lines = [f"compared with {path} of {old['meta']['date']} (commit {old['meta']['commit']}): "
             f"{len(compared)} of pvsched's figures are in both"]
    lines += _not_compared(new, old, compared)
    if seconds := _other_seconds(new, old):
        lines.append(seconds)
    if differing := _differing(new, old):
        lines.append(f"the runs differ in {', '.join(differing)}: "
                     "figures without a base that depend on this are left out")
    lines += [f"  {'worse' if f.metric else 'lost'}: {f.text}" for f in findings]
    if not compared:
        lines.append("no figure can be compared: run the same suites with at least two rounds in one of the runs")
        return "\n".join(lines), 1
    if not findings:
        lines.append(f"no figure is worse by more than {threshold:.0%} and by more than chance explains")
    lines += [f"  {s}" for s in _would_show(suites, math.log(1 + threshold))]
    return "\n".join(lines), 1 if findings else 0


def _other_seconds(new, old):
    """A warning if the measured times differ: a longer measurement has higher maxima."""
    now, then = (run["meta"].get("seconds") for run in (new, old))
    if now == then or not all("latency" in {s["suite"] for s in run["samples"]} for run in (new, old)):
        return ""
    new_time, old_time = (f"{s} s" if s else "an unknown time" for s in (now, then))
    return f"a latency measurement took {new_time}, and {old_time} in the older run: maxima differ by that alone"


def _differing(new, old):
    return [k for k in _SAME_PLACE if new["meta"].get(k) != old["meta"].get(k)]


def _changes(new, old):
    """The changes of all comparable figures of both runs, except those of the base."""
    differing = _differing(new, old)
    before = {(r.suite, r.case, r.metric): r for c in stats.cases(old) for r in c.rows}
    groups = collections.defaultdict(list)
    for case in stats.cases(new):
        for row in case.rows:
            was = before.get((row.suite, row.case, row.metric))
            if was is None or row.better == "neither" or (was.unit, was.better) != (row.unit, row.better):
                continue
            place = _OWN_PLACE if native.has(row.suite, row.case) else _SAME_PLACE
            elsewhere = any(k in differing for k in place)
            if row.relative != was.relative or (elsewhere and not row.relative and row.unit not in _DIMENSIONLESS):
                continue
            for policy in row.rounds:
                runs = was.compared(policy), row.compared(policy)
                if policy != row.base and all(run and min(run.values()) > 0 for run in runs):
                    groups[row.suite, _kind(row)].append((row, policy, runs))
    return [c for group in groups.values() for c in _judged(group)]


def _kind(row):
    """The group in which a row is judged: its metric, or all BPF programs."""
    return _PROGRAMS if row.metric.startswith(_PROGRAMS) else row.metric


def _judged(group):
    """The changes of one metric, for each case and over all cases; empty with too few rounds."""
    logs = [[{n: math.log(v) for n, v in run.items()} for run in runs] for *_, runs in group]
    scatters = [_scatter([run.values() for run in runs]) for runs in logs]
    freedom = sum(f for _, f in scatters)
    if freedom < 2:
        return []
    pooled = sum(squares for squares, _ in scatters) / freedom
    by_case, by_policy = [], collections.defaultdict(list)
    for (row, policy, runs), of_runs, (squares, own_freedom) in zip(group, logs, scatters):
        old, new = (statistics.median(run.values()) for run in runs)
        worse = math.log(new / old) * (1 if row.better == "lower" else -1)
        weight = _MEDIAN * sum(1 / len(run) for run in runs)
        # A case that is noisier than the others has its own spread.
        spread = max(pooled, squares / own_freedom if own_freedom else 0)
        by_case.append(_Change([row], policy, worse, spread * weight, old, new, of_runs, freedom))
        by_policy[policy].append(by_case[-1])
    several = [changes for changes in by_policy.values() if len(changes) > 1]
    overall = _averages(several) if _kind(group[0][0]) == _PROGRAMS else [_mean(c, freedom) for c in several]
    for changes in by_case, overall:
        # The squared change of the other policies, less the part that their spread explains.
        moved = [c.worse ** 2 - c.variance for c in changes if c.policy not in OWN]
        drift = max(_LEAST_DRIFT ** 2, statistics.fmean(moved) if moved else 0)
        for change in changes:
            change.drift = drift
    return by_case + overall


def _scatter(runs):
    """(sum of squares, degrees of freedom) of the rounds' logarithms around the mean of their run."""
    runs = [list(run) for run in runs]
    return (sum((v - statistics.fmean(run)) ** 2 for run in runs for v in run),
            sum(len(run) - 1 for run in runs))


def _mean(changes, freedom):
    """The mean over cases. Cases are measured one after another, so they are independent."""
    mean = statistics.fmean(c.worse for c in changes)
    return _Change([r for c in changes for r in c.rows], changes[0].policy, mean,
                   sum(c.variance for c in changes) / len(changes) ** 2,
                   statistics.geometric_mean(c.old for c in changes),
                   statistics.geometric_mean(c.new for c in changes), freedom=freedom)


def _averages(several):
    """The mean over the programs of each policy. All programs are measured at the same time, so
    a slow round slows all of them: the spread is that of the rounds' averages."""
    means = [_mean(changes, 0) for changes in several]
    runs = [[_deviations([c.logs[which] for c in changes]) for which in (0, 1)] for changes in several]
    scatters = [_scatter(of_policy) for of_policy in runs]
    freedom = sum(f for _, f in scatters)
    if not freedom:
        return []
    pooled = sum(squares for squares, _ in scatters) / freedom
    for mean, changes, of_policy, (squares, own_freedom) in zip(means, several, runs, scatters):
        # Over several programs, means are as robust as medians and vary less.
        mean.worse = statistics.fmean(statistics.fmean(c.logs[1].values()) - statistics.fmean(c.logs[0].values())
                                      for c in changes)
        mean.variance = (max(pooled, squares / own_freedom if own_freedom else 0)
                         * sum(1 / len(run) for run in of_policy))
        mean.freedom = freedom
    return means


def _deviations(logs):
    """The deviation of each round from the mean of its run, averaged over programs."""
    rounds = collections.defaultdict(list)
    for run in logs:
        mean = statistics.fmean(run.values())
        for n, v in run.items():
            rounds[n].append(v - mean)
    return [statistics.fmean(of_round) for of_round in rounds.values()]


def _finding(change, new):
    row = change.rows[0]
    factor, error = math.exp(change.worse), 1.96 * change.error
    of = f"of {new['policies'][row.base]}'s" if row.relative else row.unit
    return Finding(row.suite, change.case, change.policy, change.metric,
                   f"{row.suite}, {change.case}: {change.metric} of {new['policies'][change.policy]} is {factor:.2f} "
                   f"times as bad as before ({factor * math.exp(-error):.2f} .. {factor * math.exp(error):.2f}): "
                   f"{change.old:.3g} before, {change.new:.3g} now, {of}")


def _lost(new, old):
    """Findings for what was measured before, and now is not, or in a smaller share of the rounds."""
    had, has = _shares(old), _shares(new)
    for case in stats.cases(new):
        for policy, why in case.missing.items():
            key = case.suite, case.name, policy
            then, now = had.get(key), has.get(key, (0, 0))
            if policy not in OWN or then is None or now[0] and now[0] * then[1] >= then[0] * now[1]:
                continue
            how = (f"was measured in only {now[0]} of {now[1]} rounds, and in {then[0]} of {then[1]} before" if now[0]
                   else "can no longer be measured")
            yield Finding(case.suite, case.name, policy, "",
                          f"{case.suite}, {case.name}: {new['policies'][policy]} {how}: {'; '.join(why)}")


def _shares(run):
    """(suite, case, policy) -> (number of its rounds, number of rounds of the case)."""
    rounds, of_case = collections.defaultdict(set), collections.defaultdict(set)
    for s in run["samples"]:
        rounds[s["suite"], s["case"], s["policy"]].add(s["round"])
        of_case[s["suite"], s["case"]].add(s["round"])
    return {key: (len(found), len(of_case[key[:2]])) for key, found in rounds.items()}


def _not_compared(new, old, compared):
    """A sentence about pvsched's figures that were not compared, or none."""
    then, now = (_figures(run) for run in (old, new))
    counts = [(len(then - now), "are in the older run only"), (len(now - then), "are in this run only"),
              (len((then & now) - compared), "are of another machine or unit, or have too few rounds")]
    reasons = [f"{n} {why}" for n, why in counts if n]
    return [f"not compared: {'; '.join(reasons)}"] if reasons else []


def _figures(run):
    return {(s["suite"], s["case"], s["policy"], s["metric"]) for s in run["samples"]
            if s["policy"] in OWN and s["better"] != "neither"}
