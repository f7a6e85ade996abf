# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Debian's package of the kernel's sources, in the version of the lab's kernel."""

import re
import shutil
import subprocess
import tarfile

import packages
from lock import exclusive
from progress import step
from settings import CACHE, LabError

# checkpatch.pl reads the other two in its own folder.
_CHECKPATCH = ("scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch")
_LIB, _BIN = "usr/local/lib/checkpatch", "usr/local/bin/checkpatch.pl"


def unpack(root, parts, target):
    """Extracts the members whose path starts with one of `parts` into `target`.

    The package is downloaded once (about 150 MB) and kept in the cache. Neither of
    the two archives is written to disk.
    """
    top = f"linux-source-{re.match(r'[0-9]+[.][0-9]+', root.kernel)[0]}"
    package = packages.fetch(top, _package_version(root), CACHE / "sources")
    with step("unpacking the kernel's sources"), \
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as data:
        try:
            with tarfile.open(fileobj=data.stdout, mode="r|") as outer:
                inner = next(outer.extractfile(m) for m in outer if m.name.endswith(f"/{top}.tar.xz"))
                with tarfile.open(fileobj=inner, mode="r|xz") as sources:
                    for member in sources:
                        member.name = member.name.removeprefix(f"{top}/")
                        if member.name.startswith(parts):
                            sources.extract(member, target, filter="data")
        except (StopIteration, tarfile.TarError, OSError, EOFError) as error:
            raise LabError(f"{package} does not unpack: {error!r}") from error
        finally:
            data.kill()


def _package_version(root):
    """The version of the kernel's packages in the build root."""
    done = root.run(["dpkg-query", "-W", "-f", "${Version}", f"linux-headers-{root.kernel}"],
                    capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"the build root has no package linux-headers-{root.kernel}")
    return done.stdout.strip()


def install_checkpatch(root):
    """Puts checkpatch.pl of the root's kernel into the root's PATH, if it is not there."""
    if (root.path / _BIN).exists():
        return
    kept = CACHE / "checkpatch" / root.kernel
    with exclusive(CACHE / "checkpatch.lock"):
        if not kept.exists():
            making = kept.parent / f"making-{root.kernel}"
            shutil.rmtree(making, ignore_errors=True)
            unpack(root, _CHECKPATCH, making)
            if not (making / _CHECKPATCH[0]).exists():
                raise LabError(f"the kernel's sources for {root.kernel} have no {_CHECKPATCH[0]}")
            making.rename(kept)
        library = root.path / _LIB
        shutil.copytree(kept / "scripts", library, dirs_exist_ok=True)
        (library / "checkpatch.pl").chmod(0o755)
        link = root.path / _BIN
        link.unlink(missing_ok=True)
        link.symlink_to(f"/{_LIB}/checkpatch.pl")  # checkpatch resolves it to find its word lists
