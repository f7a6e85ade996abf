# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import re
import unittest

from bench import against, synthetic
from bench.synthetic import sample


def _worse(suite, factor, metrics=None, cases="", policies=against.OWN):
    """An effect: `factor` on these metrics, in cases with this prefix."""
    def effect(in_suite, case, metric, policy):
        hit = in_suite == suite and (not metrics or metric in metrics) and case.startswith(cases)
        return factor if hit and policy in policies else 1
    return effect


def _found(effect, seeds=range(10), **options):
    """The findings for each seed: a run with the effect against a run without it."""
    return [against.compare(synthetic.run(2 * seed + 1001, effect=effect, **options),
                            synthetic.run(2 * seed + 1000, **options)) for seed in seeds]


class SeededRegressionTest(unittest.TestCase):
    """Every sample has noise of 20 %, and all policies of a round share another 20 %."""

    def test_two_runs_of_the_same_code_are_no_regression(self):
        cried = sum(bool(f) for f in _found(_worse("none", 1), range(30)))
        self.assertLessEqual(cried, 1)

    def test_three_rounds_of_the_same_code_are_no_regression(self):
        cried = sum(bool(f) for f in _found(_worse("none", 1), range(30), rounds=3))
        self.assertLessEqual(cried, 1)

    def test_doubled_cost_of_the_programs_is_caught(self):
        for findings in _found(_worse("overhead", 2)):
            self.assertTrue(findings)
            self.assertEqual({f.suite for f in findings}, {"overhead"})

    def test_doubled_cost_of_the_programs_is_mostly_caught_in_three_rounds(self):
        caught = sum(bool(f) for f in _found(_worse("overhead", 2), rounds=3))
        self.assertGreaterEqual(caught, 8)

    def test_doubled_cost_is_caught_in_each_program_with_less_noise(self):
        for findings in _found(_worse("overhead", 2), noise=0.1):
            self.assertEqual(len(findings), 9)

    def test_a_doubled_cost_of_one_program_is_caught_with_less_noise(self):
        for findings in _found(_worse("overhead", 2, ["on VM exit"]), noise=0.1):
            self.assertEqual({f.metric for f in findings}, {"on VM exit"})

    def test_missing_boost_is_caught_by_the_tail_on_a_busy_host(self):
        effect = _worse("latency", 3, ["p99", "p99.9", "max"], "busy")
        for findings in _found(effect):
            self.assertGreaterEqual(len({(f.case, f.metric, f.policy) for f in findings}), 5)
            self.assertLessEqual({f.policy for f in findings}, set(against.OWN))

    def test_change_of_all_policies_is_drift(self):
        everyone = [p for p in synthetic.POLICIES if p != "eevdf"]
        findings = [f for found in _found(_worse("latency", 1.6, policies=everyone)) for f in found]
        self.assertEqual(findings, [])

    def test_an_improvement_is_no_regression(self):
        self.assertEqual([f for found in _found(_worse("overhead", 0.3)) for f in found], [])


class NoisyTest(unittest.TestCase):
    """Five rounds with the spread of an emulated host; some rows are programs of a single policy."""

    @staticmethod
    def _found(effect, seeds=range(20), **options):
        return [against.compare(synthetic.noisy(2 * seed + 5001, effect=effect, **options),
                                synthetic.noisy(2 * seed + 5000, **options)) for seed in seeds]

    @staticmethod
    def _programs(factor):
        return lambda suite, case, metric, policy: factor if metric.startswith("program ") and policy == "scx" else 1

    def test_programs_of_one_policy_that_cost_twice_as_much_are_found_together(self):
        for findings in self._found(self._programs(2), shared=0):
            together = findings[0]  # the surest
            self.assertEqual((together.policy, together.case), ("scx", "mean of 8 programs"))
            self.assertLessEqual({f.policy for f in findings}, {"scx"})
        self.assertRegex(together.text, r"^overhead, mean of 8 programs: what a program costs of pvsched, scx is [12]\.")

    def test_programs_are_mostly_found_if_rounds_share_half_of_the_spread(self):
        self.assertGreaterEqual(sum(map(bool, self._found(self._programs(2)))), 14)

    def test_the_same_code_is_not_worse_with_any_number_of_rounds(self):
        for rounds in (3, 5):
            for shared in (0, 0.5, 1):
                self.assertLessEqual(sum(map(bool, self._found(self._programs(1), rounds=rounds, shared=shared))), 1)

    def test_round_that_is_slow_for_all_programs_is_no_regression(self):
        runs = [synthetic.results([sample(slow * size, suite="overhead", policy="scx", n=n, metric=f"program {size}",
                                          unit="ns") for n, slow in enumerate(rounds, 1) for size in range(1, 21)])
                for rounds in ((1, 1.4, 2), (2, 2.8, 1.4))]
        self.assertEqual(against.compare(*runs[::-1]), [])


class CompareTest(unittest.TestCase):
    @staticmethod
    def _run(values, metric="cost", unit="ns", better="lower", suite="overhead", policy="scx", **meta):
        return synthetic.results([sample(v, suite=suite, policy=policy, n=n, metric=metric, unit=unit, better=better)
                                  for n, v in enumerate(values, 1)], meta={**synthetic.META, **meta})

    def _metrics(self, new, old, **options):
        return [f.metric for f in against.compare(new, old, **options)]

    def test_change_below_the_threshold_is_no_regression(self):
        old, new = self._run([100, 101, 99] * 3), self._run([150, 151, 149] * 3)
        self.assertEqual(self._metrics(new, old), ["cost"])
        self.assertEqual(self._metrics(new, old, threshold=0.5), [])
        self.assertEqual(self._metrics(old, new), [])

    def test_lower_value_is_worse_where_higher_is_better(self):
        old = self._run([100, 101, 99] * 3, better="higher")
        self.assertEqual(self._metrics(self._run([50, 51, 49] * 3, better="higher"), old), ["cost"])
        self.assertEqual(self._metrics(self._run([200, 201, 199] * 3, better="higher"), old), [])

    def test_metric_without_a_better_direction_is_not_judged(self):
        old, new = (self._run([v, v, v + 1], better="neither") for v in (100, 900))
        self.assertEqual(self._metrics(new, old), [])

    def test_ratios_of_another_machine_are_compared_and_absolute_times_are_not(self):
        old = [100, 101, 99]
        new = [900, 901, 899]
        self.assertEqual(self._metrics(self._run(new, machine="other"), self._run(old)), [])
        self.assertEqual(self._metrics(self._run(new, unit="ratio", machine="other"), self._run(old, unit="ratio")),
                         ["cost"])

    def test_native_run_is_compared_with_a_run_that_had_a_host_under_test(self):
        old, new = ({"values": [100 * k, 101 * k, 99 * k], "policy": "agent"} for k in (1, 9))
        alone = {"emulated": False, "host_kernel": "6.18", "own_kernel": "6.18"}
        for suite, metrics in (("scale", ["cost"]), ("overhead", [])):
            self.assertEqual(self._metrics(self._run(**new, suite=suite, **alone),
                                           self._run(**old, suite=suite, own_kernel="6.18")), metrics)
        self.assertEqual(self._metrics(self._run(**new, suite="scale", **{**alone, "own_kernel": "6.19"}),
                                       self._run(**old, suite="scale", own_kernel="6.18")), [])

    def test_policy_that_can_no_longer_be_measured_is_a_finding(self):
        missing = [{"suite": "overhead", "case": "c", "policy": "scx", "why": "it was ejected"}]
        findings = against.compare(synthetic.results(missing=missing), self._run([100, 101]))
        self.assertEqual([(f.policy, f.metric) for f in findings], [("scx", "")])
        self.assertIn("it was ejected", findings[0].text)

    def test_policy_that_was_measured_in_fewer_rounds_is_a_finding(self):
        def run(*rounds, planned=5):
            samples = [sample(100 + n, suite="overhead", policy=p, n=n, metric="cost")
                       for p, of in (("eevdf", range(1, planned + 1)), ("scx", rounds)) for n in of]
            return synthetic.results(samples, missing=[
                {"suite": "overhead", "case": "c", "policy": "scx", "why": f"round {n}: it was ejected"}
                for n in range(1, planned + 1) if n not in rounds])
        full = run(1, 2, 3, 4, 5)
        findings = against.compare(run(2), full)
        self.assertEqual([(f.policy, f.metric) for f in findings], [("scx", "")])
        self.assertIn("was measured in only 1 of 5 rounds, and in 5 of 5 before: round 1: it was ejected; round 3",
                      findings[0].text)
        for new, old in ((full, run(2)), (run(2), run(3)), (run(1, 2, planned=2), full)):
            self.assertEqual(against.compare(new, old), [])

    def test_figures_that_are_not_compared_are_counted(self):
        old, new = self._run([100, 101]), self._run([100, 101])
        for run, metrics in ((old, ("gone", "too", "once")), (new, ("come", "once"))):
            run["samples"] += [sample(1, suite="overhead", policy="scx", metric=m) for m in metrics]
        self.assertIn("not compared: 2 are in the older run only; 1 are in this run only; 1 are of another machine or "
                      "unit, or have too few rounds\n", against.report(new, old, "old.json")[0])
        full = self._run([100, 101])
        self.assertNotIn("not compared", against.report(full, full, "old.json")[0])

    def test_different_measured_times_are_stated(self):
        short, long = (self._run([100, 101], suite="latency", seconds=s) for s in (5, 20))
        self.assertIn("a latency measurement took 20 s, and 5 s in the older run", against.report(long, short, "old.json")[0])
        self.assertNotIn("in the older run: maxima", against.report(long, long, "old.json")[0])

    def test_report_has_the_findings_and_the_exit_status(self):
        old, new = self._run([100, 101, 99] * 3), self._run([200, 201, 199] * 3)
        text, status = against.report(new, old, "old.json")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"worse: overhead, c: cost of pvsched, scx is 2\.00 times as bad .*: "
                               r"100 before, 200 now, ns")
        text, status = against.report(old, old, "old.json")
        self.assertEqual(status, 0)
        self.assertIn("1 of pvsched's figures", text)

    def test_report_has_the_smallest_factor_that_would_be_found(self):
        old = self._run([100, 101, 99] * 3)
        said = re.search(r"overhead: .* found from a factor of ([\d.]+) \(cost, c\), for half of the figures from \1$",
                         against.report(old, old, "old.json")[0])
        factor = float(said[1])
        for by, found in ((0.97, []), (1.03, ["cost"])):
            new = self._run([v * factor * by for v in [100, 101, 99] * 3])
            self.assertEqual(self._metrics(new, old), found)

    def test_report_states_that_no_factor_would_be_found(self):
        run = self._run([100, 900])
        self.assertIn("overhead: a regression of one figure alone would not be found", against.report(run, run, "old.json")[0])

    def test_nothing_to_compare_is_a_failure(self):
        text, status = against.report(self._run([1]), self._run([1]), "old.json")
        self.assertEqual(status, 1)
        self.assertIn("no figure can be compared", text)


if __name__ == "__main__":
    unittest.main()
