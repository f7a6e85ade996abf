# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

from bench import policies, schedule, suites
from settings import UsageError

_ALL = list(policies.POLICIES)


def _plan(wanted=("latency",), rounds=5, seed=1, names=None):
    return schedule.blocks(names or _ALL, suites.cases(wanted), rounds, seed)


class ChosenTest(unittest.TestCase):
    def test_base_is_always_first_and_no_name_means_all(self):
        self.assertEqual(policies.chosen(["rr", "scx"]), ["eevdf", "rr", "scx"])
        self.assertEqual(policies.chosen([]), _ALL)

    def test_unknown_policy_is_a_usage_error_with_the_known_names(self):
        with self.assertRaisesRegex(UsageError, "'fifo' is no policy: use one of eevdf, nice"):
            policies.chosen(["fifo"])


class BlocksTest(unittest.TestCase):
    def test_each_round_measures_all_policies_on_a_busy_host_and_some_elsewhere(self):
        plan = _plan(rounds=2)
        self.assertEqual([b.round for b in plan], [1] * 4 + [2] * 4)
        for block in plan:
            few = ["agent", "eevdf", "rr", "scx"]
            wanted = {"busy-1x1": sorted(policies.EVERYWHERE), "idle-1x1": sorted([*few, "kfunc", "scx_simple"])}
            self.assertEqual(sorted(block.order), wanted.get(block.case.name, few))

    def test_order_differs_between_blocks(self):
        orders = {b.order for b in _plan()}
        self.assertGreater(len(orders), 12)

    def test_order_depends_on_the_seed_only(self):
        self.assertEqual(_plan(), _plan())
        self.assertNotEqual(_plan(), _plan(seed=2))
        both = _plan(("latency", "boot"))
        self.assertEqual([b for b in both if b.case.suite == "latency"], _plan())

    def test_case_measures_only_policies_that_can_differ_in_it(self):
        plan = {b.case.name: set(b.order) for b in _plan(("overhead", "boot"), 1, names=["eevdf", "rr", "scx", "scx_simple"])}
        self.assertEqual(plan["guest-1x1"], {"eevdf", "scx"})
        self.assertEqual(plan["host"], {"eevdf", "scx", "scx_simple"})
        self.assertEqual(plan["huge-pages"], {"eevdf"})

    def test_case_with_nothing_to_compare_is_left_out(self):
        self.assertEqual(_plan(("overhead",), 1, names=["eevdf", "rr"]), [])

    def test_boot_without_boost_is_measured_on_a_busy_host_only(self):
        plan = _plan(suites.ALL, 1)
        self.assertEqual([b.case.name for b in plan if policies.NO_BOOST in b.order], ["busy"])

    def test_line_for_the_host_omits_policies_that_were_given_up(self):
        block = schedule.Block(2, suites.case("latency", "busy-1x4"), ("rr", "eevdf"))
        self.assertEqual(block.line(), "2 latency busy-1x4 rr eevdf")
        self.assertEqual(block.without({("latency", "busy-1x4", "rr")}).order, ("eevdf",))
        self.assertEqual(block.without({("latency", "busy-1x1", "rr")}), block)


class TimeTest(unittest.TestCase):
    def test_everything_in_five_rounds_fits_two_hours(self):
        plan = _plan(suites.ALL)
        seconds = schedule.seconds_that_fit(plan, True, 180)
        self.assertGreaterEqual(seconds, 5)
        self.assertLess(schedule.takes_s(plan, seconds, True) + 180, 7200)

    def test_few_policies_are_measured_longer_up_to_a_limit(self):
        self.assertEqual(schedule.seconds_that_fit(_plan(names=["eevdf", "rr"]), True, 0), 20)

    def test_many_rounds_are_never_measured_too_short(self):
        self.assertEqual(schedule.seconds_that_fit(_plan(rounds=50), True, 0), 5)


if __name__ == "__main__":
    unittest.main()
