# SPDX-License-Identifier: Apache-2.0
"""The policies that are compared. How one is put into force: inside/policies.sh."""

import dataclasses

from settings import UsageError

BASE = "eevdf"  # of all ratios; always measured


@dataclasses.dataclass(frozen=True)
class Policy:
    title: str
    kind: str  # base, thread, pvsched or sched_ext


POLICIES = {
    BASE: Policy("EEVDF", "base"),
    "nice": Policy("nice -20", "thread"),
    "slice": Policy("EEVDF, 0.1 ms slice", "thread"),
    "rr": Policy("static SCHED_RR", "thread"),
    "scx": Policy("pvsched, scx", "pvsched"),
    "agent": Policy("pvsched, agent", "pvsched"),
    "kfunc": Policy("pvsched, kfunc", "pvsched"),
    "scx_simple": Policy("scx_simple", "sched_ext"),
    "scx_flatcg": Policy("scx_flatcg", "sched_ext"),
    "scx_qmap": Policy("scx_qmap", "sched_ext"),
    "scx_central": Policy("scx_central", "sched_ext"),
}


def chosen(names):
    """The policies named, or all, in the order of the tables."""
    for name in names or ():
        if name not in POLICIES:
            raise UsageError(f"bench: '{name}' is no policy: {', '.join(POLICIES)} are")
    return [name for name in POLICIES if not names or name in names or name == BASE]


def of_kind(names, kind):
    return [name for name in names if POLICIES[name].kind == kind]
