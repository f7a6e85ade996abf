# SPDX-License-Identifier: Apache-2.0
"""./lab bench: measures, collects, reports, and compares with an older run."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import build
import image
import machine
from bench import against, collect, native, policies, report, results as results_file, rounds, sched_ext, schedule, suites
from progress import say, step
from settings import CHECKOUT, OUT, LabError, UsageError

DEFAULT_OUT = OUT / "bench"
_PLAN = "plan.json"  # as long as not all of it is done


@dataclasses.dataclass
class Options:
    suites: list
    policies: list  # empty: all
    rounds: int
    seconds: int  # 0: as long as fits
    seed: int
    out: pathlib.Path
    against: pathlib.Path  # or None
    command: str  # as it was given


def run(options):
    chosen = policies.chosen(options.policies)
    _check_out(options.out)
    old = results_file.load(options.against) if options.against else None
    emulated = machine.why_no_kvm() is not None
    plan = schedule.blocks(chosen, suites.cases(options.suites), options.rounds, options.seed)
    wanted_natively = [s for s in options.suites if s in suites.NATIVE and native.POLICY in chosen]
    native_s = native.takes_s(wanted_natively, options.rounds)
    seconds = options.seconds or schedule.seconds_that_fit(plan, emulated, native_s)
    commit = _commit()  # before what may be changed meanwhile
    kernel, tools, unbuilt = _build(chosen, bool(wanted_natively), bool(plan))
    plan = [b.without({(b.case.suite, b.case.name, p) for p in unbuilt}) for b in plan]
    _announce(plan, seconds, native_s, emulated, options)

    raw = options.out / "raw"
    place = {"host_kernel": kernel, "own_kernel": os.uname().release, "machine": _machine(), "emulated": emulated}
    kept = _begin(options, plan, seconds, commit, place)
    measured = rounds.Measured(raw)
    with step("the bench", prints=True):
        if plan:
            measured = rounds.run(plan, seconds, raw, emulated, tools, kept)
        if not measured.is_stopped:
            _natively(wanted_natively, options.rounds, measured)

    collection = collect.Collection(raw, plan, seconds, chosen)
    collection.native(wanted_natively, options.rounds)
    _why_missing(collection, options, plan, unbuilt, measured)
    results = {"format": 1, "meta": _meta(options, measured, collection.samples, seconds, kernel, commit), "policies": collect.titles(chosen),
               "samples": collection.samples, "curves": collection.curves, "missing": collection.missing, "again": collection.again}
    if not collection.samples:
        why = measured.trouble or (collection.missing[0]["why"] if collection.missing else "no case compares these policies")
        raise LabError(f"nothing could be measured: {why}")
    report.write(results, options.out, options.command)
    say(f"wrote {options.out}: report.html, summary.md, results.json, raw")
    status = 0
    if old:
        text, status = against.report(results, old, options.against)
        print(text, flush=True)
    if measured.trouble:
        raise LabError(f"not all was measured: {measured.trouble}. The same command goes on from there")
    (options.out / _PLAN).unlink()
    return status


def merge(folders, out, command):
    """Instead of measuring: one report of runs that are there."""
    for folder in folders:
        if not (folder / "results.json").is_file():
            raise UsageError(f"bench: --merge: {folder} is no earlier result, as it has no results.json")
    if out.exists() and out not in [f.resolve() for f in folders] and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"bench: --out {out} is there, and what is in it would be lost: give a new or empty directory")
    report.rewrite(folders, out, command)
    say(f"wrote {out}: report.html, summary.md, results.json")
    return 0


def _begin(options, plan, seconds, commit, place):
    """Makes the folder anew, or returns what an earlier run of this plan, which did not end, has kept there."""
    text = json.dumps({"schedule": [b.line() for b in plan], "seconds": seconds, "commit": commit,
                       **place}, indent=1)
    file = options.out / _PLAN
    if file.exists() and file.read_text() == text:
        kept = rounds.read(options.out / "raw")
        say(f"going on with the {rounds.done(kept)} of {len(plan)} blocks that an earlier run has done")
        return kept
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return {}


def _check_out(out):
    """What is there is replaced, so it must be an earlier result."""
    ours = _holds(out / _PLAN, "schedule", "commit") or ((out / "raw").is_dir() and _holds(
        out / "results.json", "format", "meta", "policies", "samples"))
    if out.exists() and (not out.is_dir() or any(out.iterdir()) and not ours):
        raise UsageError(f"bench: --out {out} is there, is no earlier result, and would be lost: "
                         "give a new or empty directory")


def _holds(file, *keys):
    """Whether it is one of ours: others have a raw, or a results.json, too."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and set(keys) <= set(found)


def _build(chosen, natively, nested):
    """The kernel under test, the kernel's own schedulers that could be built, and why others could not."""
    root = build.host_and_guest()
    if natively:
        native.build_program(root)
    if not nested:
        return os.uname().release, {}, {}
    disk = image.host_image()  # may take long, and says so itself
    tools, unbuilt = sched_ext.programs(policies.of_kind(chosen, "sched_ext"))
    for name, why in unbuilt.items():
        say(f"{name} is not measured: {why}")
    return disk.kernel, tools, unbuilt


def _natively(wanted, count, measured):
    try:
        native.run(wanted, count, measured.raw)
    except (KeyboardInterrupt, SystemExit):
        measured.trouble, measured.is_stopped = measured.trouble or rounds.STOPPED, True


def _announce(plan, seconds, native_s, emulated, options):
    total = sum(len(b.order) for b in plan)
    takes = schedule.takes_s(plan, seconds, emulated) + native_s
    say(f"{total} measurements in {options.rounds} round{'s' * (options.rounds > 1)}, latency for {seconds} s each, "
        f"in an order by seed {options.seed}: {rounds.minutes(takes)}"
        + (", and more for each time that the emulated host dies" if emulated and plan else ""))


def _why_missing(collection, options, plan, unbuilt, measured):
    for case in suites.cases(options.suites):
        for policy, why in unbuilt.items():
            if case.measures(policy):
                collection.lacks(case.suite, case.title, policy, why)
    for (suite, name, policy), why in measured.given_up.items():
        collection.lacks(suite, suites.case(suite, name).title, policy, why)
    have = {(s["suite"], s["case"], s["policy"]) for s in collection.samples + collection.missing}
    for block in plan:
        for policy in block.order:
            if (block.case.suite, block.case.title, policy) not in have:
                collection.lacks(block.case.suite, block.case.title, policy, measured.trouble or "it was not measured")
    for (suite, name, policy), ends in measured.deaths.items():
        for end in ends if (suite, name, policy) not in measured.given_up else ():
            collection.tried(suite, suites.case(suite, name).title, policy, end)
    if native.POLICY not in collection.policies:
        for part in native.parts(options.suites):
            collection.lacks(*native.cases_of(part), policies.BASE, f"it is measured for {native.POLICY} alone")
    collection.unwanted(options.suites)


def _meta(options, measured, samples, seconds, kernel, commit):
    return {"date": datetime.date.today().isoformat(), "host_kernel": kernel, "guest_kernel": kernel, "own_kernel": os.uname().release, "machine": _machine(),
            "emulated": measured.emulated, "rounds": max((s["round"] for s in samples), default=0),
            "suites": options.suites, "trouble": measured.trouble, "seconds": seconds, "seed": options.seed, "commit": commit}


def _machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return f"{os.cpu_count()} CPUs, {found[1].strip() if found else 'of unknown model'}"


def _commit():
    """With a + and a hash of the changes if the checkout has some; empty if it is no checkout of git's."""
    found = []
    for arguments in (["rev-parse", "--short", "HEAD"], ["diff", "--binary", "HEAD"]):
        try:
            found.append(subprocess.run(["git", "-C", CHECKOUT, *arguments], capture_output=True, check=True).stdout)
        except (OSError, subprocess.CalledProcessError):
            return ""
    commit, changes = found
    return commit.decode().strip() + (f"+{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")
