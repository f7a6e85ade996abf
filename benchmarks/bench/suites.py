# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""What is measured: suites of cases, and how long a measurement of each takes."""

import dataclasses

from bench import workload
from bench.policies import BASE, EVERYWHERE, NO_BOOST, POLICIES
from topology import DEFAULT as DEFAULT_TOPOLOGY, Topology


def _of(*kinds):
    return tuple(name for name in EVERYWHERE if POLICIES[name].kind in kinds)


_ONLY_VCPUS = "the policy changes vCPU threads only, and this case has none"
_NOT_IN_A_GUEST = "the policy changes nothing in a guest or at its exits"
_NOT_FOR_BOOT = "for a VM without the driver the policy changes nothing, or no more than scx_simple does"
_WITH_ONE_VCPU = "to save time, it is compared with one guest of one vCPU only, or differs while a VM boots only"
_ORDER_DECIDES_LITTLE = "to save time: on an idle host the order of tasks decides little"
_SEVERAL_VCPUS = (BASE, "rr", "scx", "agent")
_LARGE = Topology(sockets=2, cores=2, threads=2, numa=True)
_EMULATED_IS = 3  # times slower in everything but the measured seconds


@dataclasses.dataclass(frozen=True)
class Case:
    suite: str
    name: str  # the CASE argument of bench-SUITE.sh
    title: str
    names: tuple = EVERYWHERE  # of the policies that it compares
    why_not: str = ""  # the reason for all other policies
    timed: bool = False  # a measurement lasts --seconds, and in addition:
    fixed_s: float = 0  # seconds of each measurement on an emulated host
    setup_s: float = 0  # seconds until the guests of all policies run
    rounds: int = 0  # at most; 0: as many as the run has
    topology: Topology = DEFAULT_TOPOLOGY  # of the host

    def measures(self, policy):
        """Whether the case compares the policy. A peer is compared where schedulers beside pvsched's are."""
        return policy in self.names or (POLICIES[policy].is_peer and any(
            POLICIES[name].kind in ("thread", "sched_ext") for name in self.names))

    def policies(self, policies):
        """The policies to measure; none if the base would be alone in a comparison."""
        found = [p for p in policies if self.measures(p)]
        return found if len(found) > 1 or len(self.names) == 1 else []

    def takes_s(self, seconds, emulated):
        return (seconds if self.timed else 0) + self.fixed_s / (1 if emulated else _EMULATED_IS)

    def setup_takes_s(self, emulated):
        return self.setup_s / (1 if emulated else _EMULATED_IS)


def _latency(load, guests, vcpus, setup_s, fixed_s, names=EVERYWHERE, why_not=_WITH_ONE_VCPU):
    what = f"{load} host, {guests} guest{'s' * (guests > 1)} of {vcpus} vCPU{'s' * (vcpus > 1)}"
    return Case("latency", f"{load}-{guests}x{vcpus}", what, names, why_not, timed=True, fixed_s=fixed_s,
                setup_s=setup_s)


# A case that uses the guests of the case before it needs no set-up.
_CASES = (
    _latency("busy", 1, 1, 12, 19),
    _latency("idle", 1, 1, 0, 9, (BASE, "rr", "scx", "agent", "kfunc", "scx_simple"), _ORDER_DECIDES_LITTLE),
    _latency("busy", 1, 4, 18, 40, _SEVERAL_VCPUS),
    _latency("busy", 2, 1, 24, 42, _SEVERAL_VCPUS),
    Case("overhead", "guest-1x1", "idle host, 1 guest of 1 vCPU", _of("base", "pvsched"), _NOT_IN_A_GUEST,
         fixed_s=33, setup_s=12),
    Case("overhead", "host", "idle host, no guest", _of("base", "pvsched", "sched_ext"), _ONLY_VCPUS, fixed_s=7),
    Case("boot", "idle", "idle host", (BASE, "scx", "scx_simple"), _NOT_FOR_BOOT, fixed_s=19),
    Case("boot", "busy", "busy host", (BASE, "scx", NO_BOOST), f"{_NOT_FOR_BOOT}; and a busy host is slow",
         fixed_s=80),
    *(Case("boot", name, f"idle host, {title}", (BASE,), "the VM differs here, not the policy", fixed_s=fixed_s)
      for name, title, fixed_s in (("talking", "kernel not quiet", 28),
                                   ("virtio-console", "kernel not quiet, virtio-console", 20),
                                   ("huge-pages", "huge pages", 20))),
    Case("numa", "busy-1x2", f"{workload.constants()['numa_loops']} busy tasks on {_LARGE.title()}, 1 guest of 2 vCPUs",
         _SEVERAL_VCPUS, _WITH_ONE_VCPU, timed=True, fixed_s=60, setup_s=60, topology=_LARGE),
)

ALL = ("latency", "overhead", "boot", "scale")  # within two hours; numa needs a slower host of its own
SUITES = (*ALL, "numa")
NATIVE = ("overhead", "scale")  # these have a part on this machine's own kernel
DEMO = _CASES[0]


def cases(suites):
    return [c for c in _CASES if c.suite in suites]


def case(suite, name):
    return next(c for c in _CASES if (c.suite, c.name) == (suite, name))


@dataclasses.dataclass(frozen=True)
class Preset:
    """A plan that is smaller than the whole suites."""

    cases: tuple
    rounds: int
    seconds: int  # of each latency measurement

    @property
    def suites(self):
        return [s for s in SUITES if s in NATIVE or any(c.suite == s for c in self.cases)]

    @property
    def policies(self):
        return [p for p in POLICIES if any(c.measures(p) for c in self.cases)]


def _reduced(suite, name, *policies, rounds=0):
    return dataclasses.replace(case(suite, name), names=(BASE, *policies), rounds=rounds)


# `page` measures what docs/performance.md shows, in 40 minutes on two emulated CPUs.
# 14 s: p99.9 needs 1000 wake-ups, and a guest under EEVDF on a busy host has 75 to 100 a second.
PRESETS = {
    "page": Preset(rounds=5, seconds=14, cases=(
        _reduced("latency", "busy-1x1", "rr", "scx", "agent", "kfunc"),
        _reduced("overhead", "guest-1x1", "scx", "agent", rounds=3),
        _reduced("boot", "idle", "scx", rounds=3),
        _reduced("boot", "busy", "scx", NO_BOOST, rounds=3),
    )),
}
