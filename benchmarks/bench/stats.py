# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""From samples to statistics: ratios within a round, medians, intervals."""

import dataclasses
import functools
import math
import statistics

from bench.results import OWN

_CONFIDENCE = 0.95  # at least, where the rounds are enough
_ENOUGH = 5  # rounds: with fewer, chance too often puts all of them on one side


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A median and its confidence interval, whose ends are two of the values."""

    median: float
    low: float
    high: float
    values: tuple  # of the rounds

    @property
    def above_one(self):
        """Whether a ratio is clearly more than 1."""
        return self.low > 1 and len(self.values) >= _ENOUGH

    @property
    def includes_one(self):
        """Whether the interval of a ratio includes 1: no clear difference."""
        return self.low <= 1 <= self.high

    @classmethod
    def of(cls, values):
        values = tuple(values)
        ordered, rank = sorted(values), _rank(len(values))
        return cls(statistics.median(ordered), ordered[rank - 1], ordered[-rank], values)


@functools.cache
def _rank(n):
    """The largest rank from the extremes at which the interval still has the confidence; 1: the extremes."""
    return max((k for k in range(1, (n + 1) // 2 + 1) if _holds(n, k) >= _CONFIDENCE), default=1)


def _holds(n, rank):
    """The probability that the true median lies between the rank-th lowest and highest of n values."""
    return 1 - 2 * sum(math.comb(n, below) for below in range(rank)) / 2 ** n


def confidence(n):
    """The exact confidence of the interval with n rounds, for any distribution."""
    return _holds(n, _rank(n))


class Row:
    """One metric in one case, under each policy."""

    def __init__(self, suite, case, metric, unit, better, base):
        self.suite, self.case, self.metric = suite, case, metric
        self.unit, self.better, self.base = unit, better, base
        self.rounds = {}  # policy -> round -> value

    @functools.cached_property
    def relative(self):  # for complete rows only
        """Whether the base was measured, so that ratios are compared; if not, values are compared."""
        values = [v for rounds in self.rounds.values() for v in rounds.values()]
        return min(values) >= 0 and any(self.rounds.get(self.base, {}).values())

    def raw(self, policy):
        rounds = self.rounds.get(policy)
        return Estimate.of(rounds.values()) if rounds else None

    def ratio(self, policy, to):
        """The ratio of one policy to another, in the rounds that have both; None without such rounds."""
        mine, other = self.rounds.get(policy, {}), self.rounds.get(to, {})
        ratios = [mine[n] / other[n] for n in mine if other.get(n)]
        return Estimate.of(ratios) if ratios else None

    def estimate(self, policy):
        """The compared figure: the ratio to the base, or the value; None if not measured."""
        return self.ratio(policy, self.base) if self.relative else self.raw(policy)

    def compared(self, policy):
        """The compared figure of each round: round -> value."""
        mine, base = self.rounds.get(policy, {}), self.rounds.get(self.base, {})
        return {n: v / base[n] for n, v in mine.items() if base.get(n)} if self.relative else dict(mine)

    def best(self, among):
        """The policy with the best median; None if no policy was measured or no direction is better."""
        measured = {p: e.median for p in among if (e := self.estimate(p))}
        if not measured or self.better == "neither":
            return None
        return (min if self.better == "lower" else max)(measured, key=measured.get)

    def lead(self, policy, over):
        """How many times better one policy is than another, within rounds; None without a ratio."""
        if min(v for rounds in self.rounds.values() for v in rounds.values()) < 0:
            return None
        return self.ratio(over, policy) if self.better == "lower" else self.ratio(policy, over)


@dataclasses.dataclass
class Case:
    suite: str
    name: str
    rows: list
    missing: dict  # policy -> reasons, possibly for some rounds only
    curves: dict  # side -> policy -> histogram
    again: dict = dataclasses.field(default_factory=dict)  # policy -> the reason of each retry


def cases(results):
    """All cases in the order of their measurement, suite by suite."""
    base = next(iter(results["policies"]))
    found, rows = {}, {}

    def case(entry):
        key = entry["suite"], entry["case"]
        return found.setdefault(key, Case(*key, rows=[], missing={}, curves={}))

    for s in results["samples"]:
        key = s["suite"], s["case"], s["metric"]
        if key not in rows:
            rows[key] = Row(*key, s["unit"], s["better"], base)
            case(s).rows.append(rows[key])
        rows[key].rounds.setdefault(s["policy"], {})[s["round"]] = s["value"]
    for curve in results["curves"]:
        case(curve).curves.setdefault(curve["side"], {})[curve["policy"]] = curve["histogram"]
    for missing in results["missing"]:
        case(missing).missing.setdefault(missing["policy"], []).append(missing["why"])
    for again in results.get("again", ()):
        case(again).again.setdefault(again["policy"], []).append(again["why"])
    suites = list(dict.fromkeys(c.suite for c in found.values()))
    return sorted(found.values(), key=lambda c: suites.index(c.suite))


def most_rounds(case):
    """The rounds of the policy that has the most."""
    return max((len(rounds) for row in case.rows for rounds in row.rounds.values()), default=0)


def measured(case, policy):
    return any(policy in row.rounds for row in case.rows)


def winners(row):
    """The best policy and those not clearly worse; none if that is every policy, or with few rounds."""
    measured = {p: e for p in row.rounds if (e := row.estimate(p))}
    best = row.best(measured)
    if best is None or len(measured[best].values) < _ENOUGH:
        return set()
    equals = {p for p, e in measured.items() if len(e.values) >= _ENOUGH and not _clearly_worse(row, p, best)}
    return equals if len(equals) < len(measured) else set()


def _clearly_worse(row, policy, best):
    lead = row.lead(best, policy)
    if lead is None:  # without a ratio
        return row.estimate(policy).median != row.estimate(best).median
    return lead.above_one


def beaten(row):
    """(the better policy, pvsched's best, the lead) if pvsched is not best in a row; if it is, None."""
    own, other = row.best(OWN), row.best([p for p in row.rounds if p not in OWN])
    if own is None or other is None or row.estimate(own).median == row.estimate(other).median:
        return None
    return (other, own, row.lead(other, own)) if row.best([own, other]) == other else None


def standing(cases, policy, other):
    """(number of rows, rows in which `policy` is clearly better than `other`, rows in which it is clearly worse)."""
    leads = [(row.lead(policy, other), row.lead(other, policy)) for case in cases for row in case.rows
             if row.better != "neither"]
    leads = [pair for pair in leads if all(pair)]
    return len(leads), sum(mine.above_one for mine, _ in leads), sum(its.above_one for _, its in leads)
