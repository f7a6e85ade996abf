# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import pathlib
import re
import tempfile
import unittest
from unittest import mock

import guest_kernels
import kernel_packages
import nested
from settings import NESTED

_OFFERS = {"trixie-backports": ("7.3.4+deb13-cloud-amd64", "7.3.4+deb13-rt-amd64", "7.2.12+deb13-rt-amd64"),
           "bookworm": ("6.1.0-50-rt-amd64", "6.1.0-50-cloud-amd64", "6.1.0-47-cloud-amd64")}


def _offers(suites):
    return [kernel_packages.Offer(release, suite, ()) for suite in suites for release in _OFFERS.get(suite, ())]


class NamesTest(unittest.TestCase):
    def _release(self, name):
        with mock.patch.object(kernel_packages, "offers", _offers):
            return guest_kernels.chosen(name).release

    def test_name_is_of_the_newest_kernel_of_its_kind(self):
        self.assertEqual(self._release("rt"), "7.3.4+deb13-rt-amd64")
        self.assertEqual(self._release("oldest"), "6.1.0-50-cloud-amd64")
        self.assertEqual(self._release("oldest-rt"), "6.1.0-50-rt-amd64")

    def test_release_is_a_name(self):
        self.assertEqual(self._release("6.1.0-47-cloud-amd64"), "6.1.0-47-cloud-amd64")

    def test_absent_kernel_is_named_with_what_was_looked_for(self):
        with self.assertRaisesRegex(guest_kernels.NoKernel, r"no guest kernel stable-rt \(\*-rt-amd64 in trixie\)"):
            self._release("stable-rt")

    def test_header_names_kernels_a_line_each(self):
        self.assertEqual(guest_kernels.named_in("#!/bin/sh\n# guest-kernel: rt\n#\n# guest-kernel: oldest\n"), ["rt", "oldest"])
        self.assertEqual(guest_kernels.named_in("echo # guest-kernel: rt\n"), [])

    def test_each_test_names_the_kernels_that_it_boots(self):
        for name in nested.names():
            text = (NESTED / f"{name}.sh").read_text()
            self.assertLessEqual(set(re.findall(r"lab-guest start .*--kernel (\S+)", text)),
                                 set(guest_kernels.named_in(text)), name)


class HeadersTest(unittest.TestCase):
    def test_sources_are_found_among_the_dependencies(self):
        self.assertEqual(guest_kernels.sources(
            "gcc-14-for-host, linux-base (>= 4.12~), linux-headers-7.3.4+deb13-common (= 7.3.4-1), "
            "linux-image-7.3.4-rt-amd64 (= 7.3.4-1) | linux-image-7.3.4-rt-amd64-unsigned (= 7.3.4-1), linux-kbuild-7.3.4+deb13\n"),
            ["linux-headers-7.3.4+deb13-common", "linux-kbuild-7.3.4+deb13"])

    def test_makefile_names_the_folder_in_the_build_root(self):
        with tempfile.TemporaryDirectory() as top:
            folder = pathlib.Path(top) / "usr/src/linux-headers-7"
            folder.mkdir(parents=True)
            (folder / "Makefile").write_text("KBUILD_OUTPUT=/usr/src/linux-headers-7\ninclude /usr/src/linux-headers-7-common/Makefile\n")
            (folder / ".config").write_text("CONFIG_PCI=y\n")
            self.assertEqual(guest_kernels._relocate(pathlib.Path(top), "7"), "CONFIG_PCI=y\n")
            self.assertEqual((folder / "Makefile").read_text(),
                             "KBUILD_OUTPUT=/tmp/kernel-headers/usr/src/linux-headers-7\n"
                             "include /tmp/kernel-headers/usr/src/linux-headers-7-common/Makefile\n")


if __name__ == "__main__":
    unittest.main()
