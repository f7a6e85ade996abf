# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab coverage: which lines and functions of the C++ the tests run."""

import collections
import json
import posixpath
import re
import subprocess

import build
import check_sizes
import roots
from progress import clear_line, step
from settings import BUILD, CHECKOUT, OUT, LabError

HELP = """\
Builds the unit tests with gcov's counters into build/coverage, runs them, and prints the
lines that they ran, folder by folder, then the functions that no test entered.

Counted are C++ and the headers that it shares with BPF (host-policy/core). Programs in
BPF and kernel modules run in the kernel, which has no such counters: the native and the
nested tests are their test.
"""

EPILOG = """\
examples:
  ./lab coverage                      a table, then functions that no test entered
  ./lab coverage --native             run the native tests, too: on this machine's kernel
  ./lab coverage --json | jq .folders

Exit status: 0 success, 1 a test failed or nothing was built, 2 wrong usage.
"""

FOLDER = "build/coverage"
# Where a function that no test enters is listed.
LISTED = ("common/", "vmm-device/", "host-policy/core/", "host-policy/daemon/", "host-policy/loader/")
ALWAYS_INLINE = "host-policy/core/"
_OPTIONS = ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS=--coverage -fprofile-update=atomic",
            "-DCMAKE_C_FLAGS=--coverage -fprofile-update=atomic")
_NOT_OURS = ("build/", "tests/")


def main(args):
    """The verb of ./lab."""
    tiers = ["unit", "native"] if args.native else ["unit"]
    root = roots.build_root()
    build.cmake(root, FOLDER, _OPTIONS, [*(f"{tier}_tests" for tier in tiers), *build.DAEMONS])
    failed = _run_tests(root, tiers)
    report = summary(_merged(_gcov(root)), lambda name: (CHECKOUT / name).read_text(encoding="utf-8"))
    if not report["folders"]:
        raise LabError(f"gcov found no counters of this tree: remove {CHECKOUT / FOLDER} and run this again")
    clear_line()
    print(json.dumps(report, indent=1) if args.json else table(report), flush=True)
    if failed:
        raise LabError(f"tests failed, so less was run than could be: see {failed}")
    return 0


def _run_tests(root, tiers):
    """Runs the tests with fresh counters. Returns the log if one failed."""
    for old in (CHECKOUT / FOLDER).rglob("*.gcda"):
        old.unlink()
    OUT.mkdir(parents=True, exist_ok=True)
    log = OUT / "coverage.log"
    # The tests that build modules run no code of ours.
    command = ["ctest", "--test-dir", FOLDER, "-L", f"^({'|'.join(tiers)})$", "-E", "_build$|^kernel_style$",
               "--output-on-failure", "--no-tests=error"]
    with step(f"running the {' and '.join(tiers)} tests with counters"), open(log, "w", encoding="utf-8") as file:
        done = root.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    return log if done.returncode else None


def _gcov(root):
    """The JSON documents of gcov, one for each object; objects that never ran count as zeros."""
    notes = sorted(str(path.relative_to(BUILD.parent)) for path in (CHECKOUT / FOLDER).rglob("*.gcno"))
    with step(f"reading the counters of {len(notes)} objects"):
        done = root.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes],
                        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise LabError(f"gcov failed: {done.stderr.strip()[-2000:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _merged(documents):
    """{file: (lines {number: count}, functions {line: [name, count]})}, summed over the objects."""
    merged = {}
    for document in documents:
        for file in document["files"]:
            name = _in_tree(file["file"], document.get("current_working_directory", "/"))
            if not name or name.startswith(_NOT_OURS):
                continue
            lines, functions = merged.setdefault(name, (collections.Counter(), {}))
            for line in file["lines"]:
                lines[line["line_number"]] += line["count"]
            for function in file["functions"]:
                entry = functions.setdefault(function["start_line"], [short(function["demangled_name"]), 0])
                entry[1] += function["execution_count"]
    return merged


def _in_tree(path, folder):
    path = posixpath.normpath(posixpath.join(folder, path))
    return path.removeprefix("/src/") if path.startswith("/src/") else None


def short(name):
    """A function's name without its arguments and the project's namespace."""
    name = name.replace("(anonymous namespace)::", "").replace("pvsched::", "")
    inner = ", a lambda" if "{lambda" in name else ""
    return re.match(r"(?:operator\(\)|[^(])*", name)[0] + inner


def _inlined(text, lines):
    """The functions of a header whose functions are always inlined: gcov counts lines only."""
    return {line: [name, max(lines.get(number, 0) for number in range(line, line + length))]
            for line, name, length in check_sizes.c_functions(text)}


def summary(merged, read):
    """What is printed: totals of each folder, and the functions that no test entered.

    `read` returns the text of a file.
    """
    folders, uncovered = {}, []
    for file in sorted(merged):
        lines, functions = merged[file]
        if file.startswith(ALWAYS_INLINE):
            functions = _inlined(read(file), lines)
        entry = folders.setdefault(posixpath.dirname(file) + "/",
                                   {"lines": 0, "covered": 0, "functions": 0, "entered": 0})
        entry["lines"] += len(lines)
        entry["covered"] += sum(1 for count in lines.values() if count)
        entry["functions"] += len(functions)
        entry["entered"] += sum(1 for _, count in functions.values() if count)
        uncovered += [{"file": file, "line": line, "function": name}
                      for line, (name, count) in sorted(functions.items()) if not count and file.startswith(LISTED)]
    return {"folders": folders, "uncovered": uncovered}


def table(report):
    rows = dict(sorted(report["folders"].items()))
    rows["total"] = {key: sum(entry[key] for entry in rows.values())
                     for key in ("lines", "covered", "functions", "entered")}
    width = max(len(name) for name in rows)
    text = [f"{'folder':{width}}  lines  covered      %  functions  entered"]
    for name, entry in rows.items():
        share = 100 * entry["covered"] / max(1, entry["lines"])
        text.append(f"{name:{width}} {entry['lines']:6d} {entry['covered']:8d} {share:6.1f} "
                    f"{entry['functions']:10d} {entry['entered']:8d}")
    text.append(f"\nfunctions that no test entered, in {', '.join(LISTED)}: {len(report['uncovered'])}")
    text += [f"{each['file']}:{each['line']}: {each['function']}" for each in report["uncovered"]]
    return "\n".join(text)
