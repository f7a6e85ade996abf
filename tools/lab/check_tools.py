# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Checks by programs of the build root. Each function returns findings, one a line."""

import re
import subprocess

import kernel_source
from settings import LabError

# Words that codespell takes for mistakes.
_SPELLED = ("fro", "ser", "inout", "te")

# A sourced file's path is known at run time only, and so are the names that it shares.
_SHELLCHECK = ("--severity=warning", "--external-sources", "--source-path=SCRIPTDIR",
               "--exclude=SC1090,SC1091,SC2034,SC2154", "--format=gcc")


def clang_format(root, tree):
    return _run(root, ["clang-format", "--dry-run", "--Werror"], tree.cpp(), r"^(\S+?:\d+):\d+: error: (.*)")


def checkpatch(root, tree):
    if not tree.kernel():
        return []
    kernel_source.install_checkpatch(root)
    return _run(root, ["sh", "tests/unit/kernel_style.sh", "."], tree.kernel(), r"^(\S+:\d+): (?:ERROR|WARNING):(.*)")


def shellcheck(root, tree):
    whole = [f for f in tree.shell() if tree.text(f).startswith("#!")]
    sourced = [f for f in tree.shell() if f not in whole]
    pattern = r"^(\S+?:\d+):\d+: \w+: (.*)"
    return (_run(root, ["shellcheck", *_SHELLCHECK], whole, pattern)
            + _run(root, ["shellcheck", "--shell=bash", *_SHELLCHECK], sourced, pattern))


def pyflakes(root, tree):
    return _run(root, ["pyflakes3"], tree.python(), r"^(\S+?:\d+):\d+:? (.*)")


def codespell(root, tree):
    return _run(root, ["codespell", "--quiet-level=3", f"--ignore-words-list={','.join(_SPELLED)}"],
                tree.texts(), r"^(\S+?:\d+): (.*)")


def _run(root, command, files, pattern):
    """Runs a linter on files; what it says, as the lines in which `pattern` finds FILE:LINE and TEXT."""
    if not files:
        return []
    done = root.run([*command, *files], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, errors="replace")
    found = [f"{m[1].removeprefix('./')}: {m[2].strip()}" for m in re.finditer(pattern, done.stdout, re.M)]
    if done.returncode and not found:
        raise LabError(f"{command[0]} failed: {done.stdout.strip()[-2000:] or f'exit status {done.returncode}'}")
    return found
