# SPDX-License-Identifier: Apache-2.0
"""./lab test: all tiers, one summary line."""

import collections
import fnmatch
import os
import re
import subprocess
import sys

import build
import driver_cost
import host
import image
import machine
import payload
from progress import clear_line, say, step
from settings import BENCHMARKS, BUILD, CHECKOUT, LAB, NESTED, OUT, LabError

TIERS = ("unit", "native", "nested")
_SANITIZERS = (("address,undefined", "unit"), ("thread", "native"))
_POLICIES = ("apply_locked", "critical_only")
_TRIES = 3  # of a nested test on emulated hosts
_MOST_AGAIN = 5
_PASSED_ON = ("LAB_STRESS_SECONDS",)  # from the environment to the nested tests
_SOURCES = ("common", "vmm-device", "host-policy", "tools", "tests")


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
        """One thing that passes unless it raises; what it returns is printed."""
        try:
            said = run()
            self.add("pass", name)
            print(f"pass {name}: {said}" if said else f"pass {name}", flush=True)
        except LabError as error:
            self.add("fail", name)
            print(f"fail {name}\n{error}", flush=True)


def run(tiers, nested_pattern):
    tally = Tally()
    if set(tiers) == {"nested"}:
        root = build.host_and_guest(_POLICIES)
    else:
        root = build.everything()
    if "unit" in tiers:
        tally.check("format", lambda: _format(root))
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
        _nested(tally, root, nested_pattern)
    for name in tally.failures:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed or not tally.passed else 0


def _format(root):
    files = [str(p.relative_to(CHECKOUT)) for folder in _SOURCES
             for p in sorted((CHECKOUT / folder).rglob("*")) if p.suffix in (".cc", ".h")]
    build.logged(root, "checking the C++ format", ["clang-format", "--dry-run", "--Werror", *files])


def _own_tests(tally):
    """The lab's own unit tests, on the Python that runs the lab."""
    for folder in (LAB, BENCHMARKS):
        done = subprocess.run([sys.executable, "-m", "unittest", "discover", "-v", "-s", str(folder), "-p", "*_test.py"],
                              env={**os.environ, "PYTHONPATH": f"{LAB}:{BENCHMARKS}"},
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(done.stderr)
        reasons = skipped(done.stderr)
        count = re.search(r"^OK \(.*skipped=(\d+)", done.stderr, re.M)
        if len(reasons) != (int(count[1]) if count else 0):
            raise LabError(f"tests were skipped, but the output does not say which:\n{done.stderr}")
        for name, why in reasons:
            tally.add("skip", f"lab: {name}")
            print(f"skip lab: {name}: {why}", flush=True)


def skipped(said):
    """Of what unittest says of each test: the names of those that were skipped, and why."""
    return re.findall(r"^(\S+) \(\S+\)(?:\n.*)? \.\.\. skipped ['\"](.*)['\"]$", said, re.M)


def _ctest(root, folder, tier, tally):
    """Runs a tier's programs by ctest and counts their cases from its output."""
    log = BUILD / "lab" / f"{folder.replace('/', '-')}-{tier}.log"
    shown_as = tier if folder == "build" else f"{tier}, {folder.rpartition('/')[2]}"
    with step(f"running the {shown_as} tests"), open(log, "w", encoding="utf-8") as file:
        root.run(["ctest", "--test-dir", folder, "-L", f"^{tier}$", "--output-on-failure",
                  "--no-tests=error"], stdout=file, stderr=file)
    text = log.read_text(errors="replace")
    cases = re.findall(r"^ *\d+/\d+ Test +#\d+: (.+?) \.*[ *]*(Passed|Skipped|Failed|Timeout|Not Run|"
                       r"Exception|Subprocess)", text, re.M)
    before = tally.failed
    for name, word in cases:
        result = {"Passed": "pass", "Skipped": "skip"}.get(word, "fail")
        tally.add(result, f"{shown_as}: {name}")
        if result == "skip":
            print(f"skip {shown_as}: {name}: {_why_skipped(folder, name)}", flush=True)
    if not cases:
        tally.add("fail", f"{shown_as}: ctest found no test")
    if tally.failed > before:
        print(text, flush=True)
    print(f"{shown_as}: {len(cases)} cases, {tally.failed - before} failed ({log})", flush=True)


def _why_skipped(folder, name):
    """What a skipped test said, from ctest's own log of the last run."""
    log = (CHECKOUT / folder / "Testing/Temporary/LastTest.log").read_text(errors="replace")
    said = re.search(rf"Testing: {re.escape(name)}\n.*?\nOutput:\n(.*?)<end of output>", log, re.S)
    reason = re.search(r"(?:: Skipped\n|^skipped: )(.+)", said[1], re.M) if said else None
    return reason[1] if reason else f"it gave no reason; see {folder}/Testing/Temporary/LastTest.log"


def _nested(tally, root, pattern):
    """Runs the nested tests in one boot; in another if the emulated host dies.

    Emulation is slow, noisy, and now and then resets a guest: up to five tests that
    fail there are tried again, on a fresh host. What fails three times has failed. All
    tries are printed.
    """
    folder = NESTED
    tests = sorted(p.stem for p in folder.glob("[0-9]*.sh") if fnmatch.fnmatch(p.stem, pattern))
    if not tests:
        raise LabError(f"no nested test is called {pattern}: see {folder}")
    files = {f"/lab/tests/{p.name}": p.read_bytes() for p in folder.glob("*.sh")}
    for policy in _POLICIES:
        files[f"/lab/policies/{policy}.bpf.o"] = (BUILD / "policies" / f"{policy}.bpf.o").read_bytes()
    files["/lab/pvsched_host-without-btf.ko"] = _without_btf(root)
    image.host_image()  # may take long, and says so itself
    emulated = machine.why_no_kvm() is not None
    deaths, tries, again = 0, collections.Counter(), []
    while tests:
        results, trouble = _Results(), None
        settings = [f"{name}={os.environ[name]}" for name in _PASSED_ON if name in os.environ]
        job = payload.Job(["env", *settings, "run-tests", *tests], files)
        with step(f"running {len(tests)} nested tests", prints=True):
            try:
                host.run(job, OUT / "nested", results, retries=0)
            except LabError as error:
                trouble = error
        for result, name in results.done:
            tests.remove(name)
            tries[name] += 1
            if result == "fail" and emulated and tries[name] < _TRIES:
                again.append(name)
            else:
                tally.add(result, f"nested: {name}")
        # Only deaths with no result in between are counted against a test.
        deaths = 0 if results.done else deaths + 1
        if tests and isinstance(trouble, host.EmulatorDied) and deaths <= host.RETRIES:
            say(f"the emulated host died in {tests[0]}: {trouble}. That is the emulator's failure: "
                "going on with that test on a fresh host")
            continue
        for name in tests:
            tally.add("fail", f"nested: {name}")
            print(f"fail {name}: {trouble or 'the host powered off too early'}", flush=True)
        if len(again) > _MOST_AGAIN:
            for name in again:
                tally.add("fail", f"nested: {name}")
            return
        if again:
            say(f"{', '.join(again)} failed on an emulated host: once more on a fresh one")
        tests, again = again, []


def _without_btf(root):
    module, bare = build.module_path("pvsched_host", root.kernel), OUT / "without-btf.ko"
    root.run(["objcopy", "--strip-debug", "-R", ".BTF", "-R", ".BTF.base",
              *(f"/src/{p.relative_to(CHECKOUT)}" for p in (module, bare))])
    return bare.read_bytes()


class _Results:
    """Passes the runner's output on, and takes each test's result from it."""

    def __init__(self):
        self.done = []
        self._rest = b""

    def __call__(self, data):
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            clear_line()
            print(text, flush=True)
            found = re.match(r"(pass|fail|skip) (\S+) \d+$", text)
            if found:
                self.done.append((found[1], found[2]))
