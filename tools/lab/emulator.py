# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""A copy of QEMU without a race that kills emulated hosts and their guests.

QEMU keeps SVM state of a CPU (GIF, nested paging) in the flags word that only this CPU
writes, without locks. But whenever any CPU restores its FPU state, QEMU clears IGNNE# in
CPU 0's word by a non-atomic `and` to memory. A change that CPU 0 makes at that moment is
lost: CPU 0 takes an interrupt with GIF clear, takes none any more, or a guest loses nested
paging and resets. QEMU 10.0 and 11.1 have the race; it shows when many vCPUs are busy.

The copy has an atomic instruction there. IGNNE# is in the lowest byte of the word, so the
byte form of the instruction leaves room for the lock prefix.
"""

import os
import re

from progress import say

_PLAIN = "usr/bin/qemu-system-x86_64"
_PATCHED = "usr/local/lib/pvsched/qemu-system-x86_64"
_IGNNE = 0x80
# andl $~IGNNE, offset(%rax)
_CLEARS = re.compile(rb"\x81\xa0(....)" + re.escape((0xFFFFFFFF ^ _IGNNE).to_bytes(4, "little")), re.S)


def _sets(offset):
    """orl $IGNNE, offset(any register without a longer encoding)"""
    return re.compile(rb"\x81[\x88-\x8b\x8d-\x8f]" + re.escape(offset + _IGNNE.to_bytes(4, "little")), re.S)


def patched(code):
    """The program with the instruction made atomic; None unless it is there exactly once."""
    found = [m for m in _CLEARS.finditer(code) if _sets(m[1]).search(code)]
    if len(found) != 1:
        return None
    offset = found[0][1]
    atomic = b"\xf0\x80\xa0" + offset + bytes([0xFF ^ _IGNNE]) + b"\x66\x90"  # lock andb; 2-byte nop
    return code[:found[0].start()] + atomic + code[found[0].end():]


def program(root):
    """The emulator's path in the build root: the patched copy, or the original if unknown."""
    copy, plain = root.path / _PATCHED, root.path / _PLAIN
    # ctime, because the mtime of a package's file is the time of its build.
    made_from = max(plain.stat().st_ctime, os.stat(__file__).st_mtime)
    if not copy.exists() or copy.stat().st_mtime < made_from:
        code = patched(plain.read_bytes())
        if code is None:
            say("this QEMU is unknown to tools/lab/emulator.py and runs without its patch: emulated hosts may die")
            return f"/{_PLAIN}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        making = copy.with_name(f"{copy.name}-{os.getpid()}")
        making.write_bytes(code)
        making.chmod(0o755)
        making.rename(copy)
    return f"/{_PATCHED}"
