# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab fuzz: libFuzzer on the code that reads what others write."""

import concurrent.futures
import dataclasses
import functools
import os
import re
import shutil
import subprocess

import build
import machine
import roots
from progress import clear_line, step
from settings import CHECKOUT, OUT, LabError, UsageError

HELP = """\
Calls a fuzz target with inputs that libFuzzer makes from earlier ones, and keeps each
input that runs code which no earlier one ran. The targets are the production code with
clang's AddressSanitizer and UBSan, and properties that must hold for any input.

The first inputs are in tests/fuzz/corpus/TARGET. Inputs that are kept are in
build/lab/fuzz/TARGET/corpus, where the next run continues.

Printed for each target are its calls, the places in the code that the inputs reach, their
features (a place with how often, and in which order), and the inputs that are new.
"""

_EPILOG = """\
targets:
{targets}

examples:
  ./lab fuzz                     every target for {default} s, one on each CPU
  ./lab fuzz config 600          one target for ten minutes
  ./lab fuzz all 3600
  ./lab chroot build/fuzz/bin/fuzz_config FILE     calls the target with one input

A target that fails prints the reason, the file of the input, and the command that
reproduces the failure. After the mend put the input into tests/fuzz/corpus/TARGET.

Exit status: 0 no target failed, 1 a target failed or was not built, 2 wrong usage.
"""

FOLDER = "build/fuzz"
# A build without optimisation has a third of the calls per second.
_OPTIONS = ("-DPVSCHED_SANITIZE=fuzzer-no-link,address,undefined", "-DCMAKE_BUILD_TYPE=Debug",
            "-DCMAKE_C_FLAGS=-O1", "-DCMAKE_CXX_FLAGS=-O1",
            "-DCMAKE_C_COMPILER=/usr/bin/clang", "-DCMAKE_CXX_COMPILER=/usr/bin/clang++")
_SOURCES = CHECKOUT / "tests" / "fuzz"
_ALL = "all"
_SECONDS = 60
_TEST_SECONDS = 10
_TEST_CORPUS = "test-corpus"
_CALL_MAX_S = 60  # a call that takes longer is a failure; at nice 19 one may wait for a CPU
_FAILURE = re.compile(r"property broken: .*|\S+ runtime error: .*|ERROR: \w+Sanitizer: .*|ERROR: libFuzzer: .*")


@dataclasses.dataclass
class Counts:
    """What libFuzzer says of a run."""

    calls: int
    places: int
    features: int
    new: int

    def text(self, seconds):
        return (f"{self.calls} calls ({self.calls // max(1, seconds)}/s), {self.places} places, "
                f"{self.features} features, {self.new} new inputs")


def names():
    """The targets, in the order of their CMakeLists.txt."""
    return re.findall(r"^pvsched_fuzz\((\w+)", (_SOURCES / "CMakeLists.txt").read_text(encoding="utf-8"), re.M)


def about(name):
    """The first sentence of a target's source."""
    text = (_SOURCES / f"{name}_fuzz.cc").read_text(encoding="utf-8")
    lines = re.search(r"^// Copyright.*\n((?://.*\n)+)", text, re.M)[1]
    return re.match(r".*?[.](?= |$)", " ".join(line.strip("/ ") for line in lines.splitlines()))[0]


def epilog():
    width = max(map(len, names()))
    targets = "\n".join(f"  {name:{width}}  {about(name)}" for name in names())
    return _EPILOG.format(targets=targets, default=_SECONDS)


def add_options(sub):
    sub.add_argument("target", nargs="?", default=_ALL, metavar="TARGET", help="a target below, or all (default: %(default)s)")
    sub.add_argument("seconds", nargs="?", default=str(_SECONDS), metavar="SECONDS",
                     help="how long each target runs (default: %(default)s)")


def main(args):
    """The verb of ./lab."""
    chosen = names() if args.target == _ALL else [args.target]
    if not set(chosen) <= set(names()):
        raise UsageError(f"fuzz: '{args.target}' is no target: choose from {', '.join((_ALL, *names()))}")
    if not args.seconds.isdigit() or int(args.seconds) < 1:
        raise UsageError(f"fuzz: '{args.seconds}' is not a positive number of seconds")
    seconds = int(args.seconds)
    root = roots.build_root()
    _build(root)
    failed = 0
    with (step(f"fuzzing {', '.join(chosen)}, {seconds} s each", prints=True),
          concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool):
        jobs = {pool.submit(run, root, name, seconds): name for name in chosen}
        for job in concurrent.futures.as_completed(jobs):
            clear_line()
            if isinstance(job.exception(), LabError):
                failed += 1
                print(f"fail {jobs[job]}: {job.exception()}", flush=True)
            else:
                print(f"pass {jobs[job]}: {job.result().text(seconds)}", flush=True)
    return 1 if failed else 0


def tests(root):
    """{name: function}: each runs one target for a short time."""
    return {f"fuzz: {name}": functools.partial(_test, root, name) for name in names()}


def _test(root, name):
    """Begins with the seeds, so that the cost does not grow with what earlier runs kept."""
    _build(root)
    with step(f"fuzzing {name}"):
        shutil.rmtree(OUT / "fuzz" / name / _TEST_CORPUS, ignore_errors=True)
        return run(root, name, _TEST_SECONDS, _TEST_CORPUS).text(_TEST_SECONDS)


def _build(root):
    build.cmake_beside(root, FOLDER, _OPTIONS, ["fuzz_targets"], machine.IN_BACKGROUND)


def run(root, name, seconds, kept="corpus"):
    """Runs a target, built before, and puts new inputs into the folder `kept`.

    Returns its Counts; raises LabError if it fails.
    """
    folder = OUT / "fuzz" / name
    (folder / kept).mkdir(parents=True, exist_ok=True)
    seeds = _SOURCES / "corpus" / name
    inside = folder.relative_to(CHECKOUT)
    # libFuzzer writes into the first one only.
    corpora = [inside / kept, *([seeds.relative_to(CHECKOUT)] if seeds.is_dir() else [])]
    log = folder / "log"
    command = [*machine.IN_BACKGROUND, "env", "UBSAN_OPTIONS=print_stacktrace=1", f"{FOLDER}/bin/fuzz_{name}",
               f"-max_total_time={seconds}", f"-timeout={_CALL_MAX_S}", "-print_final_stats=1", f"-artifact_prefix={inside}/",
               *map(str, corpora)]
    with open(log, "w", encoding="utf-8") as file:
        done = root.run(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    said = log.read_text(errors="replace")
    if done.returncode:
        raise LabError(failure(name, said, log))
    return counts(said)


def counts(said):
    """The Counts in libFuzzer's output."""
    last = re.findall(r"^#\d+\s+\w+\s+cov: (\d+) ft: (\d+)", said, re.M)
    stats = dict(re.findall(r"^stat::(\w+):\s+(\d+)", said, re.M))
    if not last or "number_of_executed_units" not in stats:
        raise LabError(f"libFuzzer did not say what it has done:\n{said[-2000:]}")
    return Counts(int(stats["number_of_executed_units"]), int(last[-1][0]), int(last[-1][1]), int(stats["new_units_added"]))


def failure(name, said, log):
    """The reason in libFuzzer's output, its input's file, and the command that reproduces it."""
    reason = _FAILURE.search(said)
    written = re.search(r"Test unit written to (\S+)", said)
    text = [reason[0] if reason else said[-2000:], f"log: {log}"]
    if written:
        text += [f"input: {CHECKOUT / written[1]}", f"reproduce it by: ./lab chroot {FOLDER}/bin/fuzz_{name} {written[1]}"]
    return "\n".join(text)
