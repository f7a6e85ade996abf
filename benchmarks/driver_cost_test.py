# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest
from unittest import mock

import driver_cost
from driver_cost import ratio
from settings import LabError

_CONSOLE = """\
ordinary warm 0.9
ordinary without 0.100
urgent without 0.200
ordinary with 0.104
urgent with 0.202
ordinary without 0.108
ordinary with 0.110
ordinary without 0.112
ordinary with 0.126
ordinary without 0.100
"""


class DriverCostTest(unittest.TestCase):
    def test_ratio_is_the_median_over_pairs_of_neighbours(self):
        # 1, 1, and 0.126 to 0.106
        self.assertAlmostEqual(ratio("ordinary", _CONSOLE), 1.0)
        last = _CONSOLE.replace("0.110", "0.121")
        self.assertAlmostEqual(ratio("ordinary", last), 1.1)

    def test_boot_above_a_limit_is_judged_by_the_median_of_three(self):
        boots = [{"ordinary": 1.03, "urgent": 1.01}, {"ordinary": 1.01, "urgent": 1.01}, {"ordinary": 1.015, "urgent": 1.02}]
        with mock.patch("driver_cost.ratios", side_effect=boots):
            self.assertEqual(driver_cost.check(None), "ordinary 1.0150, urgent 1.0100")
        with mock.patch("driver_cost.ratios", side_effect=[boots[0], *2 * [{"ordinary": 1.01, "urgent": 1.03}]]), \
             self.assertRaisesRegex(LabError, "urgent 1.0300"):
            driver_cost.check(None)

    def test_guest_that_stopped_early_is_an_error(self):
        with self.assertRaisesRegex(LabError, "did not complete"):
            ratio("urgent", _CONSOLE)
        with self.assertRaisesRegex(LabError, "insmod: can't insert"):
            ratio("ordinary", "ordinary without 0.1\ninsmod: can't insert '/pvsched.ko'\n")


if __name__ == "__main__":
    unittest.main()
