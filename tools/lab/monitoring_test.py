# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The examples of docs/examples/monitoring use metrics that exist."""

import itertools
import json
import re
import unittest

from settings import CHECKOUT

EXAMPLES = CHECKOUT / "docs/examples/monitoring"
# Of node_exporter and of Prometheus, beside the metrics' own.
_OTHER_LABELS = {"instance", "file", "le"}


def _rows():
    """Name, type and labels of each documented metric."""
    page = (CHECKOUT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(pvsched_\w+)` \| (\w+) \|([^|]*)\|", page, re.M)


def _documented():
    names = {name for name, _, _ in _rows()}
    return names | {f"{name}_bucket" for name, kind, _ in _rows() if kind == "histogram"}


def _used(text):
    return set(re.findall(r"\bpvsched_\w+", text))


class AlertsTest(unittest.TestCase):
    def test_each_metric_in_an_alert_is_in_the_reference(self):
        used = _used((EXAMPLES / "pvsched-alerts.yml").read_text(encoding="utf-8"))
        self.assertTrue(used)
        self.assertLessEqual(used, _documented())


class DashboardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (EXAMPLES / "pvsched-dashboard.json").read_text(encoding="utf-8")
        cls.dashboard = json.loads(cls.text)
        cls.panels = cls.dashboard["panels"]
        cls.targets = [target for panel in cls.panels for target in panel["targets"]]
        cls.queries = [target["expr"] for target in cls.targets] + [
            variable["definition"] for variable in cls.dashboard["templating"]["list"]
            if variable["type"] == "query"]

    def test_each_metric_is_in_the_reference(self):
        self.assertLessEqual(_used(" ".join(self.queries)), _documented())

    def test_each_metric_of_the_reference_is_shown(self):
        shown = {name.removesuffix("_bucket") for name in _used(" ".join(self.queries))}
        self.assertEqual({name for name, _, _ in _rows()} - shown, set())

    def test_each_label_is_that_of_the_metric(self):
        labels = {name: set(re.findall(r"`(\w+)`", cell)) for name, _, cell in _rows()}
        for query in self.queries:
            for name in _used(query):
                known = labels[name.removesuffix("_bucket")] | _OTHER_LABELS
                selected = re.findall(r'(\w+)=~?"', query)
                grouped = re.findall(r"\bby \(([^)]*)\)", query)
                used = set(selected).union(*(group.split(", ") for group in grouped))
                self.assertLessEqual(used, known, query)

    def test_each_variable_is_defined(self):
        defined = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        builtin = {"__rate_interval", "__range"}
        self.assertEqual(set(re.findall(r"\$\{?(\w+)", self.text)) - builtin, defined)

    def test_brackets_of_queries_are_balanced(self):
        for query in self.queries:
            for opening, closing in ("()", "[]", "{}"):
                self.assertEqual(query.count(opening), query.count(closing), query)

    def test_panels_have_what_grafana_needs_and_do_not_overlap(self):
        self.assertEqual(len({panel["id"] for panel in self.panels}), len(self.panels))
        for panel in self.panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            self.assertIn(panel["type"], {"stat", "timeseries", "heatmap"})
            references = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(set(references)), len(references), panel["title"])
        for a, b in itertools.combinations([panel["gridPos"] for panel in self.panels], 2):
            apart = (a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
                     or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])
            self.assertTrue(apart, (a, b))


if __name__ == "__main__":
    unittest.main()
