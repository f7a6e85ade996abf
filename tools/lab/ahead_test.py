# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import unittest
from unittest import mock

import ahead
import guest_kernels
import image
import roots
from settings import LabError


class AheadTest(unittest.TestCase):
    def test_tiers_get_only_what_they_need(self):
        self.assertEqual(ahead.steps(["unit"]), [])
        self.assertEqual(ahead.steps(["native"]), [image.host_image])
        self.assertEqual(ahead.steps(["packages"]), [roots.package_root])
        self.assertEqual(ahead.steps(["system"]), [roots.package_root, image.system_image])

    def test_guest_kernels_are_made_for_nested_tests_only(self):
        self.assertEqual(ahead.steps(["packages"], ["rt"]), [roots.package_root])
        *_, last = ahead.steps(["nested"], ["rt"])
        self.assertEqual((last.func, last.args), (guest_kernels.make, ("rt",)))

    def test_failed_step_is_named_and_the_others_run(self):
        made, said = [], io.StringIO()

        def broken():
            raise LabError("the mirror is away\nmore")

        with mock.patch.object(ahead, "steps", lambda *_: [broken, lambda: made.append("second")]), \
                contextlib.redirect_stderr(said), ahead.made(()) as maker:
            maker.wait()
        self.assertEqual(made, ["second"])
        self.assertIn("the mirror is away; it is tried again", said.getvalue())


if __name__ == "__main__":
    unittest.main()
