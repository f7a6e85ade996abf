# SPDX-License-Identifier: Apache-2.0

import random
import statistics
import unittest

from bench import stats, synthetic
from bench.synthetic import sample


def _row(better="lower", **values):
    """`values`: policy -> the rounds' values."""
    samples = [sample(v, policy=p, n=n, better=better) for p, rounds in values.items()
               for n, v in enumerate(rounds, 1) if v is not None]
    return stats.cases(synthetic.results(samples))[0].rows[0]


class EstimateTest(unittest.TestCase):
    def test_few_values_give_their_extremes(self):
        for values in ((3,), (4, 2), (5, 1, 2), (9, 8, 1, 2, 3)):
            e = stats.Estimate.of(values)
            self.assertEqual((e.median, e.low, e.high), (statistics.median(values), min(values), max(values)))

    def test_more_values_give_the_ranks_that_hold_the_median_in_95_percent_of_cases(self):
        for n, rank in ((5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6)):
            e = stats.Estimate.of(random.Random(n).sample(range(1, n + 1), n))
            self.assertEqual((e.low, e.high), (rank, n + 1 - rank))

    def test_the_confidence_is_what_it_is_said_to_be(self):
        self.assertEqual([stats.confidence(n) for n in (1, 2, 3, 4, 5, 6, 7)],
                         [0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375])
        self.assertTrue(all(0.95 <= stats.confidence(n) < 1 for n in range(6, 60)))
        draw = random.Random(1)
        for n in (5, 7, 10):
            held = sum(e.low <= 0 <= e.high for e in (stats.Estimate.of([draw.gauss(0, 1) for _ in range(n)])
                                                      for _ in range(4000)))
            self.assertAlmostEqual(held / 4000, stats.confidence(n), delta=0.012)

    def test_nothing_is_clear_with_fewer_than_five(self):
        self.assertFalse(stats.Estimate.of([2, 2, 2, 2]).above_one)
        self.assertTrue(stats.Estimate.of([2, 2, 2, 2, 2]).above_one)
        self.assertFalse(stats.Estimate.of([2, 2, 2, 2, 0.9]).above_one)


class RowTest(unittest.TestCase):
    def test_ratios_are_formed_within_a_round(self):
        # By medians it would be 20 / 100; by rounds it is a half each time.
        row = _row(eevdf=[10, 100, 1000], rr=[5, 50, 500])
        self.assertEqual(row.estimate("rr").values, (0.5, 0.5, 0.5))
        self.assertEqual(row.raw("rr").median, 50)

    def test_a_round_without_the_base_or_with_a_base_of_nothing_has_no_ratio(self):
        row = _row(eevdf=[10, None, 0], rr=[5, 50, 500])
        self.assertEqual(row.estimate("rr").values, (0.5,))
        self.assertIsNone(row.estimate("scx"))

    def test_without_a_base_the_values_themselves_are_compared(self):
        for base in ({}, {"eevdf": [0, 0]}):
            row = _row(**base, scx=[5, 7], agent=[8, 8])
            self.assertFalse(row.relative)
            self.assertEqual((row.estimate("scx").median, row.best(["scx", "agent"])), (6, "scx"))

    def test_the_best_is_by_what_is_better(self):
        values = {"eevdf": [10] * 5, "rr": [5] * 5, "scx": [20] * 5}
        self.assertEqual(stats.winners(_row("lower", **values)), {"rr"})
        self.assertEqual(stats.winners(_row("higher", **values)), {"scx"})
        self.assertEqual(stats.winners(_row("neither", **values)), set())
        self.assertEqual(stats.winners(_row("lower", eevdf=[10] * 5)), set())

    def test_equals_are_all_best_unless_there_is_nothing_else(self):
        self.assertEqual(stats.winners(_row(eevdf=[10] * 5, rr=[5] * 5, scx=[5] * 5)), {"rr", "scx"})
        self.assertEqual(stats.winners(_row(eevdf=[5] * 5, rr=[5] * 5, scx=[5] * 5)), set())

    def test_so_are_those_that_are_not_clearly_worse(self):
        row = _row(eevdf=[10] * 5, rr=[4] * 5, scx=[5, 5, 5, 5, 3], agent=[5] * 5)
        self.assertEqual(stats.winners(row), {"rr", "scx"})

    def test_few_rounds_have_no_winner_and_nobody_wins_by_few(self):
        self.assertEqual(stats.winners(_row(eevdf=[10] * 4, rr=[5] * 4)), set())
        self.assertEqual(stats.winners(_row(eevdf=[10] * 5, rr=[5] * 5, scx=[6, 4])), {"rr"})


class BeatenTest(unittest.TestCase):
    def test_it_names_the_better_policy_and_its_lead(self):
        other, own, lead = stats.beaten(_row(eevdf=[10] * 5, rr=[2] * 5, scx=[4] * 5, agent=[3] * 5))
        self.assertEqual((other, own, lead.median, lead.above_one), ("rr", "agent", 1.5, True))

    def test_the_base_may_be_the_better_one(self):
        other, own, lead = stats.beaten(_row("higher", eevdf=[10], scx=[8]))
        self.assertEqual((other, own, lead.median), ("eevdf", "scx", 1.25))

    def test_pvsched_is_not_beaten_where_it_is_best_or_equal_or_alone_or_not_judged(self):
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[4], scx=[3])))
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[3], scx=[3])))
        self.assertIsNone(stats.beaten(_row(scx=[3])))
        self.assertIsNone(stats.beaten(_row(eevdf=[10], rr=[3])))
        self.assertIsNone(stats.beaten(_row("neither", eevdf=[10], rr=[3], scx=[4])))

    def test_standing_counts_what_is_clear(self):
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
