# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab doctor: what this machine can run and what it lacks."""

import dataclasses
import json
import os
import pathlib
import re
import shutil

import machine
import packages
from settings import CACHE, LabError

_DISK_MIN_GIB = 12  # roots, images, builds
_MEMORY_MIN_GIB = 5  # a host of 3 GiB, or two compilers


@dataclasses.dataclass
class Finding:
    name: str
    result: str  # ok, limited or missing
    found: str
    advice: str = ""


def run(as_json):
    findings = [check() for check in (_root, _debian, _disk, _memory, _kvm, _native_kvm, _btf, _uptr,
                                    _sched_ext, _tracing, _cache)]
    if as_json:
        print(json.dumps({"findings": [dataclasses.asdict(f) for f in findings],
                          "can_run_lab": not _blocking(findings)}, indent=1))
    else:
        for f in findings:
            print(f"{f.result:8} {f.name}: {f.found}")
            if f.advice:
                print(f"{'':9}-> {f.advice}")
        blocking = _blocking(findings)
        print("\nThe lab cannot run on this machine: see 'missing' above." if blocking else
              "\nThe lab runs on this machine. 'limited' costs time or skips tests, as described.")
    return 1 if _blocking(findings) else 0


def _blocking(findings):
    return [f for f in findings if f.result == "missing"]


def _root():
    if os.geteuid() == 0:
        return Finding("root", "ok", "yes")
    return Finding("root", "missing", f"user id {os.geteuid()}", "run ./lab with sudo: it needs root for chroots")


def _debian():
    try:
        return Finding("Debian mirror", "ok", packages.mirror())
    except LabError as error:
        return Finding("Debian mirror", "missing", "none", str(error))


def _existing(path):
    while not path.exists():
        path = path.parent
    return path


def _disk():
    free = shutil.disk_usage(_existing(CACHE)).free / 2**30
    text = f"{free:.0f} GiB free for {CACHE}"
    if free >= _DISK_MIN_GIB or (CACHE / "roots").exists():
        return Finding("disk", "ok", text)
    return Finding("disk", "missing", text, f"free {_DISK_MIN_GIB} GiB, or set PVSCHED_LAB_CACHE to a folder on another disk")


def _memory():
    kib = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    text = f"{kib / 2**20:.0f} GiB available"
    if kib / 2**20 >= _MEMORY_MIN_GIB:
        return Finding("memory", "ok", text)
    return Finding("memory", "missing", text, f"the host under test and the compilers need {_MEMORY_MIN_GIB} GiB")


def _kvm():
    reason = machine.why_no_kvm()
    if not reason:
        return Finding("host under test", "ok", "hardware KVM, nested")
    return Finding("host under test", "limited", f"emulated: {reason}",
                   "works, but slow and noisy: compare ratios, not absolute figures")


def _native_kvm():
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Finding("native tests' KVM", "ok", "/dev/kvm opens")
    return Finding("native tests' KVM", "limited", "/dev/kvm does not open", "the native tests of KVM are skipped")


def _btf():
    if pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        return Finding("BTF", "ok", "the kernel has it")
    return Finding("BTF", "limited", "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)",
                   "the native tests of BPF are skipped; the nested ones run")


def _release():
    return tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())


def _uptr():
    if _release() >= packages.OLDEST_HOST_KERNEL:
        return Finding("uptr", "ok", f"kernel {os.uname().release} is {packages.oldest_host_kernel()} or newer")
    return Finding("uptr", "limited", f"kernel {os.uname().release} is older than {packages.oldest_host_kernel()}",
                   "the native tests of pvschedd are skipped; the nested ones run")


def _sched_ext():
    if pathlib.Path("/sys/kernel/sched_ext").exists():
        return Finding("sched_ext", "ok", "the kernel has it")
    return Finding("sched_ext", "limited", "this machine's kernel does not have it",
                   "BPF schedulers are tested on the host under test only")


def _tracing():
    kinds = pathlib.Path("/proc/filesystems").read_text().split()
    lacking = [k for k in ("bpf", "tracefs") if k not in kinds]
    if not lacking:
        return Finding("bpffs, tracefs", "ok", "both")
    return Finding("bpffs, tracefs", "limited", f"no {' and no '.join(lacking)}",
                   "native tests that need them are skipped")


def _cache():
    roots = sorted(p.name for p in (CACHE / "roots").glob("*") if not p.name.startswith("making-"))
    if roots:
        return Finding("cached systems", "ok", ", ".join(roots))
    return Finding("cached systems", "limited", "none yet", "the first run makes them, which takes some minutes")
