# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import io
import unittest
from unittest import mock

import suite


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


class NestedTest(unittest.TestCase):
    def test_pattern_selects_the_tests_on_the_host_and_those_with_a_host_of_their_own(self):
        for pattern, expected in (("*", ["nested", "kernels", "switch-cost"]), ("kernels", ["kernels"]),
                                  ("switch-cost", ["switch-cost"]), ("scx-*", ["nested"]),
                                  ("no-such-test", ["nested"])):  # nested.run() names the error
            ran = []
            with mock.patch("nested.run", lambda *_: ran.append("nested")), \
                    mock.patch("kernels.test", lambda _: ran.append("kernels")), \
                    mock.patch("switch_cost.check", lambda: ran.append("switch-cost")):
                suite._nested(suite.Tally(), None, pattern, None)
            self.assertEqual(ran, expected, pattern)


if __name__ == "__main__":
    unittest.main()
