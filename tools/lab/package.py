# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab package: the Debian packages, built and checked in a root that has debian/control's packages."""

import re
import shutil
import subprocess

import build
import check_tree
import roots
from lock import exclusive
from progress import step
from settings import BUILD, CACHE, CHECKOUT, LabError, Skipped

FOLDER = BUILD / "packages"
_TESTS = "tests/packages"


def make():
    """Builds the packages from the files that git knows. Returns (root, packages)."""
    root = roots.package_root()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with exclusive(FOLDER / "lock"):
        source = _export()
        inside = f"/src/{source.relative_to(CHECKOUT)}"
        # The cache outlives the root. The folder's name is the same each time, and so are the compilers' lines.
        # -g0: dh_strip would remove what -g adds.
        cache = CACHE / "ccache-packages"
        cache.mkdir(exist_ok=True)
        build.logged(root, "building the Debian packages",
                     ["env", "-C", inside, "CCACHE_DIR=/root/.cache/ccache", "DEB_BUILD_OPTIONS=nocheck noautodbgsym",
                      "DEB_BUILD_PROFILES=nocheck", "DEB_CFLAGS_APPEND=-g0", "DEB_CXXFLAGS_APPEND=-g0",
                      "dpkg-buildpackage", "-us", "-uc"],
                     [(cache, "/root/.cache/ccache")])
    return root, sorted(FOLDER.glob("*.deb"))


def _export():
    for old in FOLDER.glob("*.*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    source = FOLDER / f"pvsched-{version()}"
    with step("copying the source"):
        for name in check_tree.of_checkout(CHECKOUT).files:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, source / name)
    return source


def version():
    """The version of debian/changelog, which is the project's."""
    found = re.match(r"pvsched \((\S+)\)", (CHECKOUT / "debian/changelog").read_text())
    if not found:
        raise LabError("debian/changelog does not begin with pvsched (VERSION)")
    return found[1]


def lint(root):
    changes = next(FOLDER.glob("*.changes")).relative_to(CHECKOUT)
    build.logged(root, "running lintian", ["lintian", "--allow-root", "--display-info", "--tag-display-limit=0",
                                           "--fail-on=error,warning,info", f"/src/{changes}"])


def checks(root):
    """(name, function) of each check of the built packages and of the source."""
    return [("lintian", lambda: lint(root)),
            *((path.stem, lambda path=path: _run(root, path)) for path in _scripts())]


def _scripts():
    return [path for path in sorted((CHECKOUT / _TESTS).glob("*.sh")) if path.name != "lib.sh"]


def _run(root, path):
    with step(f"checking {path.stem}"):
        done = root.run([f"/src/{path.relative_to(CHECKOUT)}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True, errors="replace")
    (BUILD / "lab" / f"packages-{path.stem}.log").write_text(done.stdout)
    if done.returncode == 77:
        raise Skipped(done.stdout.strip().splitlines()[-1].removeprefix("skipped: "))
    if done.returncode:
        raise LabError("\n".join(done.stdout.splitlines()[-60:]))
