# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import json
import pathlib
import tempfile
import types
import unittest
from unittest import mock

import demo
from bench import collect, rounds
from settings import LabError

_METRICS = "stress-ng: metrc: [1] cpu 1000 10.00 19.00 0.10 100.00 52.36\n"


def _recorded(top, n, policy, us):
    folder = collect.folder(top, n, "latency", "busy-1x1", policy)
    folder.mkdir(parents=True)
    for side, latency in (("host", 10), ("g1", us)):
        (folder / f"{side}.json").write_text(json.dumps(
            {"thread": {"0": {"histogram": {str(latency): 100}, "cycles": 100, "max": latency}}}))
    (folder / "guest_cpu").write_text("2.5 5\n")
    (folder / "work").write_text(_METRICS)


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())

    def _run(self, measured):
        host = types.SimpleNamespace(kernel="7.3.4")
        with mock.patch.object(demo.image, "host_image", return_value=host), \
                mock.patch.object(demo.rounds, "run", return_value=measured), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            demo.run(2, 5, ["agent"], self.top / "demo.json", self.top / "demo.svg")
        return said.getvalue()

    def test_recorded_files_become_table_figures_and_plot(self):
        for n in (1, 2):
            for policy, us in (("eevdf", 1000), ("agent", 250), ("rr", 200)):
                _recorded(self.top, n, policy, us)
        said = self._run(rounds.Measured(self.top, True))
        self.assertIn("kernel 7.3.4", said)
        self.assertRegex(said, r"pvsched, agent +0\.25 \(250\)")
        self.assertIn("emulated", said)
        result = json.loads((self.top / "demo.json").read_text())
        self.assertEqual(result["ratios"]["rr"]["guest_us"]["p99"], 0.2)
        self.assertIn("<svg", (self.top / "demo.svg").read_text())

    def test_incomplete_round_is_left_out_with_its_reason(self):
        for n, policies in ((1, ("eevdf", "agent", "rr")), (2, ("eevdf", "rr"))):
            for policy in policies:
                _recorded(self.top, n, policy, 500)
        measured = rounds.Measured(self.top, True)
        measured.deaths[("latency", "busy-1x1", "agent")] = ["silence", "silence"]
        with contextlib.redirect_stderr(io.StringIO()) as told:
            said = self._run(measured)
        self.assertIn("medians of 1 round.", said)
        self.assertRegex(told.getvalue(), "1 of 2 rounds are complete: round 2 has no figures for agent; "
                         "agent was given up: .*silence")

    def test_without_a_complete_round_the_error_has_the_reasons(self):
        _recorded(self.top, 1, "eevdf", 500)
        with self.assertRaisesRegex(LabError, "no complete round: round 1 has no figures for agent"):
            self._run(rounds.Measured(self.top, True))

    def test_failed_run_is_an_error_with_its_reason(self):
        with self.assertRaisesRegex(LabError, "the host died"):
            self._run(rounds.Measured(self.top, trouble="the host died"))


if __name__ == "__main__":
    unittest.main()
