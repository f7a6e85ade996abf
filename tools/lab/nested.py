# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The nested tests: shell scripts that run on the host under test, many in one boot.

A test that needs another host than the default has a line in its header, such as
"# topology: sockets=2,cores=2,threads=2,numa". Tests of one topology share their boots.
"# host-kernel: rt" gives the host another kernel (host_kernels.py), "# guest-kernel: rt"
gives the boot another kernel for guests (guest_kernels.py).
"""

import collections
import fnmatch
import os
import random
import re

import build
import guest_kernels
import host
import host_kernels
import image
import machine
import payload
import topology
from progress import clear_line, say, step
from settings import BUILD, CHECKOUT, NESTED, OUT, LabError

POLICIES = ("apply_locked", "critical_only")  # BPF policies that the tests load
_LIBRARY = "lib.sh"
_LAST_OF_BOOT = re.compile(r"^# lab: last test of a boot\b", re.M)
_ALL_KERNELS = re.compile(r"^# lab: only with --all-kernels$", re.M)
_TOPOLOGY = re.compile(r"^# topology: (\S+)$", re.M)
_ENVIRONMENT = ("LAB_STRESS_SECONDS", "LAB_IDLE_SECONDS")  # passed from the lab to the tests
_TRIES_MAX = 3  # of a test on emulated hosts
_RETRIED_MAX = 5  # if more tests than this fail, none is retried


def names(pattern="*"):
    """The tests whose name matches a shell pattern."""
    return [p.stem for p in sorted(NESTED.glob("*.sh"))
            if p.name != _LIBRARY and fnmatch.fnmatch(p.stem, pattern)]


def selected(pattern="*", all_kernels=False):
    """The same, without the tests that only --all-kernels selects, unless it is given."""
    return [name for name in names(pattern)
            if all_kernels or not _ALL_KERNELS.search((NESTED / f"{name}.sh").read_text())]


def is_last_of_boot(name):
    """Whether a test changes the host permanently, so that no other test may follow it."""
    return _LAST_OF_BOOT.search((NESTED / f"{name}.sh").read_text()) is not None


def topology_of(name):
    """The topology of the host that a test needs."""
    found = _TOPOLOGY.findall((NESTED / f"{name}.sh").read_text())
    try:
        return topology.parse(found[0]) if found else topology.DEFAULT
    except ValueError as error:
        raise LabError(f"{NESTED}/{name}.sh: {error}") from error


def host_kernel_of(name):
    """The name of the kernel that a test's host boots instead of its own, or None."""
    return host_kernels.named_in((NESTED / f"{name}.sh").read_text())


def host_of(name):
    """What tells the host that a test needs from others: its topology and its kernel."""
    return topology_of(name), host_kernel_of(name)


def guest_kernels_of(name):
    """The names of the kernels besides the host's own that a test's guests boot."""
    return guest_kernels.named_in((NESTED / f"{name}.sh").read_text())


def guest_kernels_of_all(tests):
    """The names of all their kernels."""
    return sorted({kernel for name in tests for kernel in guest_kernels_of(name)})


def boots(tests, seed=None, is_last=is_last_of_boot, needs=host_of):
    """The tests of each boot in their order: by name, or shuffled by `seed`.

    Tests do not depend on each other, but on their host. A boot ends after
    a test that changes the host permanently. Such tests come last, so that there are few boots.
    """
    groups = {}
    for test in tests:
        groups.setdefault(needs(test), []).append(test)
    return [boot for group in groups.values() for boot in _boots_of_one(group, seed, is_last)]


def _boots_of_one(tests, seed, is_last):
    """The boots for tests of one host."""
    shared = [t for t in tests if not is_last(t)]
    last = [t for t in tests if is_last(t)]
    if seed is not None:
        random.Random(seed).shuffle(shared)
    first, *others = last or [None]
    return [shared + [first] if first else shared, *([t] for t in others)]


def run(tally, root, pattern, seed=None, all_kernels=False):
    """Runs the tests; if an emulated host dies, the rest runs on a fresh host.

    Emulation is slow and noisy and sometimes resets a guest. So on an emulated host up to
    _RETRIED_MAX failed tests are retried on a fresh one, and a test fails if all of
    _TRIES_MAX tries fail. Every try is printed.
    """
    tests = selected(pattern, all_kernels)
    if not tests and names(pattern):
        raise LabError(f"the nested tests {pattern} run only with --all-kernels")
    if not tests:
        raise LabError(f"no nested test is called {pattern}: see {NESTED}")
    image.host_image()  # shows progress of its own
    kernels = _made_kernels(tally, tests)
    job = _Jobs(tally, _files(root), machine.why_no_kvm() is not None, kernels)
    queue = boots(tests, seed)
    if seed is not None:
        say(f"order of the nested tests (seed {seed}): {' '.join(t for boot in queue for t in boot)}")
    while queue:
        again = [name for boot in queue for name in job.run_boot(boot)]
        if len(again) > _RETRIED_MAX:
            for name in again:
                tally.add("fail", f"nested: {name}")
            return
        if again:
            say(f"failed on an emulated host, retried on a fresh one: {', '.join(again)}")
        queue = boots(again, seed) if again else []


def _made_kernels(tally, tests):
    """The guest kernels of the tests, by name. A test of which one cannot be had is skipped: removed from `tests`."""
    made = {}
    for name in list(tests):
        try:
            made |= {kernel: guest_kernels.make(kernel) for kernel in guest_kernels_of(name)}
            if kernel := host_kernel_of(name):
                host_kernels.make(kernel)
        except (guest_kernels.NoKernel, host_kernels.NoKernel) as error:
            tests.remove(name)
            tally.add("skip", f"nested: {name}")
            print(f"skip {name}: {error}", flush=True)
    return made


def _files(root):
    files = {f"/lab/tests/{p.name}": p.read_bytes() for p in NESTED.glob("*.sh")}
    for policy in POLICIES:
        files[f"/lab/policies/{policy}.bpf.o"] = (BUILD / "policies" / f"{policy}.bpf.o").read_bytes()
    files["/lab/pvsched_host-without-btf.ko"] = _without_btf(root)
    return files


def _without_btf(root):
    module, bare = build.module_path("pvsched_host", root.kernel), OUT / "without-btf.ko"
    root.run(["objcopy", "--strip-debug", "-R", ".BTF", "-R", ".BTF.base",
              *(f"/src/{p.relative_to(CHECKOUT)}" for p in (module, bare))])
    return bare.read_bytes()


class _Jobs:
    """Runs boots and adds the results to the tally."""

    def __init__(self, tally, files, emulated, kernels):
        self._tally = tally
        self._files = files
        self._emulated = emulated
        self._kernels = kernels
        self._tries = collections.Counter()
        self._reasons = {}

    def run_boot(self, tests):
        """Runs the tests in this order. Returns the failed tests that are to be retried."""
        tests, again, deaths = list(tests), [], 0
        while tests:
            results, trouble = self._run_host(tests)
            for result, name in results:
                tests.remove(name)
                if self._is_final(result, name):
                    self._tally.add(result, f"nested: {name}", self._reasons.get(name, ""))
                else:
                    again.append(name)
            # A death is held against a test only if no test finished since the last one.
            deaths = 0 if results else deaths + 1
            if tests and isinstance(trouble, host.EmulatorDied) and deaths <= host.RETRIES:
                say(f"the emulated host died in {tests[0]}: {trouble}. This is the emulator's failure: "
                    "the test is repeated on a fresh host")
                continue
            for name in tests:
                self._tally.add("fail", f"nested: {name}")
                print(f"fail {name}: {trouble or 'the host powered off too early'}", flush=True)
            break
        return again

    def _is_final(self, result, name):
        self._tries[name] += 1
        return result != "fail" or not self._emulated or self._tries[name] >= _TRIES_MAX

    def _run_host(self, tests):
        """The results of one host, (result, name) each, and the error that ended it, or None."""
        output, trouble = Output(), None
        environment = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
        needed, kernel = host_of(tests[0])
        kernels = {name: self._kernels[name] for test in tests for name in guest_kernels_of(test)}
        job = payload.Job(["env", *environment, "run-tests", *tests], self._files, topology=needed,
                          guest_kernels=tuple(kernels.values()),
                          host_kernel=host_kernels.make(kernel) if kernel else None)
        title = f"{needed.title()}, kernel {kernel}" if kernel else needed.title()
        with step(f"running {len(tests)} nested tests on {title}", prints=True):
            try:
                host.run(job, OUT / "nested", output, retries=0)
            except LabError as error:
                trouble = error
        self._reasons |= output.reasons
        return output.results, trouble


class Output:
    """Prints the output of a host's tests, with `prefix` on each line, and collects each test's result from it."""

    def __init__(self, prefix=""):
        self.results = []
        self.reasons = {}  # failed test -> its last line that begins with FAIL
        self._prefix = prefix
        self._rest = b""

    def __call__(self, data):
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            clear_line()
            print(f"{self._prefix}{text}", flush=True)
            found = re.match(r"(pass|fail|skip) (\S+) \d+$", text)
            if found:
                self.results.append((found[1], found[2]))
            elif (why := re.match(r" +FAIL: (.*)", text)) and self.results and self.results[-1][0] == "fail":
                self.reasons[self.results[-1][1]] = why[1]
