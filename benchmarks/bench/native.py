# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The part of the bench without a host under test: pvsched-cost-bench on this machine's own kernel."""

import subprocess

import build
import roots
from bench import suites
from bench.policies import BASE
from progress import step
from settings import BUILD, CHECKOUT

PROGRAM = "pvsched-cost-bench"
POLICY = "agent"  # the actuator of pvschedd there
# Part of the program -> (suite, seconds of a round).
PARTS = {"exits": ("overhead", 3), "programs": ("overhead", 4), "guest-hooks": ("overhead", 2),
         "scale": ("scale", 14), "vms": ("scale", 6), "decisions": ("scale", 12)}


def parts(wanted):
    return [part for part, (suite, _) in PARTS.items() if suite in wanted]


def takes_s(wanted, rounds):
    return rounds * sum(PARTS[part][1] for part in parts(wanted))


def run(wanted, rounds, top):
    """Runs each part once in each round. Writes round-N/PART.json in `top`, or PART.missing with the reason.

    A result that exists is kept: it is of a run of the same plan that was stopped.
    """
    if not parts(wanted):
        return
    root = roots.build_root()
    with step(f"{rounds} rounds on this machine's own kernel") as shown:
        for n in range(1, rounds + 1):
            folder = top / f"round-{n}"
            folder.mkdir(parents=True, exist_ok=True)
            for part in parts(wanted):
                shown.detail = f"round {n}: {part}"
                if not (folder / f"{part}.json").exists():
                    _run(root, part, folder)


def _run(root, part, folder):
    program = f"/src/{(BUILD / 'bin' / PROGRAM).relative_to(CHECKOUT)}"
    (folder / f"{part}.missing").unlink(missing_ok=True)
    log = folder / f"{part}.log"
    with open(log, "wb") as file:
        done = root.run([program, "--rounds", "1", "--only", part, "--json", f"/out/{part}.part"],
                        binds=((folder, "/out"),), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    if not done.returncode:
        (folder / f"{part}.part").rename(folder / f"{part}.json")  # so that it is complete wherever it exists
    else:
        said = log.read_text(errors="replace").strip().splitlines()
        (folder / f"{part}.missing").write_text(said[-1] if said else f"exit status {done.returncode}")


def build_program(root):
    build.cmake(root, targets=(PROGRAM,))


# Each part's figures: (suite, case, metric, unit, better, {policy: value}).
_HERE = "this machine's own KVM"
_LOWER, _HIGHER, _NEITHER = "lower", "higher", "neither"


def figures(part, data):
    return {"exits": _exits, "programs": _programs, "guest-hooks": _hooks, "scale": _vcpus, "vms": _vms,
            "decisions": _decisions}[part](data)


def _middle(spread):
    return spread["median"]  # the value of a single round


def _exits(data):
    trip = data["exit_round_trip"]
    base = _middle(trip["without_ns"])
    for metric, key in (("round trip of an exit", "registered_ratio"),
                        ("round trip, VM without the driver", "unknown_ratio")):
        yield "overhead", f"exits, {_HERE}", metric, "ns", _LOWER, {BASE: base, POLICY: base * _middle(trip[key])}


def _programs(data):
    for name, program in data["programs"].items():
        yield "overhead", f"BPF programs, {_HERE}", name, "ns", _LOWER, {POLICY: program["mean_ns"]}


def _hooks(data):
    hooks = data["guest_hooks"]
    yield ("overhead", "the driver's own code", "added to a wake-up and a switch", "%", _LOWER,
           {POLICY: 100 * _middle(hooks["ratio"])})


def _vcpus(data):
    return _by_number(data["scale"], "vCPU")


def _vms(data):
    return _by_number(data["vms"], "VM")


def _by_number(scale, unit):
    for count, spread in scale["event_ns"].items():
        yield "scale", _counted(count, unit), "program at an exit", "ns", _LOWER, {POLICY: _middle(spread)}
    most = _counted(max(scale["event_ns"], key=int), unit)
    yield "scale", most, f"registration of a {unit}", "us", _LOWER, {POLICY: _middle(scale["registration_us"])}
    yield "scale", most, f"pvschedd's memory for a {unit}", "KiB", _LOWER, {POLICY: _middle(scale["memory_kib"])}


def _counted(count, unit):
    what = f"VM{'s' * (count != '1')} of one vCPU" if unit == "VM" else f"vCPU{'s' * (count != '1')}"
    return f"{count} {what}"


def _decisions(data):
    rates = data["decisions"]["rates"]
    applied = {rate["wanted_per_s"]: _middle(rate["applied_per_s"]) for rate in rates}
    for rate in rates:
        title = f"one agent, {rate['wanted_per_s']} requests a second meant"
        yield "scale", title, "requests", "1/s", _NEITHER, {POLICY: _middle(rate["asked_per_s"])}
        yield "scale", title, "decisions applied", "1/s", _HIGHER, {POLICY: applied[rate["wanted_per_s"]]}
    yield "scale", "one agent", "most decisions applied", "1/s", _HIGHER, {POLICY: max(applied.values())}


def cases_of(part):
    """(suite, case) under which a part that failed is reported."""
    return {"exits": ("overhead", f"exits, {_HERE}"), "programs": ("overhead", f"BPF programs, {_HERE}"),
            "guest-hooks": ("overhead", "the driver's own code"), "scale": ("scale", "1000 vCPUs"),
            "vms": ("scale", "100 VMs of one vCPU"), "decisions": ("scale", "one agent")}[part]


def has(suite, case):
    """Whether a case is measured here, without the host under test."""
    return not suites.cases([suite]) or (suite, case) in map(cases_of, PARTS)
