# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import os
import tempfile
import types
import unittest
from pathlib import Path

import emulator

_CLEAR = bytes.fromhex("81a0a4410000" "7fffffff")  # andl $0xffffff7f, 0x41a4(%rax)
_SET = bytes.fromhex("818ba4410000" "80000000")  # orl $0x80, 0x41a4(%rbx)
_OTHER = bytes.fromhex("81a05c0c0000" "7fffffff")  # the same bit of another word, which no code sets


class PatchedTest(unittest.TestCase):
    def test_the_bit_is_cleared_by_an_atomic_instruction_of_the_same_length(self):
        patched = emulator.patched(b"before" + _CLEAR + b"between" + _OTHER + _SET)
        # lock andb $0x7f, 0x41a4(%rax); xchg %ax, %ax
        self.assertEqual(patched, b"before" + bytes.fromhex("f080a0a44100007f" "6690") + b"between" + _OTHER + _SET)

    def test_an_unknown_program_is_not_patched(self):
        self.assertIsNone(emulator.patched(b"nothing"))
        self.assertIsNone(emulator.patched(_CLEAR))
        self.assertIsNone(emulator.patched(_CLEAR + _CLEAR + _SET))


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = types.SimpleNamespace(path=Path(folder.name))
        self.plain = self.root.path / "usr/bin/qemu-system-x86_64"
        self.plain.parent.mkdir(parents=True)
        self.plain.write_bytes(b"one" + _CLEAR + _SET)

    def copy(self):
        return self.root.path / emulator.program(self.root).lstrip("/")

    def test_a_patched_copy_is_made_once(self):
        first = self.copy()
        self.assertEqual(first.read_bytes(), emulator.patched(self.plain.read_bytes()))
        before = first.stat().st_ino
        self.assertEqual(self.copy().stat().st_ino, before)

    def test_an_upgraded_emulator_is_patched_again(self):
        first = self.copy()
        os.utime(first, (1, 1))  # certainly older than the upgrade
        self.plain.write_bytes(b"two" + _CLEAR + _SET)
        os.utime(self.plain, (0, 0))  # like a package's file
        self.assertTrue(self.copy().read_bytes().startswith(b"two"))

    def test_an_unknown_emulator_runs_unpatched(self):
        self.plain.write_bytes(b"unknown")
        self.assertEqual(self.copy(), self.plain)


if __name__ == "__main__":
    unittest.main()
