# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import argparse
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import switch_cost
from bench import peers, policies, run, schedule, suites
from settings import UsageError


def _elf(machine=62):
    path = pathlib.Path(tempfile.mkdtemp()) / "scheduler"
    path.write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(100))
    return path


class ParseTest(unittest.TestCase):
    def _refused(self, text, sentence):
        with self.assertRaisesRegex(argparse.ArgumentTypeError, sentence):
            peers.parse(text)

    def test_name_and_program(self):
        path = _elf()
        self.assertEqual(peers.parse(f"bpfland={path}"), ("bpfland", path))

    def test_text_without_a_name_or_a_program_is_refused(self):
        for text in ("bpfland", "=scheduler", "bpfland=", "Bpf land=scheduler", "../x=scheduler"):
            self._refused(text, "is not NAME=PROGRAM")

    def test_name_of_a_policy_is_refused(self):
        self._refused(f"scx={_elf()}", "'scx' is a policy of the bench")

    def test_program_that_cannot_run_on_the_host_is_refused(self):
        self._refused("bpfland=/nowhere/scx_bpfland", "/nowhere/scx_bpfland is not a file")
        self._refused(f"bpfland={_elf(183)}", "is no program for x86-64")
        self._refused(f"bpfland={__file__}", "is no program for x86-64")


@mock.patch.dict(policies.POLICIES)
class PolicyTest(unittest.TestCase):
    def test_peer_is_compared_where_other_schedulers_are(self):
        peers.add([("bpfland", _elf())])
        plan = schedule.blocks(policies.chosen(["scx", "bpfland"]), suites.cases(suites.SUITES), 1, 1)
        measured = {(b.case.suite, b.case.name) for b in plan if "bpfland" in b.order}
        self.assertLessEqual({("latency", "busy-1x1"), ("latency", "busy-1x4"), ("numa", "busy-1x2")}, measured)
        self.assertNotIn(("overhead", "guest-1x1"), measured)
        self.assertNotIn(("boot", "huge-pages"), measured)

    def test_peer_is_measured_though_other_policies_are_named(self):
        options = run.Options([], ["scx"], 1, 5, 1, None, None, "", peers=(("bpfland", _elf()),))
        self.assertEqual(options.names(), ["scx", "bpfland"])

    def test_peer_is_not_built_from_the_sources_of_the_kernel(self):
        peers.add([("bpfland", _elf())])
        self.assertEqual(policies.of_kernel(["eevdf", "bpfland", "scx_simple"]), ["scx_simple"])

    def test_peer_is_counted_in_instructions_too(self):
        peers.add([("bpfland", _elf())])
        self.assertEqual(switch_cost.chosen(["scx", "bpfland"]), ["eevdf", "scx", "bpfland"])

    def test_two_peers_of_one_name_are_refused(self):
        with self.assertRaisesRegex(UsageError, "--peer bpfland is there twice"):
            peers.add([("bpfland", _elf()), ("bpfland", _elf())])

    def test_missing_library_is_named(self):
        root = mock.Mock()
        root.run.return_value = mock.Mock(stdout="\tlibz3.so.4 => not found\n", stderr="")
        with mock.patch.object(peers, "BUILD", peers.CHECKOUT / "build"), mock.patch("shutil.copyfile"), \
             mock.patch("pathlib.Path.chmod"), mock.patch("pathlib.Path.mkdir"), \
             self.assertRaisesRegex(UsageError, "lacks a library that .* needs: libz3.so.4"):
            peers.programs([("bpfland", pathlib.Path(sys.executable))], root)


if __name__ == "__main__":
    unittest.main()
