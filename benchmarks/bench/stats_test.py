# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import random
import statistics
import unittest

from bench import stats, synthetic
from bench.synthetic import sample


def _row(better="lower", **values):
    """`values`: policy -> the values of its rounds."""
    samples = [sample(v, policy=p, n=n, better=better) for p, rounds in values.items()
               for n, v in enumerate(rounds, 1) if v is not None]
    return stats.cases(synthetic.results(samples))[0].rows[0]


class EstimateTest(unittest.TestCase):
    def test_interval_of_few_values_is_their_extremes(self):
        for values in ((3,), (4, 2), (5, 1, 2), (9, 8, 1, 2, 3)):
            e = stats.Estimate.of(values)
            self.assertEqual((e.median, e.low, e.high), (statistics.median(values), min(values), max(values)))

    def test_interval_of_more_values_has_95_percent_confidence(self):
        for n, rank in ((5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6)):
            e = stats.Estimate.of(random.Random(n).sample(range(1, n + 1), n))
            self.assertEqual((e.low, e.high), (rank, n + 1 - rank))

    def test_stated_confidence_matches_simulation(self):
        self.assertEqual([stats.confidence(n) for n in (1, 2, 3, 4, 5, 6, 7)],
                         [0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375])
        self.assertTrue(all(0.95 <= stats.confidence(n) < 1 for n in range(6, 60)))
        draw = random.Random(1)
        for n in (5, 7, 10):
            held = sum(e.low <= 0 <= e.high for e in (stats.Estimate.of([draw.gauss(0, 1) for _ in range(n)])
                                                      for _ in range(4000)))
            self.assertAlmostEqual(held / 4000, stats.confidence(n), delta=0.012)

    def test_difference_is_never_clear_with_fewer_than_five_rounds(self):
        self.assertFalse(stats.Estimate.of([2, 2, 2, 2]).above_one)
        self.assertTrue(stats.Estimate.of([2, 2, 2, 2, 2]).above_one)
        self.assertFalse(stats.Estimate.of([2, 2, 2, 2, 0.9]).above_one)


class RowTest(unittest.TestCase):
    def test_ratios_are_formed_within_a_round(self):
        # By medians it would be 20 / 100; by rounds it is a half each time.
        row = _row(eevdf=[10, 100, 1000], rr=[5, 50, 500])
        self.assertEqual(row.estimate("rr").values, (0.5, 0.5, 0.5))
        self.assertEqual(row.raw("rr").median, 50)

    def test_round_without_the_base_or_with_a_zero_base_has_no_ratio(self):
        row = _row(eevdf=[10, None, 0], rr=[5, 50, 500])
        self.assertEqual(row.estimate("rr").values, (0.5,))
        self.assertIsNone(row.estimate("scx"))

    def test_values_are_compared_without_a_base(self):
        for base in ({}, {"eevdf": [0, 0]}):
            row = _row(**base, scx=[5, 7], agent=[8, 8])
            self.assertFalse(row.relative)
            self.assertEqual((row.estimate("scx").median, row.best(["scx", "agent"])), (6, "scx"))

    def test_best_follows_the_better_direction(self):
        values = {"eevdf": [10] * 5, "rr": [5] * 5, "scx": [20] * 5}
        self.assertEqual(stats.winners(_row("lower", **values)), {"rr"})
        self.assertEqual(stats.winners(_row("higher", **values)), {"scx"})
        self.assertEqual(stats.winners(_row("neither", **values)), set())
        self.assertEqual(stats.winners(_row("lower", eevdf=[10] * 5)), set())

    def test_equal_policies_are_all_best_unless_all_are_equal(self):
        self.assertEqual(stats.winners(_row(eevdf=[10] * 5, rr=[5] * 5, scx=[5] * 5)), {"rr", "scx"})
        self.assertEqual(stats.winners(_row(eevdf=[5] * 5, rr=[5] * 5, scx=[5] * 5)), set())

    def test_policies_that_are_not_clearly_worse_are_best(self):
        row = _row(eevdf=[10] * 5, rr=[4] * 5, scx=[5, 5, 5, 5, 3], agent=[5] * 5)
        self.assertEqual(stats.winners(row), {"rr", "scx"})

    def test_few_rounds_have_no_winner(self):
        self.assertEqual(stats.winners(_row(eevdf=[10] * 4, rr=[5] * 4)), set())
        self.assertEqual(stats.winners(_row(eevdf=[10] * 5, rr=[5] * 5, scx=[6, 4])), {"rr"})


class BeatenTest(unittest.TestCase):
    def test_better_policy_and_its_lead_are_returned(self):
        other, own, lead = stats.beaten(_row(eevdf=[10] * 5, rr=[2] * 5, scx=[4] * 5, agent=[3] * 5))
        self.assertEqual((other, own, lead.median, lead.above_one), ("rr", "agent", 1.5, True))

    def test_base_can_be_the_better_policy(self):
        other, own, lead = stats.beaten(_row("higher", eevdf=[10], scx=[8]))
        self.assertEqual((other, own, lead.median), ("eevdf", "scx", 1.25))

    def test_pvsched_is_not_beaten_if_best_equal_alone_or_not_judged(self):
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[4], scx=[3])))
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[3], scx=[3])))
        self.assertIsNone(stats.beaten(_row(scx=[3])))
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[3])))
        self.assertIsNone(stats.beaten(_row("neither", eevdf=[10], rr=[3], scx=[4])))

    def test_standing_counts_clear_differences(self):
        def standing(*values):
            case = stats.Case("s", "c", [_row(eevdf=[10] * 5, scx=v) for v in values], {}, {})
            return stats.standing([case], "scx", "eevdf")
        self.assertEqual(standing([5] * 5, [20] * 5, [5, 5, 5, 5, 11], [5] * 4), (4, 1, 1))


class CasesTest(unittest.TestCase):
    def test_suites_stay_together_in_the_order_of_the_run(self):
        found = stats.cases(synthetic.results(
            [sample(1, case="a"), sample(1, suite="boot", case="b"), sample(1, case="c")],
            missing=[{"suite": "latency", "case": "d", "policy": "scx", "why": "no"}]))
        self.assertEqual([(c.suite, c.name) for c in found],
                         [("latency", "a"), ("latency", "c"), ("latency", "d"), ("boot", "b")])
        self.assertEqual(found[2].missing, {"scx": ["no"]})


if __name__ == "__main__":
    unittest.main()
