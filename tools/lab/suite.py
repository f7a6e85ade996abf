# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab test: every tier and one summary line."""

import fnmatch
import os
import re
import subprocess
import sys

import build
import check
import check_tree
import driver_cost
import kernels
import nested
import package
import roots
import switch_cost
import system
from progress import step
from settings import BENCHMARKS, BUILD, CHECKOUT, LAB, LabError

TIERS = ("unit", "native", "nested", "packages", "system")
_ON_HOSTS = {"nested", "packages", "system"}  # tiers that need no C++ tests
_SWITCH_COST = "switch-cost"  # its name for --only
_SANITIZERS = (("address,undefined", "unit"), ("thread", "native"))


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, result, name):
        word = {"pass": "passed", "fail": "failed", "skip": "skipped"}[result]
        setattr(self, word, getattr(self, word) + 1)
        if result == "fail":
            self.failures.append(name)

    def check(self, name, run):
        """Calls run() as a test: it fails by a LabError, and its result is printed."""
        try:
            detail = run()
            self.add("pass", name)
            print(f"pass {name}: {detail}" if detail else f"pass {name}", flush=True)
        except LabError as error:
            self.add("fail", name)
            print(f"fail {name}\n{error}", flush=True)


def run(tiers, nested_pattern, nested_seed=None):
    tally = Tally()
    if "unit" in tiers:
        _check(tally)
    if not set(tiers) <= _ON_HOSTS:
        root = build.everything()
    elif set(tiers) != {"packages"}:
        root = build.host_and_guest(nested.POLICIES if "nested" in tiers else ())
    if "unit" in tiers:
        tally.check("lab", lambda: _own_tests(tally))
    for tier in ("unit", "native"):
        if tier in tiers:
            _ctest(root, "build", tier, tally)
    if "native" in tiers:
        tally.check("driver's cost in a guest", lambda: driver_cost.check(root))
    for sanitizer, tier in _SANITIZERS:
        if tier in tiers:
            folder = f"build/{sanitizer.replace(',', '-')}"
            build.cmake(root, folder, [f"-DPVSCHED_SANITIZE={sanitizer}", "-DCMAKE_BUILD_TYPE=Debug"],
                        [f"{tier}_tests"])
            _ctest(root, folder, tier, tally)
    if "nested" in tiers:
        _nested(tally, root, nested_pattern, nested_seed)
    if "packages" in tiers or "system" in tiers:
        _packages(tally, tiers)
    for name in tally.failures:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed or not tally.passed else 0


def _nested(tally, root, pattern, seed):
    """The tests on the host under test, and two that boot a host of their own."""
    own = {"kernels": lambda: kernels.test(tally),
           _SWITCH_COST: lambda: tally.check(f"nested: {_SWITCH_COST}", switch_cost.check)}
    wanted = [name for name in own if fnmatch.fnmatch(name, pattern)]
    if pattern == "*" or nested.names(pattern) or not wanted:
        nested.run(tally, root, pattern, seed)
    for name in wanted:
        own[name]()


def _packages(tally, tiers):
    """The packages, and the tests of the tiers that need them."""
    try:
        root, debs = package.make()
    except LabError as error:
        tally.add("fail", "packages: build")
        print(f"fail packages: build\n{error}", flush=True)
        return
    tally.add("pass", "packages: build")
    print(f"pass packages: build: {len(debs)} packages", flush=True)
    if "packages" in tiers:
        _package_checks(tally, root)
    if "system" in tiers:
        system.run(tally, root, debs)


def _package_checks(tally, root):
    for name, run_check in package.checks(root):
        try:
            run_check()
            tally.add("pass", f"packages: {name}")
            print(f"pass packages: {name}", flush=True)
        except package.Skipped as error:
            tally.add("skip", f"packages: {name}")
            print(f"skip packages: {name}: {error}", flush=True)
        except LabError as error:
            tally.add("fail", f"packages: {name}")
            print(f"fail packages: {name}\n{error}", flush=True)


def _check(tally):
    """The first step: ./lab check. Needs the build root, but no build."""
    for result, name in check.run(check_tree.of_checkout(CHECKOUT), roots.build_root()):
        tally.add(result, f"check: {name}")


def _own_tests(tally):
    """The unit tests of the lab and the benchmarks, on the Python that runs the lab."""
    for folder in (LAB, BENCHMARKS):
        done = subprocess.run([sys.executable, "-m", "unittest", "discover", "-v", "-s", str(folder), "-p", "*_test.py"],
                              env={**os.environ, "PYTHONPATH": f"{LAB}:{BENCHMARKS}"},
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(done.stderr)
        reasons = skipped(done.stderr)
        count = re.search(r"^OK \(.*skipped=(\d+)", done.stderr, re.M)
        if len(reasons) != (int(count[1]) if count else 0):
            raise LabError(f"the output does not name every skipped test:\n{done.stderr}")
        for name, why in reasons:
            tally.add("skip", f"lab: {name}")
            print(f"skip lab: {name}: {why}", flush=True)


def skipped(output):
    """The skipped tests in the output of unittest -v: (name, reason) each."""
    return re.findall(r"^(\S+) \(\S+\)(?:\n.*)? \.\.\. skipped ['\"](.*)['\"]$", output, re.M)


def _ctest(root, folder, tier, tally):
    """Runs a tier's programs by ctest and counts their cases from its output."""
    log = BUILD / "lab" / f"{folder.replace('/', '-')}-{tier}.log"
    title = tier if folder == "build" else f"{tier}, {folder.rpartition('/')[2]}"
    with step(f"running the {title} tests"), open(log, "w", encoding="utf-8") as file:
        root.run(["ctest", "--test-dir", folder, "-L", f"^{tier}$", "--output-on-failure",
                  "--no-tests=error"], stdout=file, stderr=file)
    text = log.read_text(errors="replace")
    cases = re.findall(r"^ *\d+/\d+ Test +#\d+: (.+?) \.*[ *]*(Passed|Skipped|Failed|Timeout|Not Run|"
                       r"Exception|Subprocess)", text, re.M)
    before = tally.failed
    for name, word in cases:
        result = {"Passed": "pass", "Skipped": "skip"}.get(word, "fail")
        tally.add(result, f"{title}: {name}")
        if result == "skip":
            print(f"skip {title}: {name}: {_why_skipped(folder, name)}", flush=True)
    if not cases:
        tally.add("fail", f"{title}: ctest found no test")
    if tally.failed > before:
        print(text, flush=True)
    print(f"{title}: {len(cases)} cases, {tally.failed - before} failed ({log})", flush=True)


def _why_skipped(folder, name):
    """The reason a skipped test printed, from ctest's log of the last run."""
    log = (CHECKOUT / folder / "Testing/Temporary/LastTest.log").read_text(errors="replace")
    output = re.search(rf"Testing: {re.escape(name)}\n.*?\nOutput:\n(.*?)<end of output>", log, re.S)
    reason = re.search(r"(?:: Skipped\n|^skipped: )(.+)", output[1], re.M) if output else None
    return reason[1] if reason else f"it gave no reason; see {folder}/Testing/Temporary/LastTest.log"
