# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab bench: measures, collects, reports, and compares with an older run."""

import dataclasses
import datetime
import json
import os
import pathlib
import shutil

import build
import image
import machine
from bench import (about, against, collect, native, peers, performance, policies, report, results as results_file,
                   rounds, sched_ext, schedule, suites)
from progress import say, step
from settings import OUT, LabError, UsageError

DEFAULT_OUT = OUT / "bench"
_PLAN = "plan.json"  # exists until the run is complete
_NATIVE = "native"  # not in raw, which each boot of a host replaces


@dataclasses.dataclass
class Options:
    suites: list
    policies: list  # empty: all
    rounds: int
    seconds: int  # 0: as long as the time budget allows
    seed: int
    out: pathlib.Path
    against: pathlib.Path  # or None
    command: str  # the whole command line
    preset: str = ""  # replaces suites, policies, rounds and seconds
    is_published: bool = False
    is_asserted: bool = False
    peers: tuple = ()  # (name, path) each

    def names(self):
        """The policies named, with the peers; empty: all."""
        return [*self.policies, *(name for name, _ in self.peers)] if self.policies else []

    def cases(self):
        return list(suites.PRESETS[self.preset].cases) if self.preset else suites.cases(self.suites)


def of_preset(options):
    """The options with what their preset says."""
    if not options.preset:
        return options
    preset = suites.PRESETS[options.preset]
    return dataclasses.replace(options, suites=preset.suites, policies=preset.policies, rounds=preset.rounds,
                               seconds=preset.seconds)


def run(options):
    options = of_preset(options)
    peers.add(options.peers)
    chosen = policies.chosen(options.names())
    _check_out(options.out)
    old = results_file.load(options.against) if options.against else None
    emulated = machine.why_no_kvm() is not None
    plan = schedule.blocks(chosen, options.cases(), options.rounds, options.seed)
    native_suites = [s for s in options.suites if s in suites.NATIVE and native.POLICY in chosen]
    native_s = native.takes_s(native_suites, options.rounds)
    seconds = options.seconds or schedule.seconds_that_fit(plan, emulated, native_s)
    commit = about.commit()  # before the build, while which the checkout may change
    if options.is_published and (not commit or "+" in commit):
        raise UsageError("bench: --publish needs a clean git checkout, as the page names the commit: commit first")
    kernel, tools, unbuilt = _build(chosen, bool(native_suites), bool(plan), options.peers)
    plan = [b.without({(b.case.suite, b.case.name, p) for p in unbuilt}) for b in plan]
    _announce(plan, seconds, native_s, emulated, options)

    meta = about.meta(kernel, commit, emulated, options, seconds)
    kept = _begin(options, plan, meta)
    measured = _measure(options, plan, seconds, tools, kept, native_suites, emulated)
    results = _collected(options, plan, meta, chosen, unbuilt, measured, native_suites)
    return _report(options, results, old, measured)


def merge(folders, out, command, is_published=False):
    """One report of earlier runs; measures nothing."""
    for folder in folders:
        if not (folder / "results.json").is_file():
            raise UsageError(f"bench: --merge: {folder} is no earlier result: it has no results.json")
    if out.exists() and out not in [f.resolve() for f in folders] and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"bench: --out {out} exists, and its contents would be lost: give a new or empty directory")
    merged = report.rewrite(folders, out, command)
    say(f"wrote {out}: report.html, summary.md, results.json")
    if is_published:
        say(f"wrote {performance.publish(merged)} and {performance.PAGE}")
    return 0


def page(target, source, is_asserted):
    """The page of earlier results; measures nothing."""
    measured = performance.write(target, source)
    text, status = performance.judge(measured)
    print(text, flush=True)
    say(f"wrote {target}")
    return status if is_asserted else 0


def _measure(options, plan, seconds, tools, kept, native_suites, emulated):
    measured = rounds.Measured(options.out / "raw")
    with step("the bench", prints=True):
        _natively(native_suites, options.rounds, options.out / _NATIVE, measured)
        if plan and not measured.is_stopped:
            measured = rounds.run(plan, seconds, measured.raw, emulated, tools, kept)
    return measured


def _collected(options, plan, meta, chosen, unbuilt, measured, native_suites):
    collection = collect.Collection(measured.raw, plan, meta["seconds"], chosen)
    collection.native(options.out / _NATIVE, native_suites, options.rounds)
    _why_missing(collection, options, plan, unbuilt, measured)
    if not collection.samples:
        why = measured.trouble or (collection.missing[0]["why"] if collection.missing else
                                   "no case compares these policies")
        raise LabError(f"no measurement succeeded: {why}")
    meta = {**meta, "trouble": measured.trouble, "rounds": max(s["round"] for s in collection.samples)}
    return {"format": 1, "meta": meta, "policies": collect.titles(chosen), "samples": collection.samples,
            "curves": collection.curves, "missing": collection.missing, "again": collection.again}


def _report(options, results, old, measured):
    report.write(results, options.out, options.command)
    say(f"wrote {options.out}: report.html, summary.md, results.json and raw files")
    status = 0
    if old:
        text, status = against.report(results, old, options.against)
        print(text, flush=True)
    if measured.trouble:
        raise LabError(f"the run is incomplete: {measured.trouble}. Repeat the command to continue it")
    (options.out / _PLAN).unlink()
    if options.is_published:
        say(f"wrote {performance.publish(results)} and {performance.PAGE}")
    if options.preset or options.is_asserted:
        text, missed = performance.judge(results, red=os.isatty(1))
        print(text, flush=True)
        status = status or (missed if options.is_asserted else 0)
    return status


def _begin(options, plan, meta):
    """Empties the output folder; or returns what an unfinished run of the same plan kept there."""
    same = {k: v for k, v in meta.items() if k not in ("date", "time", "command", "rounds", "trouble")}
    text = json.dumps({"schedule": [b.line() for b in plan], **same}, indent=1)
    file = options.out / _PLAN
    if file.exists() and file.read_text() == text:
        kept = rounds.read(options.out / "raw")
        say(f"continuing an earlier run: {rounds.done(kept)} of {len(plan)} blocks are done")
        return kept
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return {}


def _check_out(out):
    """The run replaces the contents of `out`, so these must be an earlier result."""
    has_raw = any((out / name).is_dir() for name in ("raw", _NATIVE))
    ours = _holds(out / _PLAN, "schedule", "commit") or (has_raw and _holds(
        out / "results.json", "format", "meta", "policies", "samples"))
    if out.exists() and (not out.is_dir() or any(out.iterdir()) and not ours):
        raise UsageError(f"bench: --out {out} exists, is no earlier result, and would be lost: "
                         "give a new or empty directory")


def _holds(file, *keys):
    """Whether the bench wrote `file`: other programs use names such as raw and results.json, too."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and set(keys) <= set(found)


def _build(chosen, natively, nested, own):
    """(kernel under test, the peers and the kernel's own schedulers that compiled, why the others did not)"""
    root = build.host_and_guest()
    if natively:
        native.build_program(root)
    if not nested:
        return os.uname().release, {}, {}
    disk = image.host_image()
    tools, unbuilt = sched_ext.programs(policies.of_kernel(chosen))
    tools |= peers.programs(own, root)
    for name, why in unbuilt.items():
        say(f"{name} is not measured: {why}")
    return disk.kernel, tools, unbuilt


def _natively(wanted, count, top, measured):
    try:
        native.run(wanted, count, top)
    except (KeyboardInterrupt, SystemExit):
        measured.trouble, measured.is_stopped = measured.trouble or rounds.STOPPED, True


def _announce(plan, seconds, native_s, emulated, options):
    total = sum(len(b.order) for b in plan)
    takes = schedule.takes_s(plan, seconds, emulated) + native_s
    end = (datetime.datetime.now() + datetime.timedelta(seconds=takes)).strftime("%H:%M")
    say(f"{total} measurements in {options.rounds} round{'s' * (options.rounds > 1)}, latency for {seconds} s each, "
        f"order by seed {options.seed}: {rounds.minutes(takes)}, until {end}"
        + (", longer if the emulated host dies" if emulated and plan else ""))


def _why_missing(collection, options, plan, unbuilt, measured):
    cases = options.cases()
    for case in cases:
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
            collection.lacks(*native.cases_of(part), policies.BASE, f"only {native.POLICY} is measured here")
    if not options.preset:  # --against takes a reason for a lost measurement, which a preset's choice is not
        collection.unwanted(cases)
