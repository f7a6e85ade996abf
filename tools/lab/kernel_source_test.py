# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of kernel_source.py, with a small package in the kernel sources' form."""

import contextlib
import io
import pathlib
import subprocess
import tarfile
import tempfile
import unittest
from unittest import mock

import kernel_source
from settings import LabError


class Root:
    kernel = "7.3.4+deb13-cloud-amd64"

    def __init__(self, path):
        self.path = path

    def run(self, _argv, **_options):
        return mock.Mock(returncode=0, stdout="7.3.4-1")


def package(folder, files):
    """A .deb that holds usr/src/linux-source-7.3.tar.xz with `files` in it."""
    source = folder / "deb/usr/src"
    source.mkdir(parents=True)
    with tarfile.open(source / "linux-source-7.3.tar.xz", "w:xz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"linux-source-7.3/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    control = folder / "deb/DEBIAN"
    control.mkdir()
    (control / "control").write_text("Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: a\n",
                                     encoding="ascii")
    subprocess.run(["dpkg-deb", "--build", str(folder / "deb"), str(folder / "a.deb")], check=True, capture_output=True)
    return folder / "a.deb"


class KernelSourceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "root/usr/local/bin").mkdir(parents=True)
        self.root = Root(self.folder / "root")

    def install(self, files):
        deb = package(self.folder, files)
        with mock.patch.object(kernel_source, "CACHE", self.folder / "cache"), \
                mock.patch.object(kernel_source.packages, "fetch", return_value=deb) as fetch, \
                contextlib.redirect_stderr(io.StringIO()):
            kernel_source.install_checkpatch(self.root)
            (self.root.path / "usr/local/bin/checkpatch.pl").unlink()  # as in a new root of the same kernel
            kernel_source.install_checkpatch(self.root)
        return fetch

    def test_checkpatch_stands_in_the_path_and_its_word_lists_beside_it(self):
        fetch = self.install({"scripts/checkpatch.pl": b"one", "scripts/spelling.txt": b"two",
                              "scripts/const_structs.checkpatch": b"three", "kernel/sched/core.c": b"four"})
        link = self.root.path / "usr/local/bin/checkpatch.pl"
        library = self.root.path / "usr/local/lib/checkpatch"
        self.assertEqual(str(link.readlink()), "/usr/local/lib/checkpatch/checkpatch.pl")
        self.assertEqual((library / "checkpatch.pl").read_text(), "one")
        self.assertEqual(sorted(p.name for p in library.iterdir()),
                         ["checkpatch.pl", "const_structs.checkpatch", "spelling.txt"])
        fetch.assert_called_once_with("linux-source-7.3", "7.3.4-1", self.folder / "cache/sources")

    def test_package_without_checkpatch_is_an_error(self):
        with self.assertRaisesRegex(LabError, "have no scripts/checkpatch.pl"):
            self.install({"kernel/sched/core.c": b"four"})


if __name__ == "__main__":
    unittest.main()
