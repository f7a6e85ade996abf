# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import initramfs
import packages
import recipes


def _index(*names):
    index = packages.Index.__new__(packages.Index)
    index.names = set(names)
    return index


class KernelTest(unittest.TestCase):
    def test_versions_are_compared_as_numbers(self):
        index = _index("linux-headers-6.18.9+deb13-cloud-amd64", "linux-image-6.18.9+deb13-cloud-amd64",
                       "linux-headers-6.18.15+deb13-cloud-amd64", "linux-image-6.18.15+deb13-cloud-amd64")
        self.assertEqual(index.kernels(), ["6.18.15+deb13-cloud-amd64", "6.18.9+deb13-cloud-amd64"])

    def test_old_kernels_and_headers_without_an_image_are_skipped(self):
        index = _index("linux-headers-7.3.4+deb13-cloud-amd64",
                       "linux-headers-6.12.94+deb13-cloud-amd64", "linux-image-6.12.94+deb13-cloud-amd64",
                       "linux-headers-7.2.6+deb13-cloud-amd64", "linux-modules-7.2.6+deb13-cloud-amd64",
                       "linux-binary-unsigned-7.2.6+deb13-cloud-amd64")
        self.assertEqual(index.kernels(), ["7.2.6+deb13-cloud-amd64"])
        self.assertEqual(index.image_packages("7.2.6+deb13-cloud-amd64"),
                         ["linux-binary-unsigned-7.2.6+deb13-cloud-amd64",
                          "linux-modules-7.2.6+deb13-cloud-amd64"])

    def test_image_package_without_an_image_is_skipped(self):
        shown = ("Package: linux-image-7.1.13+deb13-amd64\nVersion: 7.1.13-1\nInstalled-Size: 15\nDepends: x\n\n"
                 "Package: linux-image-6.18.15+deb13-amd64\nInstalled-Size: 98765\n")
        self.assertEqual(packages.without_content(shown), {"linux-image-7.1.13+deb13-amd64"})

    def test_the_oldest_guest_kernel_is_the_newest_of_6_1(self):
        index = _index("linux-headers-6.1.0-47-cloud-amd64", "linux-headers-6.1.0-50-cloud-amd64")
        self.assertEqual(index.oldest_guest_headers(), ["linux-headers-6.1.0-50-cloud-amd64"])


class BuildDependsTest(unittest.TestCase):
    def test_versions_profiles_and_virtual_packages_are_resolved(self):
        control = ("Source: x\nBuild-Depends:\n clang,\n debhelper-compat (= 13),\n dh-sequence-dkms,\n"
                   " libgtest-dev <!nocheck>,\n libbpf-dev (>= 1:1.5),\n python3:any,\nStandards-Version: 4\n")
        self.assertEqual(recipes.build_depends(control), ["clang", "debhelper", "dh-dkms", "libbpf-dev", "python3"])
        self.assertIn("libgtest-dev", recipes.build_depends(control, with_tests=True))


class CpioTest(unittest.TestCase):
    def test_entries_are_padded_to_four_bytes_and_end_with_the_trailer(self):
        cpio = initramfs.Cpio()
        cpio.add("a", 0o100644, b"xyz")
        data = cpio.bytes()
        self.assertEqual(len(data) % 4, 0)
        self.assertEqual(data[:6], b"070701")
        self.assertEqual(data[110:112], b"a\0")
        self.assertEqual(data[112:115], b"xyz")
        self.assertIn(b"TRAILER!!!\0", data)


if __name__ == "__main__":
    unittest.main()
