# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import main
from bench import run, schedule, suites


def _lab(*arguments):
    """(exit status, what it said)"""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["./lab", *arguments]), contextlib.redirect_stderr(said), \
         mock.patch("signal.signal"):
        return main.main(), said.getvalue()


class UsageTest(unittest.TestCase):
    def _refused(self, sentence, *arguments):
        status, said = _lab("bench", *arguments)
        self.assertEqual(status, 2)
        self.assertRegex(said, sentence)
        self.assertEqual(said.count("\n"), 1)

    def test_an_unknown_suite(self):
        self._refused("'speed' is no suite: latency, overhead, boot, scale and all are", "--suite", "latency,speed")

    def test_an_unknown_policy(self):
        self._refused("'fifo' is no policy: eevdf, nice, slice, rr", "--policies", "rr,fifo")

    def test_no_rounds_or_seconds(self):
        for option in ("--rounds", "--seconds", "--seed"):
            self._refused("'0' is no whole number from 1", option, "0")

    def test_a_folder_that_holds_something_else(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "thesis").touch()
        self._refused("is no earlier result, and would be lost", "--out", str(folder))
        self.assertTrue((folder / "thesis").exists())


class GoOnTest(unittest.TestCase):
    def test_the_same_plan_goes_on_and_another_starts_anew(self):
        options = run.Options(["latency"], [], 1, 5, 1, pathlib.Path(tempfile.mkdtemp()) / "out", None, "")
        plan = [schedule.Block(1, suites.DEMO, ("rr", "eevdf"))]
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(run._begin(options, plan, 5), {})
            done = options.out / "raw/round-1/latency/busy-1x1/done"
            done.parent.mkdir(parents=True)
            done.touch()
            kept = {"round-1/latency/busy-1x1/done": b""}
            self.assertEqual(run._begin(options, plan, 5), kept)
            self.assertFalse(done.exists())  # the host hands it back
            self.assertEqual(run._begin(options, plan, 6), {})


if __name__ == "__main__":
    unittest.main()
