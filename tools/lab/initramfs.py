# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The guest's initramfs: busybox, rt-tests and drivers in a cpio archive."""

import stat
import subprocess

from settings import CHECKOUT, INSIDE, OUT

_PROGRAMS = ("usr/bin/cyclictest", "usr/bin/hackbench", "usr/bin/chrt")


class Cpio:
    """Writes the "newc" cpio format, as far as an initramfs needs it."""

    def __init__(self):
        self._parts = []
        self._count = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self._count += 1
        encoded = name.encode() + b"\0"
        fields = (self._count, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % f for f in fields)
        self._parts += [_padded(header + encoded), _padded(data)]

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)


def stripped(root, module):
    """A kernel module without debug information, which is most of its size."""
    small = OUT / module.name
    root.run(["objcopy", "--strip-debug", *(f"/src/{p.relative_to(CHECKOUT)}" for p in (module, small))])
    return small.read_bytes()


def make(root, modules, programs, early=()):
    """The archive, made from files of the build root.

    `modules`: name -> bytes. `programs`: paths of static programs. `early`: (name, bytes) of
    modules that init loads first, in their order.
    """
    cpio = Cpio()
    for folder in ("bin", "dev", "proc", "sys", "tmp", "lib", "lib64", "lib/x86_64-linux-gnu", "early"):
        cpio.add(folder, stat.S_IFDIR | 0o755)
    cpio.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    cpio.add("init", stat.S_IFREG | 0o755, (INSIDE / "guest-init").read_bytes())
    cpio.add("bin/busybox", stat.S_IFREG | 0o755, (root.path / "usr/bin/busybox").read_bytes())
    applets = subprocess.run([root.path / "usr/bin/busybox", "--list"], capture_output=True,
                             text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            cpio.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    for program in _PROGRAMS:
        cpio.add(f"bin/{program.rsplit('/', 1)[1]}", stat.S_IFREG | 0o755, (root.path / program).read_bytes())
    for program in programs:
        cpio.add(f"bin/{program.name}", stat.S_IFREG | 0o755, program.read_bytes())
    for library in root.libraries([f"/{program}" for program in _PROGRAMS]):
        cpio.add(library.removeprefix("usr/"), stat.S_IFREG | 0o755, (root.path / library).read_bytes())
    for name, module in modules.items():
        cpio.add(f"{name}.ko", stat.S_IFREG | 0o644, module)
    for number, (name, module) in enumerate(early):
        cpio.add(f"early/{number:02}-{name}.ko", stat.S_IFREG | 0o644, module)
    return cpio.bytes()
