# SPDX-License-Identifier: Apache-2.0
"""The emulator without a race that kills emulated hosts.

QEMU keeps what SVM needs of a CPU's state (whether it takes interrupts, GIF; whether a
guest on it has nested paging) in one word, its CPU's own, without locks. But whenever any
CPU restores its FPU's state, that is, at each switch to a user process, it clears IGNNE#,
a bit in that word of CPU 0, by an `and` to memory that is not atomic. What CPU 0 changes at
that moment is lost: an interrupt comes where the host must have none, or no interrupt comes
any more, or a guest goes on without nested paging and is reset. 10.0.13 and 11.1.3 have it: with
eight busy vCPUs a host lived for one or two minutes.

That one instruction is made atomic here, in a copy: a shorter form of it (the bit is in
the word's lowest byte) leaves room for the prefix.
"""

import os
import re

from progress import say

_PLAIN = "usr/bin/qemu-system-x86_64"
_MENDED = "usr/local/lib/pvsched/qemu-system-x86_64"
_IGNNE = 0x80
# andl $~IGNNE, offset(%rax)
_CLEARS = re.compile(rb"\x81\xa0(....)" + re.escape((0xFFFFFFFF ^ _IGNNE).to_bytes(4, "little")), re.S)


def _sets(offset):
    """orl $IGNNE, offset(any register but those that need a longer form)"""
    return re.compile(rb"\x81[\x88-\x8b\x8d-\x8f]" + re.escape(offset + _IGNNE.to_bytes(4, "little")), re.S)


def mend(code):
    """The program with the instruction made atomic; None if it is not there, exactly once."""
    found = [m for m in _CLEARS.finditer(code) if _sets(m[1]).search(code)]
    if len(found) != 1:
        return None
    offset = found[0][1]
    atomic = b"\xf0\x80\xa0" + offset + bytes([0xFF ^ _IGNNE]) + b"\x66\x90"  # lock andb; a nop of two bytes
    return code[:found[0].start()] + atomic + code[found[0].end():]


def program(root):
    """The emulator's path in the build root: the mended copy, or else the plain one."""
    copy, plain = root.path / _MENDED, root.path / _PLAIN
    # The change time, as a package's files have the modification time of their build.
    made_from = max(plain.stat().st_ctime, os.stat(__file__).st_mtime)
    if not copy.exists() or copy.stat().st_mtime < made_from:
        code = mend(plain.read_bytes())
        if code is None:
            say("this QEMU is not known to the lab (see tools/lab/emulator.py): its emulated hosts may die")
            return f"/{_PLAIN}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        making = copy.with_name(f"{copy.name}-{os.getpid()}")
        making.write_bytes(code)
        making.chmod(0o755)
        making.rename(copy)
    return f"/{_MENDED}"
