# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""clang-tidy on the C++ that changed.

clang-tidy takes 3 to 10 s for a file. So the findings for a file are kept in the
lab's cache, for all checkouts. They are found again by a hash of what they depend on:
the build root, the compiler's command, .clang-tidy, and the text of the file and of
each header of the tree that it includes. Generated headers (BPF skeletons) are not part of the hash: the compiler
checks their use.

For many files the headers of cmake/Precompiled.cmake are precompiled, which halves the
time. A missing #include of one of these is found by the build, not here.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import time

import build
import check_includes
from lock import exclusive
from settings import BUILD, CACHE, CHECKOUT, OUT, LabError

_STAMPS = CACHE / "tidy"
_KEEP = 5000  # stamps, newest first
_DATABASE = BUILD / "compile_commands.json"
_PRECOMPILED = OUT / "precompiled.h"
_LEVEL = "-O0"  # of optimisation, which a precompiled header and its users must agree on
_MANY = 4  # files, for which precompiling is worth its time


class Unchecked(Exception):
    """How many files have no kept findings."""


def run(root, tree, progress, may_run=True):
    """Findings of all chosen .cc files, and of those that include a chosen header.

    Unless `may_run`, only findings that are kept are used, and Unchecked says that some are not.
    """
    started = time.time()
    edges = check_includes.graph(tree)
    chosen = set(tree.chosen)
    sources = [f for f in tree.files if f.endswith(".cc") and chosen & check_includes.closure(edges, f)]
    if not sources:
        return []
    if may_run:
        _prepare(root)
    elif not _DATABASE.exists():
        raise Unchecked(len(sources))
    commands = _commands(json.loads(_DATABASE.read_text()))
    # The example VMM has a build of its own, against the installed headers.
    sources = [f for f in sources if f in commands]
    stamps = {f: _STAMPS / key(root.path.name, tree, edges, f, commands.get(f, "")) for f in sources}
    todo = [f for f in sources if not stamps[f].exists()]
    if todo and not may_run:
        raise Unchecked(len(todo))
    _STAMPS.mkdir(parents=True, exist_ok=True)
    options = _precompile(root, [commands[f] for f in sources]) if len(todo) >= _MANY else []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(_tidy, root, f, options): f for f in todo}
        made = []
        try:
            for count, job in enumerate(concurrent.futures.as_completed(jobs), 1):
                made += job.result()
                if not changed_since(started, tree, edges, jobs[job]):
                    _keep(stamps[jobs[job]], job.result())
                progress(f"clang-tidy {count} of {len(todo)}")
        except LabError:
            pool.shutdown(cancel_futures=True)
            raise
    _prune()
    # A header's findings are found more than once.
    found = {*made, *(line for f in sources if f not in todo for line in _read(stamps[f]))}
    return sorted(line for line in found if line.split(":")[0] in chosen)


def key(root_name, tree, edges, name, command):
    """The hash of all that the findings for a file depend on."""
    digest = hashlib.sha256(f"{root_name}\0{command}".encode())
    files = check_includes.closure(edges, name)
    folders = {str(folder) for file in files for folder in pathlib.PurePath(file).parents}
    styles = {str(pathlib.PurePath(folder) / ".clang-tidy") for folder in folders} & set(tree.files)
    for file in sorted(files | styles):
        digest.update(f"\0{file}\0{tree.text(file)}".encode(errors="replace"))
    return digest.hexdigest()[:32]


def _commands(database):
    return {os.path.relpath(entry["file"], "/src"): entry["command"] for entry in database}


def _prepare(root):
    """Makes the compile database, and the headers that the build generates."""
    with exclusive(OUT / "build.lock"):
        ninja = BUILD / "build.ninja"
        if not ninja.exists():
            build.configure(root, "build")
        build.logged(root, "configuring build", ["ninja", "-C", "build", "build.ninja"])  # if a CMakeLists.txt changed
        headers = re.findall(r"^build ([^|:$]*?\.h)\b[^\n]*: CUSTOM_COMMAND", ninja.read_text(), re.M)
        if headers:
            build.logged(root, "generating headers", ["ninja", "-C", "build", *sorted(set(headers))])
    if not _DATABASE.exists():
        raise LabError(f"{_DATABASE} is missing: remove build/CMakeCache.txt and run this again")


def _precompile(root, commands):
    """Precompiles headers with the flags that all commands have. Returns clang-tidy's options for their use."""
    names = re.findall(r"<[\w/.]+>", (CHECKOUT / "cmake/Precompiled.cmake").read_text())
    result = f"build/lab/{_PRECOMPILED.name}.pch"
    with exclusive(OUT / "build.lock"):
        _PRECOMPILED.write_text("".join(f"#include {name}\n" for name in names))
        build.logged(root, "precompiling headers", [
            "clang++-22", "-x", "c++-header", *common_flags(commands), _LEVEL, "-fpch-instantiate-templates",
            "-o", result, f"build/lab/{_PRECOMPILED.name}"])
    return [f"--extra-arg={word}" for word in (_LEVEL, "-include-pch", f"/src/{result}")]


def common_flags(commands):
    """The flags that are in each of the commands."""
    words = [shlex.split(command) for command in commands]
    everywhere = set(words[0]).intersection(*words)
    return [word for word in dict.fromkeys(words[0]) if word in everywhere and re.match(r"-[DIWfms]", word)]


def _tidy(root, name, options):
    done = root.run(["clang-tidy-22", "--quiet", "-p", "build", *options, name], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    found = findings(done.stdout)
    if done.returncode and not found:
        raise LabError(f"clang-tidy failed on {name}: {done.stdout.strip()[-2000:]}")
    return found


def changed_since(started, tree, edges, name):
    """Whether a file that clang-tidy read was edited after its text had been hashed."""
    try:
        return any((tree.top / file).stat().st_mtime >= started for file in check_includes.closure(edges, name))
    except FileNotFoundError:
        return True


def _keep(stamp, found):
    making = stamp.with_suffix(f".{os.getpid()}")
    making.write_text("".join(f"{line}\n" for line in found))
    making.rename(stamp)


def findings(said):
    """FILE:LINE: TEXT of clang-tidy's output; paths in the root become paths in the tree."""
    lines = re.finditer(r"^/src/(\S+?:\d+):\d+: (?:error|warning): (.*)$", said, re.M)
    return [f"{m[1]}: {m[2].replace(',-warnings-as-errors', '')}" for m in lines]


def _read(stamp):
    os.utime(stamp)
    return stamp.read_text().splitlines()


def _prune():
    with os.scandir(_STAMPS) as entries:
        stamps = list(entries)
    if len(stamps) > _KEEP:
        with exclusive(CACHE / "tidy.lock"), os.scandir(_STAMPS) as entries:
            newest = sorted(entries, key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in newest[_KEEP:]:
                os.unlink(entry.path)
