# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The four Debian 13 systems the lab lives in, as lists of packages.

BUILD compiles everything and holds the emulator; HOST is what the host under
test boots; SYSTEM is a host with systemd, AppArmor and libvirt, which installs pvsched's
packages; PACKAGE builds the Debian packages, and has what debian/control names
and no more compilers. A change here makes a new root: its name is a hash of the recipe.
"""

import dataclasses
import hashlib
import re

import packages
from settings import CHECKOUT, KERNEL_WANTED

# QEMU from backports: vfio-user needs >= 10.1. Kernels too: uptr needs >= 6.13.
# bookworm only lends its 6.1 headers.
PREFERENCES = """\
Package: *
Pin: release n=bookworm
Pin-Priority: 50

Package: qemu-* seabios ipxe-qemu libslirp0 linux-kbuild-* linux-headers-* linux-base* \
linux-binary-* linux-modules-* linux-image-* linux-compiler-*
Pin: release n=trixie-backports
Pin-Priority: 600
"""

# libvirt 11.3 of trixie cannot restore a VM of QEMU 11.1.
_SYSTEM_PREFERENCES = PREFERENCES + """
Package: libvirt*
Pin: release n=trixie-backports
Pin-Priority: 600
"""

# clang-tidy 22 spends no time on system headers, so it takes a third of 19's.
_TOOLCHAIN = """
    ca-certificates cmake ninja-build make pkg-config bc git file zstd
    g++ gcc-12 clang llvm clang-format clang-tidy-22 libclang-rt-dev
    libasan8 libubsan1 libtsan2 dwarves bpftool gdb strace
    libbpf-dev libelf-dev zlib1g-dev libabsl-dev libcli11-dev nlohmann-json3-dev
    libtomlplusplus-dev libseccomp-dev libsystemd-dev libcap-ng-dev
    libgtest-dev libgmock-dev libbenchmark-dev
    ccache shellcheck codespell pyflakes3
    """.split()

_EMULATOR = """
    qemu-system-x86 e2fsprogs cpio busybox-static rt-tests stress-ng
    kmod procps util-linux python3-minimal
    """.split()

_HOST = """
    qemu-system-x86 kmod mount procps util-linux jq socat
    rt-tests stress-ng strace bpftool busybox-static
    """.split()

# With the libraries that pvsched's packages depend on: that host has no network.
_SYSTEM = """
    systemd systemd-sysv systemd-container dbus udev apparmor
    libvirt-daemon-system libvirt-clients qemu-system-x86
    kmod mount procps util-linux jq socat busybox-static
    libabsl20240722 libbpf1 libseccomp2 libstdc++6 libsystemd0 libtomlplusplus3t64
    """.split()

# Programs that check the packages and the source, and what the packages depend on.
_PACKAGE = """
    build-essential ccache lintian dkms pahole reuse rpm rpmlint checkpolicy semodule-utils
    systemd passwd zsh man-db
    """.split()


def build_depends(control, with_tests=False):
    """The packages that the text of debian/control names as build dependencies."""
    field = re.search(r"^Build-Depends:(.*?)^(?=\S)", control, re.M | re.S)
    names = [line.strip().rstrip(",") for line in field[1].splitlines()
             if line.strip() and (with_tests or "!nocheck" not in line)]
    # debhelper provides or depends on these, but for one.
    virtual = {"debhelper-compat": "debhelper", "dh-sequence-dkms": "dh-dkms", "dh-sequence-installsysusers": "debhelper"}
    names = [re.split(r"[ :(]", name)[0] for name in names]
    return sorted({virtual.get(name, name) for name in names})


@dataclasses.dataclass(frozen=True)
class Recipe:
    kind: str
    variant: str
    include: tuple
    kernel_headers: bool  # else: image and modules
    preferences: str = dataclasses.field(default=PREFERENCES, repr=False)  # of apt

    def key(self):
        text = repr((self, self.preferences, packages.SUITES, KERNEL_WANTED))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def packages(self, index, kernel):
        if self.kernel_headers:
            extra = [f"linux-headers-{kernel}", *index.oldest_guest_headers()]
        else:
            extra = index.image_packages(kernel)
        return [*self.include, *extra]


BUILD = Recipe("build", "apt", tuple(_TOOLCHAIN + _EMULATOR), True)
HOST = Recipe("host", "essential", tuple(_HOST), False)
SYSTEM = Recipe("system", "apt", tuple(_SYSTEM), False, _SYSTEM_PREFERENCES)
PACKAGE = Recipe("package", "apt", tuple(build_depends((CHECKOUT / "debian/control").read_text()) + _PACKAGE), True)
