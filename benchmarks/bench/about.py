# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Where and of what a run was: the `meta` of its results."""

import datetime
import hashlib
import os
import pathlib
import re
import shlex
import subprocess

import roots
from settings import CHECKOUT

_PATHS = ("--out", "--against")


def meta(kernel, commit_name, emulated, options, seconds):
    now = datetime.datetime.now()
    return {"date": now.date().isoformat(), "time": now.strftime("%H:%M"), "host_kernel": kernel,
            "guest_kernel": kernel, "own_kernel": os.uname().release, "machine": machine_name(), "qemu": qemu(),
            "emulated": emulated, "rounds": options.rounds, "suites": options.suites, "trouble": "",
            "seconds": seconds, "seed": options.seed, "commit": commit_name,
            "command": portable(options.command)}


def portable(command):
    """The command without options whose paths belong to one machine and do not change what is measured."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word in _PATHS:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in _PATHS)):
            kept.append(word)
    return shlex.join(kept)


def machine_name():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return f"{os.cpu_count()} CPUs, {found[1].strip() if found else 'of unknown model'}"


def commit():
    """The commit, with + and a hash of uncommitted changes; empty outside of a git checkout."""
    found = []
    for arguments in (["rev-parse", "--short", "HEAD"], ["diff", "--binary", "HEAD"]):
        try:
            found.append(subprocess.run(["git", "-C", CHECKOUT, *arguments], capture_output=True, check=True).stdout)
        except (OSError, subprocess.CalledProcessError):
            return ""
    name, changes = found
    return name.decode().strip() + (f"+{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")


def qemu():
    """The version that runs the guests, which also emulates the host where hardware KVM does not nest."""
    return package_version((roots.host_root().path / "var/lib/dpkg/status").read_text(errors="replace"),
                           "qemu-system-x86")


def package_version(status, package):
    """The upstream version of an installed package, by dpkg's status file; "" if it is not installed."""
    found = re.search(rf"^Package: {re.escape(package)}\n(?:(?!\n\n).)*?^Version: (?:\d+:)?([^\s+-]+)", status,
                      re.M | re.S)
    return found[1] if found else ""
