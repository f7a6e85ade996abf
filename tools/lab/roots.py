# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Debian roots: made from a recipe, cached by its hash, used through a chroot."""

import fcntl
import json
import os
import re
import subprocess
import time

import packages
from lock import exclusive
from progress import say, step
from recipes import BUILD, HOST, PACKAGE, SYSTEM
from settings import CACHE, CHECKOUT, LAB, LabError, require_root

_KEEP = 2  # roots of a kind: for this checkout and for one other branch
_ABOUT = "etc/pvsched-lab.json"


class Root:
    """A complete root. A lock prevents its removal while this process lives."""

    def __init__(self, path):
        self.path = path
        self._lock = os.open(path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        os.set_inheritable(self._lock, True)  # also across exec
        os.utime(path)
        self.kernel = json.loads((path / _ABOUT).read_text())["kernel"]

    def command(self, argv, binds=()):
        """The command line that runs argv in the root, with the checkout at /src."""
        return ["unshare", "--mount", "--propagation", "private", "sh", str(LAB / "enter.sh"),
                str(self.path), f"{CHECKOUT}:/src", *(f"{a}:{b}" for a, b in binds), "--", *argv]

    def run(self, argv, binds=(), **options):
        return subprocess.run(self.command(argv, binds), check=False, pass_fds=(self._lock,), **options)

    def libraries(self, programs):
        """The shared libraries that programs need. All paths are relative to the root."""
        listed = self.run(["ldd", *programs], capture_output=True, text=True)
        return sorted({"usr" + name for name in re.findall(r"(/lib\S+)(?= \()", listed.stdout)})


def build_root():
    return _root(BUILD, lambda index: index.kernels())


def existing_build_root():
    """The build root if it has been made and this user may enter it; else None."""
    path = CACHE / "roots" / f"{BUILD.kind}-{BUILD.key()}"
    return Root(path) if os.geteuid() == 0 and path.exists() else None


def host_root():
    """The root of the host under test, with the kernel of the build root's headers."""
    kernel = build_root().kernel
    return _root(HOST, lambda index: [kernel], suffix=f"-{kernel}")


def system_root():
    """The root of the host with systemd and libvirt, with the same kernel."""
    kernel = build_root().kernel
    return _root(SYSTEM, lambda index: [kernel], suffix=f"-{kernel}")


def package_root():
    """The root that builds the Debian packages, with the kernel headers of the build root."""
    kernel = build_root().kernel
    return _root(PACKAGE, lambda index: [kernel], suffix=f"-{kernel}")


def _root(recipe, candidates, suffix=""):
    require_root()
    roots = CACHE / "roots"
    roots.mkdir(parents=True, exist_ok=True)
    path = roots / f"{recipe.kind}-{recipe.key()}{suffix}"
    if not path.exists():
        with exclusive(CACHE / f"{recipe.kind}.lock"):
            if not path.exists():  # another lab may have made it before we got the lock
                _make(recipe, candidates, path)
    root = Root(path)
    _remove_old(recipe.kind)
    return root


def _make(recipe, candidates, path):
    _remove(*path.parent.glob(f"making-{recipe.kind}*"))  # leftovers of killed labs
    uri = packages.mirror()
    with step("reading the mirror's package lists"):
        index = packages.index(uri)
    refused = []
    for kernel in candidates(index):
        making = path.parent / f"making-{path.name}"
        with step(f"making the {recipe.kind} root, Debian 13 with kernel {kernel}") as progress:
            _bootstrap(recipe, index, kernel, uri, making, progress)
        flaw = _kernel_flaw(making, kernel) if recipe.kernel_headers else None
        if flaw is None:
            (making / _ABOUT).write_text(json.dumps({"kernel": kernel}) + "\n")
            making.rename(path)
            return
        say(f"kernel {kernel} is not usable: {flaw}")
        refused.append(f"{kernel}: {flaw}")
        _remove(making)
    raise LabError("the mirror has no usable kernel (" + "; ".join(refused) + ")")


def _bootstrap(recipe, index, kernel, uri, target, progress):
    debs = CACHE / "debs"
    debs.mkdir(exist_ok=True)
    preferences = CACHE / f"preferences-{recipe.key()}"
    preferences.write_text(recipe.preferences)
    archives = '"$1"/var/cache/apt/archives'
    # It ends with the lab, which may be killed while a thread of the lab waits for it.
    argv = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private",
            "mmdebstrap", f"--variant={recipe.variant}", "--format=directory",
            '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=force-unsafe-io",
            "--skip=download/empty,essential/unlink,cleanup/apt/cache",
            f'--setup-hook=install -D -m 644 {preferences} "$1"/etc/apt/preferences.d/pvsched',
            f'--setup-hook=mkdir -p {archives}/partial; '
            f'find {debs} -name "*.deb" -exec cp -l -t {archives} {{}} +',
            f"--include={','.join(recipe.packages(index, kernel))}",
            "trixie", str(target), *packages.sources(uri)]
    log = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace") as maker:
        for line in maker.stdout:
            log.append(line)
            if line.startswith("I: "):
                progress.detail = line[3:].strip()
    preferences.unlink()
    if maker.returncode:
        _remove(target)
        raise LabError("mmdebstrap failed:\n" + "".join(log[-25:]).rstrip())
    for deb in (target / "var/cache/apt/archives").glob("*.deb"):
        deb.replace(debs / deb.name)
        deb.unlink(missing_ok=True)  # replace() does nothing if both names are links to one file
    _prune_debs(debs)


def _kernel_flaw(root, kernel):
    """Why a kernel is not usable, judged by its BTF; None if it is usable."""
    image = root / f"usr/src/linux-headers-{kernel}/vmlinux"
    if not image.exists():
        return "its headers have no BTF"
    dump = subprocess.run(["chroot", str(root), "bpftool", "-j", "btf", "dump", "file",
                           f"/{image.relative_to(root)}"], capture_output=True, text=True, check=False)
    if dump.returncode:
        return f"bpftool cannot read its BTF: {dump.stderr.strip()}"
    types = json.loads(dump.stdout)["types"]
    functions = {t["name"]: t["type_id"] for t in types if t["kind"] == "FUNC"}
    if "scx_bpf_create_dsq" not in functions:
        return "it has no sched_ext"
    # Some kernels (7.2.12) show the implicit last argument of a kfunc in its prototype.
    prototypes = {t["id"]: t for t in types if t["kind"] == "FUNC_PROTO"}
    arguments = [p["name"] for p in prototypes[functions["scx_bpf_create_dsq"]]["params"]]
    if "aux" in arguments and "scx_bpf_create_dsq_impl" not in functions:
        return "its BTF has wrong prototypes of sched_ext's kfuncs, so no BPF scheduler loads"
    return None


def _prune_debs(debs):
    """Keeps the newest file of each package."""
    newest = {}
    for deb in sorted(debs.glob("*.deb"), key=lambda d: d.stat().st_mtime):
        newest.setdefault(deb.name.split("_")[0], []).append(deb)
    for files in newest.values():
        for old in files[:-1]:
            old.unlink()


def _remove_old(kind):
    roots = sorted((CACHE / "roots").glob(f"{kind}-*"), key=lambda p: p.stat().st_mtime)
    for path in roots[:-_KEEP]:
        remove_unused(path)


def remove_unused(path):
    """Removes a root unless a lab uses it. Returns whether it was removed."""
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        doomed = path.parent / f"making-{path.name}-old-{time.time_ns()}"
        path.rename(doomed)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    _remove(doomed)
    return True


def _remove(*paths):
    for path in paths:
        # Must not descend into file systems that are still mounted there.
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)
