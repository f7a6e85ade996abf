# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import json
import unittest
from unittest import mock

import switch_cost
from settings import UsageError

_OUTPUT = "lab: a line of the host\r\n" + "".join(
    f"counted {policy} {case} {trips} {instructions * trips * 1e-9 * noise:.9f}\r\n"
    for policy, instructions in (("eevdf", 15000), ("scx", 15600), ("agent", 15150))
    for case, trips in zip(switch_cost.CASES_COUNTED, (1000, 3000, 1000, 1000, 1)) for noise in (1.3, 1, 0.9)) + (
    "counted rr wake 1 0.000012000\r\nmissing kfunc pvsched_host.ko does not load\r\n")


class SwitchCostTest(unittest.TestCase):
    def setUp(self):
        self.counted, self.missing = switch_cost.parse(_OUTPUT)

    def test_nanoseconds_of_the_median_repetition_are_instructions(self):
        self.assertAlmostEqual(self.counted["eevdf"]["alone"], 15000)
        self.assertAlmostEqual(switch_cost.ratio(self.counted, "scx", "quota"), 1.04)

    def test_real_time_thread_is_measured_in_one_case(self):
        self.assertEqual(list(self.counted["rr"]), ["wake"])
        self.assertAlmostEqual(switch_cost.ratio(self.counted, "rr", "wake"), 0.8)
        self.assertRegex(switch_cost.table(self.counted, self.missing, "7.3"), r"static SCHED_RR( +-){4} +12,000 \(0.800\)")

    def test_policy_that_did_not_load_has_a_reason(self):
        self.assertEqual(self.missing, {"kfunc": "pvsched_host.ko does not load"})
        self.assertIn("not measured: pvsched_host.ko", switch_cost.table(self.counted, self.missing, "7.3"))

    def test_policy_that_was_ejected_has_no_figures(self):
        counted, missing = switch_cost.parse(_OUTPUT + "missing scx the kernel ejected the scheduler\n")
        self.assertNotIn("scx", counted)
        self.assertIn("scx", missing)

    def test_each_limit_is_compared(self):
        limits = {("scx", "alone"): 1.03, ("scx", "quota"): 1.05, ("agent", "alone"): 1.005, ("kfunc", "alone"): 1}
        with mock.patch.object(switch_cost, "LIMITS", limits):
            over = switch_cost.beyond(self.counted, ("eevdf", "scx", "agent"))
            self.assertEqual(len(over), 2)
            self.assertIn("scx, alone: 1.040 of eevdf's instructions, limit 1.03", over)
            self.assertEqual(len(switch_cost.beyond(self.counted, ("eevdf", "scx"))), 1)

    def test_limits_name_policies_and_cases_that_are_counted(self):
        for policy, case in switch_cost.LIMITS:
            self.assertIn(policy, switch_cost.DEFAULT)
            self.assertIn(case, switch_cost.CASES_COUNTED)

    def test_policy_of_vcpu_threads_is_refused(self):
        with self.assertRaisesRegex(UsageError, "rr changes VMs only"):
            switch_cost.chosen(["rr"])
        self.assertEqual(switch_cost.chosen(["scx"]), ["eevdf", "scx"])

    def test_json_has_instructions_and_ratios(self):
        data = json.loads(json.dumps(switch_cost.as_json(self.counted, self.missing, "7.3")))
        self.assertEqual(data["policies"]["scx"]["waiting"], {"instructions": 15600.0, "ratio": 1.04})


if __name__ == "__main__":
    unittest.main()
