# SPDX-License-Identifier: Apache-2.0
"""In which order things are measured, and how long that takes."""

import dataclasses
import math
import random

from bench import suites

_BUDGET_S = 2 * 3600  # of all there is, on a machine of two cores
_RESERVE = 0.15  # of it, for emulated hosts that die
_BOOT_S = 30
_SECONDS = (5, 20)  # least and most of a measurement


@dataclasses.dataclass(frozen=True)
class Block:
    """What is compared with each other: all policies of one case in one round, in one boot."""

    round: int
    case: suites.Case
    order: tuple  # of policies

    def line(self):
        return " ".join([str(self.round), self.case.suite, self.case.name, *self.order])

    def without(self, dropped):
        """Less the policies that are given up; `dropped` has (suite, case, policy)."""
        return dataclasses.replace(self, order=tuple(
            p for p in self.order if (self.case.suite, self.case.name, p) not in dropped))


def blocks(policies, cases, rounds, seed):
    """Round by round; a block's order depends on nothing but the seed and the block."""
    plan = []
    for n in range(1, rounds + 1):
        for case in cases:
            order = case.policies(policies)
            random.Random(f"{seed} {n} {case.suite} {case.name}").shuffle(order)
            if order:
                plan.append(Block(n, case, tuple(order)))
    return plan


def takes_s(plan, seconds, emulated):
    """What the blocks take in all."""
    return (_BOOT_S if plan else 0) + sum(
        b.case.setup_takes_s(emulated) + len(b.order) * b.case.takes_s(seconds, emulated) for b in plan)


def seconds_that_fit(plan, emulated, other_s):
    """The longest measurement with which all ends in time, within reason."""
    timed = sum(len(b.order) for b in plan if b.case.timed)
    if not timed:
        return _SECONDS[1]
    left = _BUDGET_S * (1 - _RESERVE) - other_s - takes_s(plan, 0, emulated)
    return min(max(math.floor(left / timed), _SECONDS[0]), _SECONDS[1])
