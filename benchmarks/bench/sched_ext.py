# SPDX-License-Identifier: Apache-2.0
"""The schedulers in the kernel's own tools/sched_ext, out of Debian's package of its sources."""

import re
import shutil

import build
import kernel_source
import roots
from lock import exclusive
from settings import BUILD, CHECKOUT, LabError

# Of the sources, what the schedulers, and the libbpf they bring, are made of.
_PARTS = ("tools/sched_ext/", "tools/lib/", "tools/build/", "tools/scripts/", "tools/include/", "tools/arch/",
          "tools/bpf/", "include/", "scripts/")


def programs(names):
    """({name: its file}, {name: why it could not be built}); built once for each kernel."""
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
            # Of the sources' own bpftool nothing is needed that the build root's lacks.
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
    """The part of the sources that is needed, unpacked in the checkout's build folder."""
    tree = folder / "source"
    if tree.exists():
        return tree
    making = folder / "unpacking"
    shutil.rmtree(making, ignore_errors=True)
    kernel_source.unpack(root, _PARTS, making)
    making.rename(tree)
    return tree
