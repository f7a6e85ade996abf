# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab test: every tier, the seconds of each phase, and one summary line."""

import concurrent.futures
import contextlib
import fnmatch
import functools
import os
import re
import subprocess
import sys
import threading
import time

import ahead
import build
import check
import check_tree
import driver_cost
import fuzz
import kernels
import nested
import package
import roots
import switch_cost
import system
from progress import step
from settings import BENCHMARKS, BUILD, CHECKOUT, LAB, LabError, Skipped

TIERS = ("unit", "native", "nested", "packages", "system")
_ON_HOSTS = {"nested", "packages", "system"}  # tiers that need no C++ tests
_KERNELS, _SWITCH_COST = "kernels", "switch-cost"  # nested tests with a host of their own: their names for --only
_SANITIZERS = (("address,undefined", "unit"), ("thread", "native"))
# clang takes a third of gcc's time for them. gcc compiles what is shipped.
_CLANG = ["-DCMAKE_C_COMPILER=/usr/bin/clang", "-DCMAKE_CXX_COMPILER=/usr/bin/clang++"]


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, result, name, why=""):
        """`why`: the reason of a failure, which the summary repeats."""
        word = {"pass": "passed", "fail": "failed", "skip": "skipped"}[result]
        setattr(self, word, getattr(self, word) + 1)
        if result == "fail":
            self.failures.append(f"{name}: {why}" if why else name)

    def check(self, name, run):
        """Calls run() as a test: it fails by a LabError, and its result is printed."""
        try:
            detail = run()
            self.add("pass", name)
            print(f"pass {name}: {detail}" if detail else f"pass {name}", flush=True)
        except Skipped as why:
            self.add("skip", name)
            print(f"skip {name}: {why}", flush=True)
        except LabError as error:
            self.add("fail", name, str(error).rpartition("\n")[2])
            print(f"fail {name}\n{error}", flush=True)


class Seconds:
    """How long each phase of a run took."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._began = clock()
        self._spent = {}

    @contextlib.contextmanager
    def of(self, phase):
        begun = self._clock()
        try:
            yield
        finally:
            self._spent[phase] = self._spent.get(phase, 0) + self._clock() - begun

    def line(self):
        phases = "".join(f"{phase} {spent:.0f}, " for phase, spent in self._spent.items())
        return f"seconds: {phases}all {self._clock() - self._began:.0f}"


class Background:
    """Tests whose results do not depend on the machine's load: counts of instructions, loads on another kernel, fuzzing.

    They take one CPU's time that the programs of other tests leave. A lab that ends early does not wait for them.
    """

    def __init__(self, tests):
        self._tests = tests  # name -> function
        self._jobs = {}

    def start(self):
        tests, self._tests = self._tests, {}
        self._jobs |= {name: concurrent.futures.Future() for name in tests}
        threading.Thread(target=self._run, args=(tests,), daemon=True).start()

    def _run(self, tests):
        for name, test in tests.items():
            try:
                self._jobs[name].set_result(test())
            except BaseException as error:  # finish() raises it
                self._jobs[name].set_exception(error)

    def finish(self, tally, seconds):
        """Waits for the tests, and starts them if start() was not called."""
        self.start()
        for name in list(self._jobs):
            with seconds.of(name):
                tally.check(name, self._jobs[name].result)
            del self._jobs[name]


def run(tiers, pattern, seed=None, fail_fast=False, all_kernels=False):
    """Runs the tiers; of the nested tests those that match `pattern`, in the order of `seed`.

    `fail_fast`: the run ends before the build if a check fails. `all_kernels`: guests boot the
    kernels of all nested tests.
    """
    tally, seconds = Tally(), Seconds()
    try:
        with seconds.of("build root"):
            root = roots.build_root()
        guests = nested.guest_kernels_of_all(nested.selected(pattern, all_kernels))
        with ahead.made(tiers, guests) as made:
            if "unit" in tiers:
                with seconds.of("check"):
                    _check(tally, root, fail_fast)
            if not (fail_fast and tally.failed):
                with seconds.of("build"):
                    _build(tiers)
                with seconds.of("roots"):
                    made.wait()
                background = _background(tiers, pattern, root)
                background.start()
                _programs(tiers, tally, seconds, root)
                run_nested = functools.partial(nested.run, tally, root, pattern, seed, all_kernels)
                _hosts(tiers, tally, seconds, background, _has_nested(tiers, pattern) and run_nested)
    finally:
        print(seconds.line(), flush=True)
    for name in tally.failures:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed or not tally.passed else 0


def _needs_all(tiers):
    return not set(tiers) <= _ON_HOSTS


def _build(tiers):
    if _needs_all(tiers):
        build.everything()
    elif set(tiers) != {"packages"}:
        build.host_and_guest(nested.POLICIES if "nested" in tiers else ())


def _background(tiers, pattern, root):
    tests = {}
    if "native" in tiers:
        tests["driver's cost in a guest"] = lambda: driver_cost.check(root)
    if "nested" in tiers and fnmatch.fnmatch(_SWITCH_COST, pattern):
        tests[f"nested: {_SWITCH_COST}"] = lambda: switch_cost.check(root if _needs_all(tiers) else None)
    if "nested" in tiers and fnmatch.fnmatch(_KERNELS, pattern):
        tests |= kernels.tests()
    if "unit" in tiers:
        tests |= fuzz.tests(root)
    return Background(tests)


def _has_nested(tiers, pattern):
    """Whether a test on the host under test is wanted. A pattern that matches no test at all is: nested.run() names the error."""
    own = any(fnmatch.fnmatch(name, pattern) for name in (_KERNELS, _SWITCH_COST))
    return "nested" in tiers and (pattern == "*" or bool(nested.names(pattern)) or not own)


def _programs(tiers, tally, seconds, root):
    """The tests of C++ and Python, and the same C++ under sanitizers. The native tests have limits of time."""
    if "unit" in tiers:
        with seconds.of("lab"):
            tally.check("lab", lambda: _own_tests(tally))
    sanitizers = [(sanitizer, tier) for sanitizer, tier in _SANITIZERS if tier in tiers]
    for sanitizer, tier in sanitizers:
        with seconds.of(f"build {sanitizer.replace(',', '+')}"):
            build.cmake(root, _folder(sanitizer), [f"-DPVSCHED_SANITIZE={sanitizer}", "-DCMAKE_BUILD_TYPE=Debug", *_CLANG],
                        [f"{tier}_tests"])
    for tier in ("unit", "native"):
        if tier in tiers:
            with seconds.of(tier):
                _ctest(root, "build", tier, tally)
            for sanitizer in (sanitizer for sanitizer, of in sanitizers if of == tier):
                with seconds.of(f"{tier} {sanitizer.replace(',', '+')}"):
                    _ctest(root, _folder(sanitizer), tier, tally)


def _folder(sanitizer):
    return f"build/{sanitizer.replace(',', '-')}"


def _hosts(tiers, tally, seconds, background, run_nested):
    """The tests on hosts, and those of the packages. The emulated hosts' timers need a quiet machine."""
    steps = _packages(tally, seconds, tiers) if "packages" in tiers or "system" in tiers else None
    background.finish(tally, seconds)
    if run_nested:
        if steps:
            steps.try_in_background()
        with seconds.of("nested"):
            run_nested()
    if steps:
        with seconds.of("system"):
            steps.finish(tally)


def _packages(tally, seconds, tiers):
    """Makes the packages and checks them. Returns the steps of the system tests, if that tier is wanted."""
    try:
        with seconds.of("packages"):
            root, debs = package.make()
    except LabError as error:
        tally.add("fail", "packages: build")
        print(f"fail packages: build\n{error}", flush=True)
        return None
    tally.add("pass", "packages: build")
    print(f"pass packages: build: {len(debs)} packages", flush=True)
    if "packages" in tiers:
        with seconds.of("packages' checks"):
            _package_checks(tally, root)
    return system.Steps(root, debs) if "system" in tiers else None


def _package_checks(tally, root):
    """Two checks at a time: each has one process, and reads the packages only."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [(f"packages: {name}", pool.submit(run_check)) for name, run_check in package.checks(root)]
        for name, job in jobs:
            tally.check(name, job.result)


def _check(tally, root, fail_fast):
    """The first step: ./lab check. Needs the build root, but no build."""
    for result, name in check.run(check_tree.of_checkout(CHECKOUT), root, fail_fast=fail_fast):
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
                  "--no-tests=error", "-j", str(_jobs(tier))], stdout=file, stderr=file)
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


def _jobs(tier):
    """Programs at a time. The native tests have two lanes: those that load BPF programs share the kernel."""
    return os.cpu_count() if tier == "unit" else 2


def _why_skipped(folder, name):
    """The reason a skipped test printed, from ctest's log of the last run."""
    log = (CHECKOUT / folder / "Testing/Temporary/LastTest.log").read_text(errors="replace")
    output = re.search(rf"Testing: {re.escape(name)}\n.*?\nOutput:\n(.*?)<end of output>", log, re.S)
    reason = re.search(r"(?:: Skipped\n|^skipped: )(.+)", output[1], re.M) if output else None
    return reason[1] if reason else f"it gave no reason; see {folder}/Testing/Temporary/LastTest.log"
