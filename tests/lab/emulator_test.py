# SPDX-License-Identifier: Apache-2.0

import unittest

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


if __name__ == "__main__":
    unittest.main()
