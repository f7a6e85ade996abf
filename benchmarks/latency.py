# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Latency distributions from cyclictest, and stress-ng's work."""

import json
import math
import re
import statistics

from settings import LabError

PERCENTILES = (("p50", 0.50), ("p99", 0.99), ("p99.9", 0.999))
FIGURES = tuple(name for name, _ in PERCENTILES) + ("max",)


class Distribution:
    """Counts of latencies in whole microseconds."""

    def __init__(self, counts, maximum):
        self.counts = dict(sorted(counts.items()))
        self.total = sum(self.counts.values())
        self.maximum = maximum

    @classmethod
    def from_cyclictest(cls, path):
        """The distribution of all threads together."""
        try:
            return merged([cls._of_thread(t) for t in json.loads(path.read_text())["thread"].values()])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabError(f"{path} is no result of cyclictest: {error}") from error

    @classmethod
    def _of_thread(cls, thread):
        counts = {int(us): n for us, n in thread["histogram"].items()}
        # Of cycles beyond the histogram, only their count and the maximum are known.
        beyond = thread["cycles"] - sum(counts.values())
        if beyond > 0:
            counts[thread["max"]] = counts.get(thread["max"], 0) + beyond
        if not counts:
            raise ValueError("it has no samples")
        return cls(counts, thread["max"])

    def average(self):
        return sum(us * n for us, n in self.counts.items()) / self.total

    def percentile(self, fraction):
        """The smallest latency that a share of `fraction` does not exceed."""
        wanted, seen = math.ceil(fraction * self.total), 0
        for us, n in self.counts.items():
            seen += n
            if seen >= wanted:
                return us
        return self.maximum

    def figures(self):
        return {**{name: self.percentile(f) for name, f in PERCENTILES}, "max": self.maximum}

    def bucketed(self, limit):
        """The counts in at most `limit` buckets of equal ratio; the key is a bucket's highest latency."""
        if len(self.counts) <= limit:
            return dict(self.counts)
        # limit - 1: the first and the last bucket can each be partly used.
        least, greatest = (math.log(max(us, 1)) for us in (min(self.counts), max(self.counts)))
        width = (greatest - least) / (limit - 1)
        buckets = {}
        for us, n in self.counts.items():
            at = int((math.log(max(us, 1)) - least) / width)
            buckets[at] = us, buckets.get(at, (0, 0))[1] + n
        return dict(buckets.values())

    def exceeding(self):
        """(latency, share of longer wake-ups), in ascending order: the curve of the plot."""
        left = self.total
        for us, n in self.counts.items():
            left -= n
            yield us, left / self.total


def merged(distributions):
    counts = {}
    for one in distributions:
        for us, n in one.counts.items():
            counts[us] = counts.get(us, 0) + n
    return Distribution(counts, max(d.maximum for d in distributions))


def median_figures(figures):
    """The median over rounds, for each figure."""
    return {name: statistics.median(f[name] for f in figures) for name in figures[0]}


def work_done(path):
    """stressor -> bogo-ops/s in real time, from stress-ng's --metrics."""
    rates = {}
    for line in path.read_text(errors="replace").splitlines():
        # stress-ng: metrc: [pid] NAME bogo-ops real usr sys bogo-ops/s(real) bogo-ops/s(cpu) ...
        found = re.match(r"stress-ng: metrc: \[\d+\] (\S+)\s+(\d+)\s+([\d.]+)\s+[\d.]+\s+[\d.]+\s+([\d.]+)", line)
        if found:
            rates[found[1]] = float(found[4])
    if not rates.keys() - {"vm"} or min(rates.values()) <= 0:
        raise LabError(f"{path} has no metrics of stress-ng")
    return rates


def work_figure(rates):
    """The geometric mean of the rates, without `vm`, whose steps are too coarse for a round."""
    return math.exp(statistics.fmean(math.log(r) for name, r in rates.items() if name != "vm"))
