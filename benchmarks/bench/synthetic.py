# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Synthetic results for the tests, with known effects and seeded noise."""

import math
import random

POLICIES = {"eevdf": "EEVDF", "nice": "nice -20", "slice": "EEVDF, 0.1 ms slice", "rr": "static SCHED_RR",
            "scx": "pvsched, scx", "agent": "pvsched, agent", "kfunc": "pvsched, kfunc", "scx_simple": "scx_simple"}
META = {"date": "2026-11-21", "host_kernel": "7.3.4", "guest_kernel": "7.3.4", "machine": "2 x test", "emulated": True,
        "rounds": 5, "suites": ["latency", "overhead"], "commit": "abc"}
EFFECTS = {"eevdf": 1, "nice": 0.5, "slice": 0.8, "rr": 0.22, "scx": 0.35, "agent": 0.26, "kfunc": 0.25,
           "scx_simple": 1.8}
CASES = ("idle host, 1 guest of 1 vCPU", "busy host, 1 guest of 1 vCPU", "busy host, 2 guests of 4 vCPUs")
FIGURES = {"average": 1, "p50": 0.8, "p99": 9, "p99.9": 20, "max": 40}
# Standard deviation of the logarithms over the rounds on an emulated host, measured.
SPREADS = {"average": 0.45, "p50": 0.35, "p99": 0.56, "p99.9": 0.83, "max": 0.9, "load's work": 0.22,
           "hackbench": 0.33, "exits a wake-up": 0.13, "interrupts a wake-up": 0.14, "ends of a halt a wake-up": 0.14,
           "program": 0.28}
PROGRAMS = {"scx": ("select_cpu", "enqueue", "dispatch", "tick", "running", "stopping", "cpu_taken", "kick"),
            "agent": ("exit", "inj_virq", "wakeup", "switch", "timer", "kick"),
            "kfunc": ("inj_virq", "wakeup", "switch", "timer", "handle_exit", "halt", "kick")}


def sample(value, *, suite="latency", case="c", policy="eevdf", n=1, metric="p99", unit="us", better="lower"):
    return {"suite": suite, "case": case, "policy": policy, "round": n, "metric": metric, "unit": unit,
            "better": better, "value": value}


def results(samples=(), **parts):
    return {"format": 1, "meta": dict(META), "policies": dict(POLICIES), "samples": list(samples), "curves": [],
            "missing": [], **parts}


def run(seed, noise=0.2, rounds=5, curves=False, effect=lambda suite, case, metric, policy: 1):
    """A run of two suites. Each sample has noise of its own, and all policies of a round share noise."""
    draw = random.Random(seed)
    wobble = lambda: math.exp(draw.gauss(0, noise))  # noqa: E731
    samples = []
    for n in range(1, rounds + 1):
        for case in CASES:
            load = wobble()
            for side in ("guest", "host"):
                for name, size in FIGURES.items():
                    for policy, gain in EFFECTS.items():
                        quick = 1 if side == "host" or case.startswith("idle") else gain
                        value = 500 * size * quick * load * wobble() * effect("latency", case, name, policy)
                        samples.append(sample(value, case=case, policy=policy, n=n, metric=f"{side} {name}"))
            for policy in POLICIES:
                samples.append(sample(40 * load * wobble(), case=case, policy=policy, n=n, metric="load's work",
                                      unit="bogo-ops/s", better="higher"))
        for policy in ("scx", "agent", "kfunc"):
            for metric, size in (("on VM exit", 600), ("on wake-up", 430), ("on switch", 1100)):
                value = size * wobble() * effect("overhead", "programs", metric, policy)
                samples.append(sample(value, suite="overhead", case="programs", policy=policy, n=n, metric=metric,
                                      unit="ns per event"))
    return results(samples, curves=list(_curves(draw)) if curves else [], missing=[
        {"suite": "overhead", "case": "programs", "policy": "scx_simple", "why": "it has no such programs"}])


def noisy(seed, rounds=5, shared=0.5, effect=lambda suite, case, metric, policy: 1):
    """A run with the spreads of an emulated host. `shared`: share of the programs' variance that a round has in common."""
    draw = random.Random(seed)
    own = SPREADS["program"] * math.sqrt(1 - shared)
    samples, case = [], "idle host, 1 guest of 1 vCPU"
    # Both values of a ratio contribute to its spread.
    ratio = lambda name: math.exp(draw.gauss(0, SPREADS[name] / math.sqrt(2)))  # noqa: E731
    for n in range(1, rounds + 1):
        for busy in CASES:
            for policy in EFFECTS:
                samples.append(sample(40 * ratio("load's work"), case=busy, policy=policy, n=n, metric="load's work",
                                      unit="bogo-ops/s", better="higher"))
                for side in ("guest", "host"):
                    samples += [sample(500 * size * ratio(name) * effect("latency", busy, name, policy), case=busy,
                                       policy=policy, n=n, metric=f"{side} {name}") for name, size in FIGURES.items()]
        for policy in ("eevdf", "scx", "agent", "kfunc"):
            for name in ("hackbench", "exits a wake-up", "interrupts a wake-up", "ends of a halt a wake-up"):
                samples.append(sample(3 * ratio(name) * effect("overhead", case, name, policy), suite="overhead",
                                      case=case, policy=policy, n=n, metric=name, unit="1"))
        slow = draw.gauss(0, SPREADS["program"] * math.sqrt(shared))
        for policy, programs in PROGRAMS.items():
            for name in programs:
                metric = f"program pvs_{name}"
                value = 5000 * math.exp(slow + draw.gauss(0, own)) * effect("overhead", case, metric, policy)
                samples.append(sample(value, suite="overhead", case=case, policy=policy, n=n, metric=metric, unit="ns"))
    return results(samples)


def _curves(draw):
    for case in CASES:
        for side in ("guest", "host"):
            for policy, gain in EFFECTS.items():
                counts = {}
                for _ in range(1000):
                    us = str(round(1.03 ** round(math.log(400 * gain * draw.lognormvariate(0, 0.9), 1.03))))
                    counts[us] = counts.get(us, 0) + 1
                yield {"suite": "latency", "case": case, "side": side, "policy": policy, "histogram": counts}
