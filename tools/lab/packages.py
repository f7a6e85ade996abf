# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The machine's Debian mirror and the kernels on it."""

import contextlib
import functools
import os
import re
import subprocess
import tempfile

from progress import step
from settings import KERNEL_WANTED, LabError

SUITES = ("trixie", "trixie-updates", "trixie-backports", "bookworm")
OLDEST_HOST_KERNEL = (6, 13)  # as in host_check.cc (facts_test.py): uptr in task storage
OLDEST_GUEST_KERNEL = (6, 1)
OLDEST_QEMU = (10, 1)  # vfio-user-pci
FLAVOUR = "cloud-amd64"


def mirror():
    """The URI of Debian in this machine's apt sources."""
    if not os.path.exists("/usr/bin/apt-get"):
        raise LabError("the lab needs Debian packages, but this machine has no apt-get: "
                       "run it on Debian 12 or 13")
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)",
         "Created-By: Packages"], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        origin, _, rest = line.partition(" ")
        codename, _, uri = rest.partition(" ")
        if origin == "Debian" and "-" not in codename and uri.startswith(("http", "file", "copy")):
            return uri.rstrip("/")
    raise LabError("apt knows no Debian mirror on this machine: "
                   "run apt-get update, with Debian's main archive in sources.list")


def sources(uri, suites=SUITES):
    return [f"deb {uri} {suite} main" for suite in suites]


@contextlib.contextmanager
def lists(uri, suites=SUITES):
    """Options for apt that select the mirror's package lists, not the machine's apt state."""
    with tempfile.TemporaryDirectory(prefix="pvsched-lab-apt-") as top:
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(top, folder))
        with open(os.path.join(top, "sources"), "w", encoding="ascii") as file:
            file.write("\n".join(sources(uri, suites)) + "\n")
        options = [f"-oDir::State::lists={top}/lists", f"-oDir::Cache={top}/cache",
                   f"-oDir::Etc::sourcelist={top}/sources", "-oDir::Etc::sourceparts=/dev/null",
                   "-oDir::State::status=/dev/null", "-oAcquire::Languages=none",
                   "-oAPT::Sandbox::User=root"]
        update = subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True, check=False)
        if update.returncode:
            raise LabError(f"apt could not read the package lists of {uri}: "
                           f"{update.stderr.strip().splitlines()[-1:]}")
        yield options


def fetch(package, version, folder):
    """Downloads a package in that version, unless it is in `folder`. Returns the file."""
    def found():
        return next(folder.glob(f"{package}_{version}_*.deb"), None)

    if found():
        return found()
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.glob(f"{package}_*.deb"):  # of an earlier kernel
        other.unlink()
    with step(f"fetching {package} {version}"), lists(mirror()) as options:
        done = subprocess.run(["apt-get", *options, "download", f"{package}={version}"], cwd=folder,
                              capture_output=True, text=True, check=False)
    if done.returncode or not found():
        raise LabError(f"the mirror has no {package} {version}, the version of the lab's kernel: "
                       f"{done.stderr.strip().splitlines()[-1:]}")
    return found()


def without_content(shown):
    """The packages in the output of `apt-cache show` that only depend on others.

    An old kernel's linux-image- may stay on the mirror though the packages with its image left.
    """
    found = re.findall(r"^Package: (\S+)$.*?^Installed-Size: (\d+)$", shown, re.M | re.S)
    return {name for name, kib in found if int(kib) < 1024}


@functools.lru_cache
def index(uri, suites=SUITES):
    """The mirror's Index, read once by each lab."""
    return Index(uri, suites)


class Index:
    """The package names on the mirror."""

    def __init__(self, uri, suites=SUITES):
        with lists(uri, suites) as options:
            names = subprocess.run(["apt-cache", *options, "pkgnames", "linux-"],
                                   capture_output=True, text=True, check=True)
            images = [n for n in names.stdout.split() if re.match(r"linux-image-\d", n)]
            shown = subprocess.run(["apt-cache", *options, "show", *images], capture_output=True, text=True,
                                   check=False)
        self.names = set(names.stdout.split()) - without_content(shown.stdout)

    def _versions(self, pattern):
        """The versions that `pattern` matches in the names, newest first."""
        found = {m.group(1) for name in self.names if (m := re.fullmatch(pattern, name))}
        return sorted(found, key=version_key, reverse=True)

    def kernels(self):
        """Releases (uname -r) with an image, modules and headers, newest first."""
        usable = [v for v in self._versions(rf"linux-headers-(\d.*-{FLAVOUR})")
                  if version_key(v)[:2] >= OLDEST_HOST_KERNEL and self.image_packages(v)]
        if KERNEL_WANTED:
            usable = [v for v in usable if v == KERNEL_WANTED
                      or v == f"{KERNEL_WANTED}-{FLAVOUR}" or v.startswith(f"{KERNEL_WANTED}+")]
            if not usable:
                raise LabError(f"the mirror has no {FLAVOUR} kernel PVSCHED_LAB_KERNEL={KERNEL_WANTED}: "
                               "give a version such as 7.3.4, or leave it unset")
        if not usable:
            raise LabError(f"the mirror has no {FLAVOUR} kernel {oldest_host_kernel()} or newer with its headers: "
                           "does it carry trixie-backports?")
        return usable

    def image_packages(self, version):
        """The packages of a kernel's image and modules: one or two, depending on the kernel."""
        if f"linux-modules-{version}" in self.names:
            for image in (f"linux-binary-{version}", f"linux-binary-unsigned-{version}"):
                if image in self.names:
                    return [image, f"linux-modules-{version}"]
        for image in (f"linux-image-{version}", f"linux-image-{version}-unsigned"):
            if image in self.names:
                return [image]
        return []

    def oldest_guest_headers(self):
        """Headers of the oldest kernel that a guest may have, Debian 12's; [] if the mirror has none."""
        major, minor = OLDEST_GUEST_KERNEL
        newest = self._versions(rf"linux-headers-({major}\.{minor}\.0-\d+-{FLAVOUR})")[:1]
        return [f"linux-headers-{v}" for v in newest]


def oldest_host_kernel():
    return ".".join(str(n) for n in OLDEST_HOST_KERNEL)


def version_key(version):
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0].replace(FLAVOUR, "")))
