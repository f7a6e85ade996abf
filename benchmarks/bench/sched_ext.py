# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The schedulers of the kernel's own tools/sched_ext, built from Debian's source package."""

import re
import shutil

import build
import kernel_source
import roots
from lock import exclusive
from settings import BUILD, CHECKOUT, LabError

# The parts of the sources that the schedulers and their libbpf need.
_PARTS = ("tools/sched_ext/", "tools/lib/", "tools/build/", "tools/scripts/", "tools/include/", "tools/arch/",
          "tools/bpf/", "include/", "scripts/")


def programs(names):
    """({name: its file}, {name: why it does not build}); built once for each kernel."""
    root = roots.build_root()
    folder = BUILD / "sched_ext" / root.kernel
    with exclusive(BUILD / "lab" / "sched_ext.lock"):
        lacking = [name for name in names if not (folder / name).exists()]
        refused = _build(root, folder, lacking) if lacking else {}
    return {name: folder / name for name in names if name not in refused}, refused


def _build(root, folder, names):
    try:
        tree = _sources(root, folder)
    except LabError as error:
        return {name: str(error) for name in names}
    refused = {}
    for name in names:
        try:
            # The build root's bpftool saves a build of the sources' own.
            build.logged(root, f"building the kernel's {name}", [
                "make", "-C", _inside(tree / "tools/sched_ext"), "BPFTOOL=/usr/sbin/bpftool",
                f"VMLINUX_BTF=/usr/src/linux-headers-{root.kernel}/vmlinux", name])
            shutil.copy(tree / "tools/sched_ext/build/bin" / name, folder / name)
        except LabError as error:
            refused[name] = f"it does not compile: {_complaint(str(error))}"
    if not refused:
        shutil.rmtree(tree)
    return refused


def _inside(path):
    return f"/src/{path.relative_to(CHECKOUT)}"


def _complaint(text):
    found = re.search(r"^.*\b(?:error|Error):? .*$", text, re.M)
    return found[0].strip() if found else text.splitlines()[0]


def _sources(root, folder):
    """The needed part of the sources, unpacked in the build folder."""
    tree = folder / "source"
    if tree.exists():
        return tree
    making = folder / "unpacking"
    shutil.rmtree(making, ignore_errors=True)
    kernel_source.unpack(root, _PARTS, making)
    making.rename(tree)
    return tree
