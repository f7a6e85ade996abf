# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The cost of a context switch and a wake-up on the host, in instructions.

Two processes pass a byte back and forth through two pipes. A round trip has two wake-ups and
two switches. The last case is the wake-up of an urgent guest's vCPU. QEMU's icount advances
the host's clock by 1 ns for each instruction, so the other load of the machine has no effect.
The host has one CPU, which is never idle while it is measured. Work of the kernel comes in
between and adds to single counts, so the median is taken of many repetitions.
"""

import json
import re
import statistics

import build
import host
import payload
import topology
from bench import about, peers as peer_programs, policies, sched_ext
from bench.policies import BASE, POLICIES
from progress import say, step
from settings import CASES, OUT, LabError, UsageError

# The most instructions of a round trip as a ratio to EEVDF's in the same case. A test fails
# above a limit.
LIMITS = {
    ("scx", "alone"): 1.03,
    ("scx", "waiting"): 1.08,
    ("scx", "quota"): 1.04,
    ("scx", "idle-vm"): 1.05,
    # No program of agent or kfunc runs here: these allow for the counts' scatter only.
    ("agent", "alone"): 1.02,
    ("agent", "waiting"): 1.04,
    ("agent", "quota"): 1.04,
    ("agent", "idle-vm"): 1.04,
    ("kfunc", "alone"): 1.02,
    ("kfunc", "waiting"): 1.04,
    ("kfunc", "quota"): 1.04,
    ("kfunc", "idle-vm"): 1.04,
}
# The cases of cases/switch-cost.sh.
CASES_COUNTED = {"alone": "alone", "waiting": "50 tasks wait", "quota": "a cgroup has cpu.max",
                 "idle-vm": "an idle VM", "wake": "a vCPU's wake-up"}
DEFAULT = (BASE, "scx_simple", "scx", "agent", "kfunc")
_TESTED = (BASE, *dict.fromkeys(policy for policy, _ in LIMITS))
_SCRIPT = "switch-cost.sh"
_PROGRAMS = ("ping-pong", "counted-vm")
_TRIPS, _REPEATS = 400, 11


def run(names, peers, json_path, is_asserted):
    """Counts, and prints the table. Returns the exit status."""
    peer_programs.add(peers)
    wanted = chosen([*(names or DEFAULT), *(name for name, _ in peers)])
    root = build.host_alone(_PROGRAMS)
    tools, unbuilt = sched_ext.programs(policies.of_kernel(wanted))
    tools |= peer_programs.programs(peers, root)
    counted, missing = _count(wanted, tools, unbuilt)
    print(table(counted, missing, root.kernel), flush=True)
    if json_path:
        json_path.write_text(json.dumps(as_json(counted, missing, root.kernel), indent=1) + "\n")
        say(f"wrote {json_path}")
    over = beyond(counted, wanted)
    for text in over:
        print(f"over its limit: {text}", flush=True)
    return 1 if over and is_asserted else 0


def check(root=None):
    """The ratios as text; raises LabError if a ratio exceeds its limit.

    `root`: the build root of a tree whose programs are built; without it, they are built.
    """
    root = root or build.host_alone(_PROGRAMS)
    counted, missing = _count(_TESTED, {}, {})
    if missing:
        raise LabError("; ".join(f"{policy} was not measured: {why}" for policy, why in missing.items()))
    over = beyond(counted, _TESTED)
    if over:
        raise LabError(f"{table(counted, missing, root.kernel)}\nover its limit: {'; '.join(over)}")
    return ", ".join(f"{policy} {case} {ratio(counted, policy, case):.3f}" for policy, case in LIMITS)


def chosen(names):
    """The policies to count: the base and those named."""
    wanted = policies.chosen(names)
    for name in wanted:
        if POLICIES[name].kind == "thread" or name == policies.NO_BOOST:
            raise UsageError(f"bench: --switch-cost measures no VM, and {name} changes VMs only: "
                             f"use --policies with some of {', '.join(DEFAULT)}")
    return wanted


def _count(wanted, tools, missing):
    """({policy: {case: instructions of a round trip}}, {policy: why it was not measured})"""
    measured = [name for name in wanted if name not in missing]
    job = payload.Job([_SCRIPT, str(_TRIPS), str(_REPEATS), *measured], {
        f"/usr/local/bin/{_SCRIPT}": (CASES / _SCRIPT).read_bytes()}, tools, _PROGRAMS, topology=topology.ONE_CPU, is_counted=True, is_background=True)
    printed = bytearray()
    with step("counting the instructions of switches and wake-ups") as progress:
        def write(data):
            printed.extend(data)
            progress.detail = " ".join(printed.decode(errors="replace").split("\n")[-2:][0].split()[:3])

        outcome = host.run(job, OUT / "switch-cost", write)
    text = printed.decode(errors="replace")
    (OUT / "switch-cost.log").write_text(text)
    if outcome.status:
        raise LabError(f"the count ended with exit status {outcome.status}:\n{text[-2000:]}")
    found, refused = parse(text)
    if BASE not in found:
        raise LabError(f"the host counted nothing under {BASE}; its output:\n{text[-2000:]}")
    return found, {**missing, **refused}


def parse(text):
    """The output of switch-cost.sh: ({policy: {case: instructions}}, {policy: why it is missing})."""
    seconds, refused = {}, {}
    for policy, case, trips, value in re.findall(r"^counted (\S+) (\S+) (\d+) ([0-9.]+)\r?$", text, re.M):
        seconds.setdefault(policy, {}).setdefault(case, []).append(float(value) / int(trips))
    for policy, why in re.findall(r"^missing (\S+) (.*?)\r?$", text, re.M):
        refused[policy] = why
    # 1 ns is one instruction.
    return {policy: {case: statistics.median(values) * 1e9 for case, values in cases.items()}
            for policy, cases in seconds.items() if policy not in refused}, refused


def ratio(counted, policy, case):
    return counted[policy][case] / counted[BASE][case]


def beyond(counted, wanted):
    """A text for each limit that is exceeded, of the policies that were wanted."""
    return [f"{policy}, {CASES_COUNTED[case]}: {ratio(counted, policy, case):.3f} of {BASE}'s instructions, limit {limit}"
            for (policy, case), limit in LIMITS.items()
            if policy in wanted and case in counted.get(policy, {}) and ratio(counted, policy, case) > limit]


def table(counted, missing, kernel):
    lines = [f"Instructions of a round trip through two pipes, kernel {kernel}, one CPU (ratio to EEVDF):",
             f"  {'':24}" + "".join(f"{title:>24}" for title in CASES_COUNTED.values())]
    for policy, cases in counted.items():
        cells = "".join(f"{_cell(counted, policy, case):>24}" for case in CASES_COUNTED)
        lines.append(f"  {POLICIES[policy].title:24}{cells}")
    lines += [f"  {POLICIES[policy].title:24}not measured: {why}" for policy, why in missing.items()]
    return "\n".join(lines)


def _cell(counted, policy, case):
    if case not in counted[policy]:
        return "-"
    return f"{counted[policy][case]:,.0f} ({ratio(counted, policy, case):.3f})"


def as_json(counted, missing, kernel):
    return {"host_kernel": kernel, "commit": about.commit(), "trips": _TRIPS, "repeats": _REPEATS,
            "policies": {policy: {case: {"instructions": round(value, 1), "ratio": round(ratio(counted, policy, case), 4)}
                                  for case, value in cases.items()} for policy, cases in counted.items()},
            "missing": missing}
