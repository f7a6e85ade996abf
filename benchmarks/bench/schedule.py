# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The order of all measurements, and how long they take."""

import dataclasses
import math
import random

from bench import suites

_BUDGET_S = 2 * 3600  # for a whole run on a machine with two cores
_RESERVE = 0.15  # share of the budget for emulated hosts that die
_BOOT_S = 30
_SECONDS = (5, 20)  # shortest and longest measurement


@dataclasses.dataclass(frozen=True)
class Block:
    """All policies of one case in one round. They share one boot of the host, so they can be compared."""

    round: int
    case: suites.Case
    order: tuple  # of policies

    def line(self):
        return " ".join([str(self.round), self.case.suite, self.case.name, *self.order])

    def without(self, dropped):
        """The block without dropped policies; `dropped` has (suite, case, policy)."""
        return dataclasses.replace(self, order=tuple(
            p for p in self.order if (self.case.suite, self.case.name, p) not in dropped))


def blocks(policies, cases, rounds, seed):
    """The plan, round by round. The order within a block depends on the seed and the block only."""
    plan = []
    for n in range(1, rounds + 1):
        for case in (c for c in cases if not c.rounds or n <= c.rounds):
            order = case.policies(policies)
            random.Random(f"{seed} {n} {case.suite} {case.name}").shuffle(order)
            if order:
                plan.append(Block(n, case, tuple(order)))
    return plan


def takes_s(plan, seconds, emulated):
    """The estimated time of all blocks."""
    return (_BOOT_S if plan else 0) + sum(
        b.case.setup_takes_s(emulated) + len(b.order) * b.case.takes_s(seconds, emulated) for b in plan)


def seconds_that_fit(plan, emulated, other_s):
    """The longest measurement with which the run stays within its budget, within limits."""
    timed = sum(len(b.order) for b in plan if b.case.timed)
    if not timed:
        return _SECONDS[1]
    left = _BUDGET_S * (1 - _RESERVE) - other_s - takes_s(plan, 0, emulated)
    return min(max(math.floor(left / timed), _SECONDS[0]), _SECONDS[1])
