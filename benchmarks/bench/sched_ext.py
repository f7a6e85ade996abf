# SPDX-License-Identifier: Apache-2.0
"""The schedulers in the kernel's own tools/sched_ext, out of Debian's package of its sources."""

import re
import shutil
import subprocess
import tarfile

import build
import packages
import roots
from lock import exclusive
from progress import step
from settings import BUILD, CACHE, CHECKOUT, LabError

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
    version = re.match(r"\d+\.\d+", root.kernel)[0]
    package = packages.fetch(f"linux-source-{version}", _package_version(root), CACHE / "sources")
    making = folder / "unpacking"
    shutil.rmtree(making, ignore_errors=True)
    with step("unpacking the kernel's sources"):
        _unpack(package, f"linux-source-{version}", making)
    making.rename(tree)
    return tree


def _unpack(package, top, target):
    """The parts out of the archive in the package, without a copy of either."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as data:
        try:
            with tarfile.open(fileobj=data.stdout, mode="r|") as outer:
                inner = next(outer.extractfile(m) for m in outer if m.name.endswith(f"/{top}.tar.xz"))
                with tarfile.open(fileobj=inner, mode="r|xz") as sources:
                    for member in sources:
                        member.name = member.name.removeprefix(f"{top}/")
                        if member.name.startswith(_PARTS):
                            sources.extract(member, target, filter="data")
        except (StopIteration, tarfile.TarError, OSError, EOFError) as error:
            raise LabError(f"{package} does not unpack: {error!r}") from error
        finally:
            data.kill()


def _package_version(root):
    """Of the kernel's packages in the build root: the sources are to be of the same."""
    done = root.run(["dpkg-query", "-W", "-f", "${Version}", f"linux-headers-{root.kernel}"],
                    capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"the build root has no package linux-headers-{root.kernel}")
    return done.stdout.strip()
