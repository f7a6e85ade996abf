# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import unittest
from unittest import mock

import suite
from settings import LabError, Skipped


class SkippedTest(unittest.TestCase):
    def test_every_skipped_test_is_found_with_its_reason(self):
        class Case(unittest.TestCase):
            def test_that_passes(self):
                pass

            def test_that_cannot_run(self):
                self.skipTest("there's no such device")

            @unittest.skip("not here")
            def test_that_is_skipped_by_a_decorator(self):
                """With a description line."""

        output = io.StringIO()
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
        unittest.TextTestRunner(output, verbosity=2).run(tests)
        self.assertEqual(sorted(suite.skipped(output.getvalue())),
                         [("test_that_cannot_run", "there's no such device"),
                          ("test_that_is_skipped_by_a_decorator", "not here")])


def ticking(*times):
    """A clock that shows these times one after another."""
    times = list(times)
    return lambda: times.pop(0)


class SecondsTest(unittest.TestCase):
    def test_line_has_each_phase_in_its_order_and_the_sum_of_its_parts(self):
        seconds = suite.Seconds(ticking(0, 10, 220, 220, 650.4, 700, 705, 711))
        for phase in ("check", "build", "check"):
            with seconds.of(phase):
                pass
        self.assertEqual(seconds.line(), "seconds: check 215, build 430, all 711")

    def test_phase_that_fails_is_counted(self):
        seconds = suite.Seconds(ticking(0, 0, 7, 8))
        with self.assertRaises(LabError), seconds.of("build"):
            raise LabError("it does not compile")
        self.assertEqual(seconds.line(), "seconds: build 7, all 8")


class BackgroundTest(unittest.TestCase):
    def test_results_are_those_of_the_tests_whether_or_not_they_were_started_early(self):
        def too_many():
            raise LabError("over its limit")

        def absent():
            raise Skipped("no such kernel")

        for is_early in (False, True):
            background = suite.Background({"few": lambda: "1.01", "many": too_many, "absent": absent})
            tally, out = suite.Tally(), io.StringIO()
            if is_early:
                background.start()
            with contextlib.redirect_stdout(out):
                background.finish(tally, suite.Seconds())
                background.finish(tally, suite.Seconds())
            self.assertEqual(out.getvalue(), "pass few: 1.01\nfail many\nover its limit\nskip absent: no such kernel\n")
            self.assertEqual((tally.passed, tally.skipped, tally.failures), (1, 1, ["many: over its limit"]))


class RunTest(unittest.TestCase):
    def run_suite(self, tiers, *args, check_result="pass", **options):
        """What suite.run() called, and what it printed."""
        ran, out = [], io.StringIO()

        def note(name, result=None):
            return lambda *_, **__: ran.append(name) or result

        with contextlib.ExitStack() as stack:
            for name, stub in {
                "roots.build_root": note("build root"), "check.run": note("check", [(check_result, "language")]),
                "check_tree.of_checkout": note("tree"), "ahead.steps": lambda *_: [note("ahead")],
                "build.everything": note("build"), "build.host_and_guest": note("build"), "build.cmake": note("sanitized"),
                "suite._own_tests": note("lab"), "suite._ctest": lambda _root, folder, tier, _tally: ran.append(f"{tier} {folder}"),
                "driver_cost.check": note("driver's cost"), "switch_cost.check": note("switch-cost"),
                "nested.run": note("nested"), "kernels.tests": lambda: {"kernels": note("kernels")},
                "fuzz.tests": lambda _root: {"fuzz": note("fuzz")},
                "package.make": note("packages", (None, [])), "package.checks": note("package checks", []),
                "system.Steps.__init__": note("system"), "system.Steps.try_in_background": note("background"),
                "system.Steps.finish": note("finish"),
            }.items():
                stack.enter_context(mock.patch(name, stub))
            stack.enter_context(contextlib.redirect_stdout(out))
            status = suite.run(tiers, *args, **options)
        return status, ran, out.getvalue()

    def test_pattern_selects_the_tests_on_the_host_and_those_with_a_host_of_their_own(self):
        for pattern, expected in (("*", {"nested", "kernels", "switch-cost"}), ("kernels", {"kernels"}),
                                  ("switch-cost", {"switch-cost"}), ("scx-*", {"nested"}),
                                  ("no-such-test", {"nested"})):  # nested.run() names the error
            _, ran, _ = self.run_suite(["nested"], pattern)
            self.assertEqual(set(ran) & {"nested", "kernels", "switch-cost"}, expected, pattern)

    def test_all_tiers_run_and_the_end_names_their_seconds(self):
        status, ran, said = self.run_suite(suite.TIERS, "*")
        self.assertEqual(status, 0)
        for name in ("unit build", "native build", "unit build/address-undefined", "native build/thread", "lab",
                     "driver's cost", "switch-cost", "fuzz", "nested", "kernels", "package checks", "system", "finish"):
            self.assertIn(name, ran)
        self.assertRegex(said, r"\nseconds: build root 0, check 0, build 0, roots 0, lab 0, build address.undefined 0, .*, system 0, all 0\n"
                               r"7 passed, 0 failed, 0 skipped\n$")

    def test_nothing_else_runs_beside_the_tests_on_the_host(self):
        _, ran, _ = self.run_suite(suite.TIERS, "*")
        self.assertLess(ran.index("ahead"), ran.index("native build"))
        for test in ("driver's cost", "switch-cost", "kernels", "fuzz", "package checks"):
            self.assertLess(ran.index(test), ran.index("nested"))

    def test_system_tests_begin_beside_the_nested_ones_or_alone(self):
        _, ran, _ = self.run_suite(suite.TIERS, "*")
        self.assertEqual([name for name in ran if name in ("background", "nested", "finish")], ["background", "nested", "finish"])
        _, ran, _ = self.run_suite(["system"], "*")
        self.assertEqual([name for name in ran if name in ("background", "finish")], ["finish"])

    def test_failed_check_ends_a_run_that_fails_fast(self):
        status, ran, said = self.run_suite(suite.TIERS, "*", check_result="fail", fail_fast=True)
        self.assertEqual((status, "build" in ran), (1, False))
        self.assertIn("failed: check: language\n0 passed, 1 failed", said)
        status, ran, _ = self.run_suite(suite.TIERS, "*", check_result="fail")
        self.assertEqual((status, "build" in ran, "system" in ran), (1, True, True))


if __name__ == "__main__":
    unittest.main()
