# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import copy
import pathlib
import tempfile
import unittest

from bench import results, synthetic
from bench.synthetic import sample
from settings import LabError


class CheckTest(unittest.TestCase):
    def refused(self, reason, **parts):
        with self.assertRaisesRegex(LabError, reason):
            results.check(synthetic.results(**parts), "some.json")

    def test_results_of_a_run_are_accepted(self):
        results.check(synthetic.run(1, rounds=2), "some.json")

    def test_each_error_is_named_with_its_place(self):
        good = sample(1)
        self.refused(r"some.json holds no results.*format is 2", format=2)
        self.refused(r"policies is empty", policies={})
        self.refused(r"samples\[1\].value is missing",
                     samples=[good, {k: v for k, v in good.items() if k != "value"}])
        self.refused(r"samples\[0\].value is not a number", samples=[{**good, "value": "1"}])
        self.refused(r"samples\[0\].value is not a number", samples=[{**good, "value": True}])
        self.refused(r"samples\[0\].value is not finite", samples=[{**good, "value": float("nan")}])
        self.refused(r"samples\[0\].round is 0", samples=[{**good, "round": 0}])
        self.refused(r"samples\[0\].policy is 'fifo'", samples=[{**good, "policy": "fifo"}])
        self.refused(r"samples\[0\].better is 'less'", samples=[{**good, "better": "less"}])
        self.refused(r"samples\[1\] is a duplicate: latency, c, eevdf, 1, p99", samples=[good, good])
        self.refused(r"samples\[1\]: 'p99' has another unit", samples=[good, {**good, "round": 2, "unit": "ms"}])
        self.refused(r"meta.emulated is not true or false", meta={**synthetic.META, "emulated": "no"})
        curve = {"suite": "latency", "case": "c", "side": "guest", "policy": "rr", "histogram": {"10": 0}}
        self.refused(r"curves\[0\].histogram is not microseconds", curves=[curve])
        self.refused(r"missing\[0\].why is missing", missing=[{"suite": "s", "case": "c", "policy": "rr"}])

    def test_saved_file_loads_unchanged(self):
        path = pathlib.Path(tempfile.mkdtemp()) / "results.json"
        saved = synthetic.run(1, rounds=1)
        results.save(saved, path)
        self.assertEqual(results.load(path), saved)
        path.write_text("{")
        with self.assertRaisesRegex(LabError, "is no JSON"):
            results.load(path)
        with self.assertRaisesRegex(LabError, "/nowhere cannot be read"):
            results.load(pathlib.Path("/nowhere"))


class MergeTest(unittest.TestCase):
    def test_rounds_of_two_parts_get_distinct_numbers(self):
        one = synthetic.results([sample(10), sample(5, policy="rr")])
        other = synthetic.results([sample(30), sample(6, policy="rr"), sample(1, suite="boot", policy="rr")])
        merged = results.merge([one, other])
        self.assertEqual([(s["suite"], s["policy"], s["round"], s["value"]) for s in merged["samples"]],
                         [("latency", "eevdf", 1, 10), ("latency", "rr", 1, 5), ("latency", "eevdf", 2, 30),
                          ("latency", "rr", 2, 6), ("boot", "rr", 1, 1)])
        self.assertEqual(merged["meta"]["rounds"], 2)

    def test_curves_add_up_and_missing_entries_end_where_another_part_measured(self):
        curve = {"suite": "latency", "case": "c", "side": "guest", "policy": "rr", "histogram": {"10": 2, "20": 1}}
        why = {"suite": "latency", "case": "c", "policy": "rr", "why": "no"}
        one = synthetic.results(curves=[curve], missing=[why, {**why, "policy": "scx"}])
        other = synthetic.results([sample(6, policy="rr")], curves=[{**curve, "histogram": {"20": 5}}])
        before = copy.deepcopy((one, other))
        merged = results.merge([one, other])
        self.assertEqual(merged["curves"][0]["histogram"], {"10": 2, "20": 6})
        self.assertEqual([m["policy"] for m in merged["missing"]], ["scx"])
        self.assertEqual((one, other), before)

    def test_missing_round_stays_listed(self):
        why = {"suite": "latency", "case": "c", "policy": "rr", "why": "round 2: the guest hung"}
        one = synthetic.results([sample(6, policy="rr")], missing=[why])
        self.assertEqual(results.merge([one, synthetic.results([sample(7, policy="rr")])])["missing"], [why])

    def test_incomparable_runs_are_not_merged(self):
        one = synthetic.results([sample(1)])
        for meta, reason in (({"guest_kernel": "6.1"}, "guest_kernel differs: 7.3.4, 6.1"),
                             ({"emulated": False}, "emulated differs"),
                             ({"commit": "def"}, "the suite latency, of different commits: abc, def")):
            with self.assertRaisesRegex(LabError, reason):
                results.merge([one, synthetic.results([sample(1)], meta={**synthetic.META, **meta})])

    def test_same_round_is_not_merged_twice(self):
        one, other = synthetic.run(1, rounds=2), synthetic.run(2, rounds=2)
        for parts in ([one, one], [results.merge([other, one]), one], [one, results.merge([other, one])]):
            with self.assertRaisesRegex(LabError, r"round \d of (latency|overhead) is in two of them"):
                results.merge(parts)

    def test_latency_with_another_measured_time_is_not_merged(self):
        def run(value, suite, seconds):
            return synthetic.results([sample(value, suite=suite)], meta={**synthetic.META, "seconds": seconds})
        with self.assertRaisesRegex(LabError, "the suite latency, measured for 5 s and for 20 s each time"):
            results.merge([run(1, "latency", 5), run(2, "latency", 20)])
        results.merge([run(1, "boot", 5), run(2, "boot", 20)])
        results.merge([run(1, "boot", 5), run(2, "latency", 20)])

    def test_reasons_of_incomplete_parts_are_kept(self):
        parts = [synthetic.results([sample(v)], meta={**synthetic.META, "trouble": t})
                 for v, t in ((1, ""), (2, "it was stopped"), (3, "it died"))]
        self.assertEqual(results.merge(parts)["meta"]["trouble"], "it was stopped; it died")

    def test_other_suites_may_be_of_another_commit(self):
        other = synthetic.results([sample(1, suite="boot")],
                                  meta={**synthetic.META, "commit": "def", "suites": ["boot"]})
        meta = results.merge([synthetic.results([sample(1)]), other])["meta"]
        self.assertEqual((meta["commit"], meta["suites"]), ("abc, def", ["latency", "overhead", "boot"]))

    def test_native_run_is_merged_with_a_run_that_had_a_host_under_test(self):
        native = synthetic.results([sample(1, suite="scale")], meta={
            **synthetic.META, "host_kernel": "6.18", "guest_kernel": "6.18", "emulated": False, "suites": ["scale"]})
        nested = synthetic.results([sample(1)])
        for parts in ([nested, native], [native, nested]):
            meta = results.merge(parts)["meta"]
            self.assertEqual((meta["host_kernel"], meta["emulated"]), ("7.3.4", True))


if __name__ == "__main__":
    unittest.main()
