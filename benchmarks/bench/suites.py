# SPDX-License-Identifier: Apache-2.0
"""What is measured: suites of cases, and what a measurement of each takes."""

import dataclasses

from bench.policies import BASE, POLICIES


def _of(*kinds):
    return tuple(name for name, policy in POLICIES.items() if policy.kind in kinds)


_ONLY_VCPUS = "it changes the vCPU threads only, and none are measured here"
_NOT_IN_A_GUEST = "it changes nothing in a guest, nor at its exits"
_NOT_FOR_BOOT = "for a VM without the driver it changes nothing, or no more than scx_simple does"
_WITH_ONE_VCPU = "for time it is compared with one guest of one vCPU alone"
_ORDER_DECIDES_LITTLE = "for time: on an idle host the order of tasks decides little"
_IN_CROWDS = (BASE, "rr", "scx", "agent")
_EMULATED_IS = 3  # times as slow in all that is not measured


@dataclasses.dataclass(frozen=True)
class Case:
    suite: str
    name: str  # as inside/bench-SUITE.sh calls it
    title: str
    names: tuple = tuple(POLICIES)  # of the policies that it compares
    why_not: str = ""  # the others
    timed: bool = False  # lasts as long as --seconds says, and:
    fixed_s: float = 0  # what a measurement takes, on an emulated host
    setup_s: float = 0  # its guests, for all policies

    def measures(self, policy):
        return policy in self.names

    def policies(self, policies):
        """Those that it measures; none where there is nothing to compare the base with."""
        found = [p for p in policies if self.measures(p)]
        return found if len(found) > 1 or len(self.names) == 1 else []

    def takes_s(self, seconds, emulated):
        return (seconds if self.timed else 0) + self.fixed_s / (1 if emulated else _EMULATED_IS)

    def setup_takes_s(self, emulated):
        return self.setup_s / (1 if emulated else _EMULATED_IS)


def _latency(load, guests, vcpus, setup_s, fixed_s, names=tuple(POLICIES), why_not=_WITH_ONE_VCPU):
    what = f"{load} host, {guests} guest{'s' * (guests > 1)} of {vcpus} vCPU{'s' * (vcpus > 1)}"
    return Case("latency", f"{load}-{guests}x{vcpus}", what, names, why_not, timed=True, fixed_s=fixed_s,
                setup_s=setup_s)


# A case that shares its guests with the one before it needs no set-up.
_CASES = (
    _latency("busy", 1, 1, 12, 19),
    _latency("idle", 1, 1, 0, 9, (BASE, "rr", "scx", "agent", "kfunc", "scx_simple"), _ORDER_DECIDES_LITTLE),
    _latency("busy", 1, 4, 18, 40, _IN_CROWDS),
    _latency("busy", 2, 1, 24, 42, _IN_CROWDS),
    Case("overhead", "guest-1x1", "idle host, 1 guest of 1 vCPU", _of("base", "pvsched"), _NOT_IN_A_GUEST,
         fixed_s=33, setup_s=12),
    Case("overhead", "host", "idle host, no guest", _of("base", "pvsched", "sched_ext"), _ONLY_VCPUS, fixed_s=7),
    Case("boot", "idle", "idle host", (BASE, "scx", "scx_simple"), _NOT_FOR_BOOT, fixed_s=19),
    Case("boot", "busy", "busy host", (BASE, "scx"), f"{_NOT_FOR_BOOT}; and a busy host is slow", fixed_s=80),
    *(Case("boot", name, f"idle host, {title}", (BASE,), "it is the VM that differs, not the policy", fixed_s=fixed_s)
      for name, title, fixed_s in (("talking", "kernel not quiet", 28),
                                   ("virtio-console", "kernel not quiet, virtio-console", 20),
                                   ("huge-pages", "huge pages", 20))),
)

SUITES = ("latency", "overhead", "boot", "scale")
NATIVE = ("overhead", "scale")  # have a part on this machine's own kernel, too
DEMO = _CASES[0]


def cases(suites):
    return [c for c in _CASES if c.suite in suites]


def case(suite, name):
    return next(c for c in _CASES if (c.suite, c.name) == (suite, name))
