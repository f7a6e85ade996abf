# SPDX-License-Identifier: Apache-2.0
"""From samples to what is said of them: ratios within a round, medians, intervals."""

import collections
import dataclasses
import functools
import math
import statistics

from bench.results import OWN

_CONFIDENCE = 0.95  # at least, where the rounds are enough
_ENOUGH = 5  # rounds: fewer agree by chance too often for an interval to mean much


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A median, and the interval of two of the values in which the true one is."""

    median: float
    low: float
    high: float
    values: tuple  # of the rounds

    @property
    def above_one(self):
        """Whether a ratio is clearly more than 1."""
        return self.low > 1 and len(self.values) >= _ENOUGH

    @classmethod
    def of(cls, values):
        values = tuple(values)
        ordered, rank = sorted(values), _rank(len(values))
        return cls(statistics.median(ordered), ordered[rank - 1], ordered[-rank], values)


@functools.cache
def _rank(n):
    """How far from the extremes the interval's ends may be, by rank, and still hold enough: 1 is the extremes."""
    return max((k for k in range(1, (n + 1) // 2 + 1) if _holds(n, k) >= _CONFIDENCE), default=1)


def _holds(n, rank):
    """The chance that the true median is between two of n values, by rank: as many as that lie on one side of it."""
    return 1 - 2 * sum(math.comb(n, below) for below in range(rank)) / 2 ** n


def confidence(n):
    """Of the interval, with n rounds: exactly; of whatever distribution they are."""
    return _holds(n, _rank(n))


class Row:
    """One metric in one case, under each policy."""

    def __init__(self, suite, case, metric, unit, better, base):
        self.suite, self.case, self.metric = suite, case, metric
        self.unit, self.better, self.base = unit, better, base
        self.rounds = {}  # policy -> round -> value

    @functools.cached_property
    def relative(self):  # asked only of rows that are complete
        """Whether there is a base to divide by; else the values themselves are compared."""
        values = [v for rounds in self.rounds.values() for v in rounds.values()]
        return min(values) >= 0 and any(self.rounds.get(self.base, {}).values())

    def raw(self, policy):
        rounds = self.rounds.get(policy)
        return Estimate.of(rounds.values()) if rounds else None

    def ratio(self, policy, to):
        """Of one policy to another, in the rounds that have both; None if there is none."""
        mine, other = self.rounds.get(policy, {}), self.rounds.get(to, {})
        ratios = [mine[n] / other[n] for n in mine if other.get(n)]
        return Estimate.of(ratios) if ratios else None

    def estimate(self, policy):
        """What is compared: the ratio to the base, or the value; None if not measured."""
        return self.ratio(policy, self.base) if self.relative else self.raw(policy)

    def compared(self, policy):
        """The same, round by round: round -> value."""
        mine, base = self.rounds.get(policy, {}), self.rounds.get(self.base, {})
        return {n: v / base[n] for n, v in mine.items() if base.get(n)} if self.relative else dict(mine)

    def best(self, among):
        """The policy with the best median; None where there is nothing to compare."""
        measured = {p: e.median for p in among if (e := self.estimate(p))}
        if not measured or self.better == "neither":
            return None
        return (min if self.better == "lower" else max)(measured, key=measured.get)

    def lead(self, policy, over):
        """How many times better one policy is than another, within rounds; None if that can't be said."""
        if min(v for rounds in self.rounds.values() for v in rounds.values()) < 0:
            return None
        return self.ratio(over, policy) if self.better == "lower" else self.ratio(policy, over)


@dataclasses.dataclass
class Case:
    suite: str
    name: str
    rows: list
    missing: dict  # policy -> why, sentences; it may be of some rounds only
    curves: dict  # side -> policy -> histogram
    again: dict = dataclasses.field(default_factory=dict)  # policy -> why it was tried again, each time


def cases(results):
    """All cases, in the order in which they were measured, suite by suite."""
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
    """That any policy was measured in."""
    return max((len(rounds) for row in case.rows for rounds in row.rounds.values()), default=0)


def measured(case, policy):
    return any(policy in row.rounds for row in case.rows)


def winners(row):
    """The best policy, and those that are not clearly worse; none where that is all of them, or rounds are few."""
    measured = {p: e for p in row.rounds if (e := row.estimate(p))}
    best = row.best(measured)
    if best is None or len(measured[best].values) < _ENOUGH:
        return set()
    equals = {p for p, e in measured.items() if len(e.values) >= _ENOUGH and not _clearly_worse(row, p, best)}
    return equals if len(equals) < len(measured) else set()


def _clearly_worse(row, policy, best):
    lead = row.lead(best, policy)
    if lead is None:  # no ratio can be formed
        return row.estimate(policy).median != row.estimate(best).median
    return lead.above_one


def beaten(row):
    """(the better policy, pvsched's best, the lead) where pvsched is not best in a row; else None."""
    own, other = row.best(OWN), row.best([p for p in row.rounds if p not in OWN])
    if own is None or other is None or row.estimate(own).median == row.estimate(other).median:
        return None
    return (other, own, row.lead(other, own)) if row.best([own, other]) == other else None


def standing(cases, policy, other):
    """(rows, those in which `policy` is clearly better than `other`, those in which it is clearly worse)."""
    leads = [(row.lead(policy, other), row.lead(other, policy)) for case in cases for row in case.rows
             if row.better != "neither"]
    leads = [pair for pair in leads if all(pair)]
    return len(leads), sum(mine.above_one for mine, _ in leads), sum(its.above_one for _, its in leads)
