# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Kernels of the Debian mirror for the host under test, besides its own.

A nested test that needs one has a line in its header, such as "# host-kernel: rt". The
host's disk stays as it is: an initramfs loads the kernel's modules before the disk's init
starts. pvsched_host.ko is not built for these kernels, so the actuator kfunc is not there.
"""

import dataclasses
import fnmatch
import functools
import pathlib
import re
import stat
import tempfile

import initramfs
import kernel_packages
import packages
import roots
from settings import INSIDE, LabError

_LINE = re.compile(r"^# host-kernel: (\S+)$", re.M)
_NAMED = {"rt": (("trixie-backports",), "*-rt-amd64")}  # as in guest_kernels
# For the host's disks and the lab's channels. Some kernels have them built in.
_MODULES = ("nvme", "ext4", "virtio_pci", "virtio_blk", "virtio_console", "kvm", "kvm_amd")
_APPLETS = ("sh", "mount", "umount", "mkdir", "insmod", "sleep", "switch_root")
# KVM of a PREEMPT_RT kernel wants it, and emulated processors lack it.
OPTIONS = "setcpuid=constant_tsc"


class NoKernel(LabError):
    """The mirror does not have the kernel."""


@dataclasses.dataclass(frozen=True)
class HostKernel:
    name: str
    release: str
    folder: pathlib.Path  # in the cache

    @property
    def image(self):
        return self.folder / "vmlinux"

    def initramfs(self):
        files, cpio = kernel_packages.KernelFiles(self.folder), initramfs.Cpio()
        for folder in ("bin", "dev", "proc", "sys", "root", "modules"):
            cpio.add(folder, stat.S_IFDIR | 0o755)
        cpio.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        cpio.add("init", stat.S_IFREG | 0o755, (INSIDE / "host-kernel-init").read_bytes())
        cpio.add("bin/busybox", stat.S_IFREG | 0o755, (roots.build_root().path / "usr/bin/busybox").read_bytes())
        for applet in _APPLETS:
            cpio.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
        order = files.load_order()
        for name in order:
            cpio.add(f"modules/{name}", stat.S_IFREG | 0o644, files.module(name))
        cpio.add("modules/order", stat.S_IFREG | 0o644, "".join(f"{name}\n" for name in order).encode())
        return cpio.bytes()


def named_in(text):
    """The name of the kernel that a script's header asks for, or None."""
    found = _LINE.findall(text)
    return found[0] if found else None


@functools.cache
def make(name):
    """The kernel with this name, downloaded unless it is in the cache."""
    suites, pattern = _NAMED[name]
    for offer in kernel_packages.offers(suites):
        if fnmatch.fnmatchcase(offer.release, pattern):
            return HostKernel(name, offer.release, kernel_packages.kept("host-kernels", "host kernel", offer, _fetch))
    raise NoKernel(f"the mirror has no host kernel {name} ({pattern} in {', '.join(suites)})")


def _fetch(offer, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with packages.lists(packages.mirror(), (offer.suite,)) as options:
            debs = kernel_packages.download(options, offer.packages, pathlib.Path(folder))
        kernel_packages.unpack(debs, offer.release, target, _MODULES)
