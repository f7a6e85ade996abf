# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import re
import unittest
from unittest import mock

import guest_kernels
import host_kernels
import nested
import suite
import topology
from settings import NESTED, LabError

_TESTS = ["a", "b", "c", "d", "e", "f"]


def _only(*last):
    return lambda name: name in last


def _boots(tests, seed, is_last, large=()):
    """The boots for tests, of which those in `large` need another host than the default."""
    other = topology.parse("sockets=2,numa")
    return nested.boots(tests, seed, is_last, lambda name: other if name in large else topology.DEFAULT)


class BootsTest(unittest.TestCase):
    def test_without_a_seed_the_order_is_by_name_in_one_boot(self):
        self.assertEqual(_boots(_TESTS, None, _only()), [_TESTS])

    def test_a_test_that_changes_the_host_permanently_is_last(self):
        self.assertEqual(_boots(["a", "b", "c"], None, _only("b")), [["a", "c", "b"]])

    def test_no_test_follows_one_that_changes_the_host_permanently(self):
        self.assertEqual(_boots(["a", "b", "c"], None, _only("a", "b")), [["c", "a"], ["b"]])

    def test_a_seed_gives_an_order_of_its_own_and_the_same_each_time(self):
        first, second = _boots(_TESTS, 1, _only("a")), _boots(_TESTS, 2, _only("a"))
        self.assertNotEqual(first, second)
        self.assertEqual(first, _boots(_TESTS, 1, _only("a")))
        self.assertEqual(sorted(first[0]), _TESTS)
        self.assertEqual(first[0][-1], "a")

    def test_tests_of_another_topology_have_boots_of_their_own(self):
        self.assertEqual(_boots(["a", "b", "c", "d"], None, _only("b"), large=("b", "c")), [["a", "d"], ["c", "b"]])
        self.assertEqual(_boots(["a"], None, _only(), large=("a",)), [["a"]])


class ScriptsTest(unittest.TestCase):
    def test_names_are_of_subjects_not_of_numbers(self):
        for name in nested.names():
            self.assertRegex(name, r"^[a-z]+(-[a-z]+)*$")

    def test_each_script_says_what_it_tests_and_uses_the_library(self):
        for name in nested.names():
            text = (NESTED / f"{name}.sh").read_text()
            self.assertRegex(text, r"\A#!/bin/bash\n# SPDX-[^\n]+\n# Copyright[^\n]+\n#\n# \S", name)
            self.assertIn("\n. /lab/tests/lib.sh\n", text, name)

    def test_scripts_name_only_scripts_that_exist(self):
        for name in nested.names():
            for other in re.findall(r"/lab/tests/(\S+)\.sh", (NESTED / f"{name}.sh").read_text()):
                self.assertTrue((NESTED / f"{other}.sh").exists(), f"{name} names {other}")

    def test_the_library_is_no_test_and_a_pattern_selects_by_name(self):
        self.assertNotIn("lib", nested.names())
        self.assertEqual(nested.names("urgency"), ["urgency"])
        self.assertTrue(all(name.startswith("scx-") for name in nested.names("scx-*")))

    def test_the_declaration_in_the_header_is_found(self):
        self.assertEqual([n for n in nested.names() if nested.is_last_of_boot(n)], ["guest-inheritance", "pvsched-boot"])

    def test_topology_in_the_header_is_found(self):
        self.assertEqual(nested.topology_of("scx-urgency"), topology.DEFAULT)
        self.assertEqual(str(nested.topology_of("scx-numa")), "sockets=2,cores=2,threads=2,numa")

    def test_each_topology_in_a_header_is_valid(self):
        for name in nested.names():
            lines = re.findall(r"^# topology.*$", (NESTED / f"{name}.sh").read_text(), re.M)
            self.assertEqual(lines, [f"# topology: {nested.topology_of(name)}"] if lines else [], name)

    def test_host_kernel_in_the_header_is_found(self):
        self.assertEqual(nested.host_of("host-preempt-rt"), (topology.DEFAULT, "rt"))
        self.assertEqual(nested.host_of("scx-urgency"), (topology.DEFAULT, None))

    def test_bad_topology_names_the_script(self):
        with mock.patch.object(nested, "_TOPOLOGY", re.compile(r"^(#!)")), \
             self.assertRaisesRegex(LabError, "scx-numa.sh: '#!' is no part of a topology"):
            nested.topology_of("scx-numa")


class GuestKernelsTest(unittest.TestCase):
    def test_without_its_kernel_a_test_is_skipped_with_the_reason(self):
        def make(name):
            if name == "rt":
                raise guest_kernels.NoKernel("the mirror has no guest kernel rt")
            return name.upper()

        tests, tally, said = ["plain", "with-rt", "with-old", "on-rt"], suite.Tally(), io.StringIO()
        needs = {"plain": [], "with-rt": ["rt"], "with-old": ["old"], "on-rt": []}
        no_host = mock.Mock(side_effect=host_kernels.NoKernel("the mirror has no host kernel rt"))
        with mock.patch.object(nested, "guest_kernels_of", needs.get), \
             mock.patch.object(nested, "host_kernel_of", {"on-rt": "rt"}.get), \
             mock.patch.object(host_kernels, "make", no_host), \
             mock.patch.object(guest_kernels, "make", make), contextlib.redirect_stdout(said):
            self.assertEqual(nested._made_kernels(tally, tests), {"old": "OLD"})
        self.assertEqual(tests, ["plain", "with-old"])
        self.assertEqual((tally.skipped, tally.failed), (2, 0))
        self.assertEqual(said.getvalue(), "skip with-rt: the mirror has no guest kernel rt\n"
                         "skip on-rt: the mirror has no host kernel rt\n")


class AllKernelsTest(unittest.TestCase):
    def test_the_default_boots_one_other_kernel(self):
        self.assertEqual(nested.guest_kernels_of_all(nested.selected()), ["rt"])

    def test_the_option_boots_each_kernel_that_has_a_name(self):
        self.assertEqual(nested.guest_kernels_of_all(nested.selected("*", True)), sorted(guest_kernels.NAMES))

    def test_tests_that_need_the_option_are_refused_with_its_name(self):
        with self.assertRaisesRegex(LabError, "guest-kernel-oldest run only with --all-kernels"):
            nested.run(suite.Tally(), None, "guest-kernel-oldest")


class OutputTest(unittest.TestCase):
    def test_results_are_collected_across_chunks(self):
        output = nested.Output()
        for chunk in (b"pass urgency 1", b"2\n    a log line\nskip scx-cpu-max 3\nfa", b"il kfunc 4\n"):
            output(chunk)
        self.assertEqual(output.results, [("pass", "urgency"), ("skip", "scx-cpu-max"), ("fail", "kfunc")])

    def test_reason_of_a_failure_is_kept(self):
        output = nested.Output()
        output(b"fail kfunc 4\n    begun\n    FAIL: no boost\npass urgency 1\n    FAIL: of no test\n")
        self.assertEqual(output.reasons, {"kfunc": "no boost"})


if __name__ == "__main__":
    unittest.main()
