# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import json
import pathlib
import tempfile
import unittest
import xml.dom.minidom

import latency
import plot
from settings import LabError


def _file(text):
    path = pathlib.Path(tempfile.mkstemp()[1])
    path.write_text(text)
    return path


def _cyclictest(histogram, cycles, maximum):
    return _file(json.dumps({"thread": {"0": {"histogram": histogram, "cycles": cycles, "max": maximum}}}))


class DistributionTest(unittest.TestCase):
    def test_percentiles_are_the_smallest_latency_not_exceeded_by_the_share(self):
        d = latency.Distribution({1: 500, 2: 490, 50: 9, 700: 1}, 700)
        self.assertEqual(d.figures(), {"p50": 1, "p99": 2, "p99.9": 50, "max": 700})

    def test_overflow_of_the_histogram_counts_as_the_maximum(self):
        d = latency.Distribution.from_cyclictest(_cyclictest({"10": 97}, 100, 250000))
        self.assertEqual(d.percentile(0.97), 10)
        self.assertEqual(d.percentile(0.99), 250000)

    def test_threads_of_one_run_count_together(self):
        d = latency.Distribution.from_cyclictest(_file(json.dumps({"thread": {
            "0": {"histogram": {"10": 3}, "cycles": 3, "max": 10},
            "1": {"histogram": {"10": 1, "50": 1}, "cycles": 2, "max": 50}}})))
        self.assertEqual((d.counts, d.maximum, d.average()), ({10: 4, 50: 1}, 50, 18))

    def test_buckets_keep_the_count_and_the_maximum(self):
        d = latency.Distribution({us: 1 for us in range(1, 5000)}, 4999)
        buckets = d.bucketed(100)
        self.assertLessEqual(len(buckets), 100)
        self.assertEqual((sum(buckets.values()), max(buckets)), (4999, 4999))
        self.assertAlmostEqual(latency.Distribution(buckets, 4999).percentile(0.5), d.percentile(0.5), delta=250)

    def test_few_latencies_need_no_buckets(self):
        self.assertEqual(latency.Distribution({7: 2, 9: 1}, 9).bucketed(2), {7: 2, 9: 1})

    def test_empty_or_broken_result_is_refused_with_its_path(self):
        for path in (_cyclictest({}, 0, 0), _file("cyclictest: no"), pathlib.Path("/nowhere")):
            with self.assertRaisesRegex(LabError, str(path)):
                latency.Distribution.from_cyclictest(path)

    def test_merging_adds_counts(self):
        d = latency.merged([latency.Distribution({1: 1}, 1), latency.Distribution({1: 2, 9: 1}, 9)])
        self.assertEqual((d.counts, d.maximum, d.total), ({1: 3, 9: 1}, 9, 4))

    def test_share_of_longer_wake_ups_ends_at_zero(self):
        self.assertEqual(list(latency.Distribution({1: 3, 5: 1}, 5).exceeding()), [(1, 0.25), (5, 0.0)])


class WorkTest(unittest.TestCase):
    METRICS = """\
stress-ng: info:  [1] dispatching hogs: 2 cpu
stress-ng: metrc: [1] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [1]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: metrc: [1] cpu                1000     10.00     19.00      0.10       100.00          52.36
stress-ng: metrc: [1] fork                 40     10.00      1.00      0.10         4.00           3.64
"""

    def test_rates_are_those_in_real_time(self):
        rates = latency.work_done(_file(self.METRICS))
        self.assertEqual(rates, {"cpu": 100.0, "fork": 4.0})
        self.assertAlmostEqual(latency.work_figure(rates), 20.0)

    def test_missing_metrics_are_an_error(self):
        with self.assertRaises(LabError):
            latency.work_done(_file("stress-ng: fail\n"))


class PlotTest(unittest.TestCase):
    def test_plot_is_well_formed_and_has_a_curve_for_each_series(self):
        d = latency.Distribution({100: 90, 2000: 9, 30000: 1}, 30000)
        text = plot.svg({"guest": {"a": d, "b": d}, "host": {"a": d, "b": d}}, {"a": "A & B"})
        paths = xml.dom.minidom.parseString(text).getElementsByTagName("path")
        self.assertEqual(sum(p.getAttribute("stroke-width") == "2" for p in paths), 4)


if __name__ == "__main__":
    unittest.main()
