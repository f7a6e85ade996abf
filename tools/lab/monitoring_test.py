# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The examples of docs/examples/monitoring use metrics that exist."""

import re
import unittest

from settings import CHECKOUT

EXAMPLES = CHECKOUT / "docs/examples/monitoring"


def _documented():
    page = (CHECKOUT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(pvsched_\w+)` \|", page, re.M))


class MonitoringTest(unittest.TestCase):
    def test_each_metric_in_an_alert_is_in_the_reference(self):
        text = (EXAMPLES / "pvsched-alerts.yml").read_text(encoding="utf-8")
        used = set(re.findall(r"\bpvsched_\w+", text))
        self.assertTrue(used)
        self.assertLessEqual(used, _documented())


if __name__ == "__main__":
    unittest.main()
