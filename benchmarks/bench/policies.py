# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The policies that are compared. cases/policies.sh applies them."""

import dataclasses

from settings import UsageError

BASE = "eevdf"  # the base of all ratios; always measured
NO_BOOST = "scx-noboost"


@dataclasses.dataclass(frozen=True)
class Policy:
    title: str
    kind: str  # base, thread, pvsched or sched_ext
    is_peer: bool = False  # of the user: --peer


POLICIES = {
    BASE: Policy("EEVDF", "base"),
    "nice": Policy("nice -20", "thread"),
    "slice": Policy("EEVDF, 0.1 ms slice", "thread"),
    "rr": Policy("static SCHED_RR", "thread"),
    "scx": Policy("pvsched, scx", "pvsched"),
    "agent": Policy("pvsched, agent", "pvsched"),
    "kfunc": Policy("pvsched, kfunc", "pvsched"),
    NO_BOOST: Policy("pvsched, scx without boot boost", "pvsched"),
    "scx_simple": Policy("scx_simple", "sched_ext"),
    "scx_flatcg": Policy("scx_flatcg", "sched_ext"),
    "scx_qmap": Policy("scx_qmap", "sched_ext"),
    "scx_central": Policy("scx_central", "sched_ext"),
}
# NO_BOOST differs from scx while a VM boots only.
EVERYWHERE = tuple(name for name in POLICIES if name != NO_BOOST)


def chosen(names):
    """The policies named, or all, in the order of the tables."""
    for name in names or ():
        if name not in POLICIES:
            raise UsageError(f"bench: '{name}' is no policy: use one of {', '.join(POLICIES)}")
    return [name for name in POLICIES if not names or name in names or name == BASE]


def of_kind(names, kind):
    return [name for name in names if POLICIES[name].kind == kind]


def of_kernel(names):
    """The schedulers of the kernel's tools/sched_ext."""
    return [name for name in of_kind(names, "sched_ext") if not POLICIES[name].is_peer]
