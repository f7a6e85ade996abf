# SPDX-License-Identifier: Apache-2.0
"""The part of the bench that needs no host under test: pvsched-cost-bench on this machine's own kernel."""

import build
import roots
from bench import suites
from bench.policies import BASE
from progress import step
from settings import BUILD, CHECKOUT

PROGRAM = "pvsched-cost-bench"
POLICY = "agent"  # what pvschedd is told to use there
# Part of the program -> suite, and what a round of it takes, in s.
PARTS = {"exits": ("overhead", 3), "programs": ("overhead", 4), "guest-hooks": ("overhead", 2),
         "scale": ("scale", 14), "decisions": ("scale", 12)}


def parts(wanted):
    return [part for part, (suite, _) in PARTS.items() if suite in wanted]


def takes_s(wanted, rounds):
    return rounds * sum(PARTS[part][1] for part in parts(wanted))


def run(wanted, rounds, raw):
    """Each part once a round: raw/native/round-N/PART.json, or PART.missing with the reason."""
    if not parts(wanted):
        return
    root = roots.build_root()
    with step(f"{rounds} rounds on this machine's own kernel") as shown:
        for n in range(1, rounds + 1):
            folder = raw / "native" / f"round-{n}"
            folder.mkdir(parents=True, exist_ok=True)
            for part in parts(wanted):
                shown.detail = f"round {n}: {part}"
                _run(root, part, folder)


def _run(root, part, folder):
    program = f"/src/{(BUILD / 'bin' / PROGRAM).relative_to(CHECKOUT)}"
    done = root.run([program, "--rounds", "1", "--only", part, "--json", f"/out/{part}.json"],
                    binds=((folder, "/out"),), capture_output=True, text=True)
    (folder / f"{part}.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        (folder / f"{part}.missing").write_text(said[-1] if said else f"exit status {done.returncode}")


def build_program(root):
    build.cmake(root, targets=(PROGRAM,))


# What each part's JSON means: (suite, case, metric, unit, better, {policy: value}).
_HERE = "this machine's own KVM"
_LOWER, _HIGHER, _NEITHER = "lower", "higher", "neither"


def figures(part, data):
    return {"exits": _exits, "programs": _programs, "guest-hooks": _hooks, "scale": _scale,
            "decisions": _decisions}[part](data)


def _middle(spread):
    return spread["median"]  # of one round


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


def _scale(data):
    scale = data["scale"]
    for count, spread in scale["event_ns"].items():
        yield "scale", f"{count} vCPUs", "program at an exit", "ns", _LOWER, {POLICY: _middle(spread)}
    most = f"{max(map(int, scale['event_ns']))} vCPUs"
    yield "scale", most, "registration of a vCPU", "us", _LOWER, {POLICY: _middle(scale["registration_us"])}
    yield "scale", most, "pvschedd's memory for a vCPU", "KiB", _LOWER, {POLICY: _middle(scale["memory_kib"])}


def _decisions(data):
    rates = data["decisions"]["rates"]
    applied = {rate["wanted_per_s"]: _middle(rate["applied_per_s"]) for rate in rates}
    for rate in rates:
        title = f"one agent, {rate['wanted_per_s']} decisions a second wanted"
        yield "scale", title, "asked for", "1/s", _NEITHER, {POLICY: _middle(rate["asked_per_s"])}
        yield "scale", title, "applied", "1/s", _HIGHER, {POLICY: applied[rate["wanted_per_s"]]}
    yield "scale", "one agent", "most decisions applied", "1/s", _HIGHER, {POLICY: max(applied.values())}


def cases_of(part):
    """(suite, case) for what could not be measured at all."""
    return {"exits": ("overhead", f"exits, {_HERE}"), "programs": ("overhead", f"BPF programs, {_HERE}"),
            "guest-hooks": ("overhead", "the driver's own code"), "scale": ("scale", "1000 vCPUs"),
            "decisions": ("scale", "one agent")}[part]
