# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The files that ./lab check reads, by kind."""

import os
import pathlib
import re
import subprocess

from settings import LabError, UsageError

_DATA = re.compile(r"\.(?:json|csv|svg|png|lock)$|^benchmarks/results/|^tests/fuzz/corpus/|^LICENSES/")


class Tree:
    """A checkout. `chosen` are the files to check; rules on the whole tree read `files`."""

    def __init__(self, top, files, chosen=None):
        self.top = pathlib.Path(top)
        self.files = sorted(files)
        self.chosen = self.files if chosen is None else sorted(chosen)
        self.is_whole = chosen is None
        self._texts = {}

    def text(self, name):
        if name not in self._texts:
            self._texts[name] = (self.top / name).read_text(encoding="utf-8", errors="replace")
        return self._texts[name]

    def lines(self, name):
        return self.text(name).splitlines()

    def cpp(self):
        """C++: what clang-format formats."""
        return [f for f in self.chosen if f.endswith(".cc") or (f.endswith(".h") and not self.is_kernel_style(f))]

    def kernel(self):
        """The kernel's C, BPF, and headers that these share with C++: what checkpatch reads."""
        return [f for f in self.chosen if f.endswith((".c", ".h")) and self.is_kernel_style(f)]

    def is_kernel_style(self, name):
        """C is; a header is if it is BPF's or its folder tells clang-format to leave it alone."""
        if name.endswith((".c", ".bpf.h")):
            return True
        for folder in pathlib.PurePath(name).parents:
            style = str(folder / ".clang-format")
            if style in self.files:
                return "DisableFormat: true" in self.text(style)
        return False

    def shell(self):
        return [f for f in self.chosen if f.endswith(".sh") or self._runs_by(f, r"\b(?:ba|da)?sh\b")]

    def python(self):
        return [f for f in self.chosen if f.endswith(".py") or self._runs_by(f, r"\bpython3?\b")]

    def sources(self):
        """Programs: what has a licence and a copyright line."""
        code = set(self.shell()) | set(self.python())
        return [f for f in self.chosen if f in code or f.endswith((".c", ".h", ".cc"))]

    def pages(self):
        return [f for f in self.files if f.endswith(".md")]

    def texts(self):
        """All chosen files but raw data."""
        return [f for f in self.chosen if not _DATA.search(f)]

    def _runs_by(self, name, interpreter):
        if pathlib.PurePath(name).suffix:
            return False
        first = self.text(name).split("\n", 1)[0]
        return first.startswith("#!") and bool(re.search(interpreter, first))


def of_checkout(top, names=(), staged=False):
    """The Tree of a checkout: all files, those named (folders too), or those of the next commit."""
    kinds = ["--cached"] if staged else ["--cached", "--others", "--exclude-standard"]
    files = [f for f in _git(top, "ls-files", "-z", *kinds)
             if (top / f).is_file() and not (top / f).is_symlink()]
    if staged:
        coming = set(_git(top, "diff", "-z", "--cached", "--name-only", "--diff-filter=ACMR"))
        return Tree(top, files, [f for f in files if f in coming])
    if not names:
        return Tree(top, files)
    chosen = set()
    for name in names:
        relative = os.path.relpath(os.path.realpath(name), os.path.realpath(top))
        found = [f for f in files if relative == "." or f == relative or f.startswith(f"{relative}/")]
        if not found:
            raise UsageError(f"check: {name} is no file of this checkout, or git ignores it")
        chosen.update(found)
    return Tree(top, files, chosen)


def partly_staged(top):
    """Staged files whose text in the working tree differs from the text to be committed."""
    staged = set(_git(top, "diff", "-z", "--cached", "--name-only"))
    return sorted(staged.intersection(_git(top, "diff", "-z", "--name-only")))


def _git(top, *command):
    # The checkout may belong to another user than the one that runs the lab.
    try:
        done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(top), *command],
                              capture_output=True, check=False)
    except OSError as error:
        raise LabError(f"check: cannot run git, which lists the files of {top}: {error}") from error
    if done.returncode:
        raise LabError(f"check: git cannot list the files of {top}: {done.stderr.decode().strip()}")
    return [name for name in done.stdout.decode(errors="surrogateescape").split("\0") if name]
