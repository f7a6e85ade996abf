# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import re
import sys
import unittest
from unittest import mock

import main
import topology
from topology import Topology


class ParseTest(unittest.TestCase):
    def test_counts_and_numa_in_any_order(self):
        self.assertEqual(topology.parse("sockets=2,cores=2,threads=2"), Topology(2, 2, 2))
        self.assertEqual(topology.parse("numa,threads=2,sockets=2"), Topology(2, 1, 2, True))
        self.assertEqual(topology.parse("cores=2"), topology.DEFAULT)

    def test_text_of_a_topology_gives_the_same_topology(self):
        for one in (topology.DEFAULT, topology.ONE_CPU, Topology(2, 2, 2, True)):
            self.assertEqual(topology.parse(str(one)), one)

    def _refused(self, text, sentence):
        with self.assertRaisesRegex(ValueError, sentence):
            topology.parse(text)

    def test_unknown_and_repeated_parts_are_refused_with_the_syntax(self):
        for text in ("", "8", "nodes=2", "cores=2,", "numa,numa,sockets=2"):
            self._refused(text, "is no part of a topology: use sockets=N,cores=N,threads=N")
        self._refused("cores=2,cores=4", "'cores' is there twice")

    def test_counts_that_are_no_positive_integers_are_refused(self):
        for count in ("0", "-1", "two", "", "1.5"):
            self._refused(f"cores={count}", f"cores takes a positive integer, not '{count}'")

    def test_numa_needs_sockets(self):
        self._refused("cores=4,numa", "use at least sockets=2")

    def test_too_many_cpus_are_refused(self):
        self._refused("sockets=8,cores=8,threads=2", "has 128 CPUs: use at most 64")


class QemuTest(unittest.TestCase):
    def test_default_is_two_cores_without_nodes(self):
        self.assertEqual(topology.DEFAULT.qemu(), ["-smp", "2,sockets=1,cores=2,threads=1", "-m", "3072M"])

    def test_each_socket_is_a_node_with_its_cpus(self):
        options = Topology(2, 2, 2, True).qemu()
        self.assertEqual(re.findall(r"nodeid=(\d),cpus=([\d-]+),memdev=(\w+)", " ".join(options)),
                         [("0", "0-3", "node0"), ("1", "4-7", "node1")])

    def test_sum_of_the_nodes_is_the_memory_of_the_machine(self):
        for sockets in (2, 5, 7):
            sizes = re.findall(r"size=(\d+)M", " ".join(Topology(sockets, numa=True).qemu()))
            self.assertEqual(len(sizes), sockets)
            self.assertEqual(sum(map(int, sizes)), topology.MEMORY_MIB)

    def test_node_of_one_cpu_is_no_range(self):
        self.assertIn("node,nodeid=1,cpus=1,memdev=node1", Topology(2, numa=True).qemu())


class CommandLineTest(unittest.TestCase):
    def test_bad_topology_is_a_usage_error_of_one_line(self):
        said = io.StringIO()
        with mock.patch.object(sys, "argv", ["./lab", "exec", "--topology", "cpus=8", "-"]), \
             contextlib.redirect_stderr(said), mock.patch("signal.signal"):
            self.assertEqual(main.main(), 2)
        self.assertIn("'cpus=8' is no part of a topology", said.getvalue())
        self.assertEqual(said.getvalue().count("\n"), 1)

    def test_title_names_what_the_topology_has(self):
        self.assertEqual(topology.DEFAULT.title(), "2 CPUs")
        self.assertEqual(Topology(2, 2, 2, True).title(), "8 CPUs (2 sockets, SMT), 2 nodes")


if __name__ == "__main__":
    unittest.main()
