# SPDX-License-Identifier: Apache-2.0

import os
import tempfile
import types
import unittest
from pathlib import Path

import emulator

_CLEAR = bytes.fromhex("81a0a4410000" "7fffffff")  # andl $0xffffff7f, 0x41a4(%rax)
_SET = bytes.fromhex("818ba4410000" "80000000")  # orl $0x80, 0x41a4(%rbx)
_OTHER = bytes.fromhex("81a05c0c0000" "7fffffff")  # the same bit of another word, which nothing sets


class MendTest(unittest.TestCase):
    def test_the_bit_is_cleared_by_an_atomic_instruction_of_the_same_length(self):
        mended = emulator.mend(b"before" + _CLEAR + b"between" + _OTHER + _SET)
        # lock andb $0x7f, 0x41a4(%rax); xchg %ax, %ax
        self.assertEqual(mended, b"before" + bytes.fromhex("f080a0a44100007f" "6690") + b"between" + _OTHER + _SET)

    def test_what_is_not_recognized_is_left_alone(self):
        self.assertIsNone(emulator.mend(b"nothing"))
        self.assertIsNone(emulator.mend(_CLEAR))
        self.assertIsNone(emulator.mend(_CLEAR + _CLEAR + _SET))


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

    def test_a_mended_copy_is_made_once(self):
        first = self.copy()
        self.assertEqual(first.read_bytes(), emulator.mend(self.plain.read_bytes()))
        before = first.stat().st_ino
        self.assertEqual(self.copy().stat().st_ino, before)

    def test_another_emulator_gets_a_copy_of_its_own(self):
        first = self.copy()
        os.utime(first, (1, 1))  # made before what follows, beyond doubt
        self.plain.write_bytes(b"two" + _CLEAR + _SET)
        os.utime(self.plain, (0, 0))  # as a package's
        self.assertTrue(self.copy().read_bytes().startswith(b"two"))

    def test_one_that_is_not_recognized_runs_as_it_is(self):
        self.plain.write_bytes(b"unknown")
        self.assertEqual(self.copy(), self.plain)


if __name__ == "__main__":
    unittest.main()
