# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Kernels for guests besides the host's own: image, headers, pvsched.ko and an initramfs.

A script that needs one has a line in its header, such as "# guest-kernel: rt". Its guests
boot it by `lab-guest start NAME --kernel rt`.
"""

import dataclasses
import fnmatch
import functools
import pathlib
import re
import subprocess
import tempfile

import build
import initramfs
import kernel_packages
import packages
import roots
from settings import BUILD, LabError

_LINE = re.compile(r"^# guest-kernel: (\S+)$", re.M)
_OLDEST = ".".join(str(n) for n in packages.OLDEST_GUEST_KERNEL)
# Name -> suites of the mirror, and a pattern of releases (uname -r), of which the newest is used.
_NAMED = {
    "rt": (("trixie-backports",), "*-rt-amd64"),
    "stable": (("trixie",), "*-cloud-amd64"),
    "stable-rt": (("trixie",), "*-rt-amd64"),
    "oldest": (("bookworm",), f"{_OLDEST}.*-cloud-amd64"),
    "oldest-rt": (("bookworm",), f"{_OLDEST}.*-rt-amd64"),
}
NAMES = tuple(_NAMED)
# The lab talks with a guest through them. Some kernels have them as modules.
_VIRTIO = ("virtio_pci", "virtio_console")
_UNPACKED = "/tmp/kernel-headers"  # in the build root, whose /tmp is private


class NoKernel(LabError):
    """The mirror does not have the kernel."""


@dataclasses.dataclass(frozen=True)
class GuestKernel:
    name: str  # for lab-guest start --kernel
    release: str
    folder: pathlib.Path  # in the cache

    def image(self):
        return (self.folder / "vmlinux").read_bytes()

    def initramfs(self, root):
        modules = {"pvsched": initramfs.stripped(root, build.module_path("pvsched", self.release))}
        files = kernel_packages.KernelFiles(self.folder)
        return initramfs.make(root, modules, [BUILD / "bin" / name for name in build.GUEST_PROGRAMS],
                              [(name, files.module(name)) for name in files.load_order()])


def named_in(text):
    """The names of the kernels that a script's header asks for."""
    return _LINE.findall(text)


@functools.cache
def make(name):
    """The kernel with this name, or of this release, downloaded unless it is in the cache; its pvsched.ko is built."""
    offer = chosen(name)
    kept = kernel_packages.kept("guest-kernels", "guest kernel", offer, _fetch)
    build.guest_driver(roots.build_root(), offer.release, kept / "headers", _UNPACKED)
    return GuestKernel(name, offer.release, kept)


def chosen(name):
    """The kernel of the mirror that has this name or release."""
    suites, pattern = _NAMED.get(name, (kernel_packages.SUITES, name))
    for offer in kernel_packages.offers(suites):
        if fnmatch.fnmatchcase(offer.release, pattern):
            return offer
    raise NoKernel(f"the mirror has no guest kernel {name} ({pattern} in {', '.join(suites)})")


def _fetch(offer, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, \
         packages.lists(packages.mirror(), (offer.suite,)) as options:
        top = pathlib.Path(folder)
        headers = kernel_packages.download(options, [f"linux-headers-{offer.release}"], top / "headers")
        depends = subprocess.run(["dpkg-deb", "-f", headers[0], "Depends"], capture_output=True, text=True, check=True)
        headers += kernel_packages.download(options, sources(depends.stdout), top / "others")
        for deb in headers:
            subprocess.run(["dpkg-deb", "-x", deb, target / "headers"], check=True)
        config = _relocate(target / "headers", offer.release)
        # The package of an image may have the modules, too, or another one has them: 100 MB.
        has_virtio = all(f"\nCONFIG_{name.upper()}=y\n" in config for name in _VIRTIO)
        wanted = offer.packages[:1] if has_virtio else offer.packages
        kernel_packages.unpack(kernel_packages.download(options, wanted, top / "image"), offer.release, target,
                               () if has_virtio else _VIRTIO)


def sources(depends):
    """The packages of the kernel's sources in the field Depends of its headers."""
    return re.findall(r"\blinux-(?:headers|kbuild)-[^\s,|]+", depends)


def _relocate(headers, release):
    """Lets the headers work below _UNPACKED. Returns the kernel's configuration."""
    folder = headers / f"usr/src/linux-headers-{release}"
    makefile = folder / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{_UNPACKED}/usr/src/"))
    return (folder / ".config").read_text()
