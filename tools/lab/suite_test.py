# SPDX-License-Identifier: Apache-2.0

import io
import unittest

import suite


class SkippedTest(unittest.TestCase):
    def test_who_skips_is_named_with_the_reason(self):
        class Case(unittest.TestCase):
            def test_that_passes(self):
                pass

            def test_that_cannot_run(self):
                self.skipTest("there's no such device")

            @unittest.skip("not here")
            def test_that_is_skipped_unseen(self):
                """With a line of its own."""

        said = io.StringIO()
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
        unittest.TextTestRunner(said, verbosity=2).run(tests)
        self.assertEqual(sorted(suite.skipped(said.getvalue())),
                         [("test_that_cannot_run", "there's no such device"),
                          ("test_that_is_skipped_unseen", "not here")])


if __name__ == "__main__":
    unittest.main()
