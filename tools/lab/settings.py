# SPDX-License-Identifier: Apache-2.0
"""Where things are, and the one kind of error that is shown without a trace."""

import os
import pathlib

LAB = pathlib.Path(__file__).resolve().parent
INSIDE = LAB / "inside"
CHECKOUT = LAB.parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"
CASES = BENCHMARKS / "cases"
NESTED = CHECKOUT / "tests" / "nested"
BUILD = CHECKOUT / "build"
OUT = BUILD / "lab"
CACHE = pathlib.Path(os.environ.get("PVSCHED_LAB_CACHE") or "/var/cache/pvsched-lab")
KERNEL_WANTED = os.environ.get("PVSCHED_LAB_KERNEL") or ""


class LabError(Exception):
    """The sentence to show: what was wrong, where, and what would be right."""


class UsageError(LabError):
    """The command line is wrong: exit status 2."""


def require_root():
    if os.geteuid() != 0:
        raise LabError("the lab makes chroots and mounts, so it needs root: run it with sudo")
