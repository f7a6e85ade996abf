# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Paths, and the errors that are shown without a stack trace."""

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
    """A failure with a message for the user: what is wrong, where, and the cure."""


class UsageError(LabError):
    """The command line is wrong: exit status 2."""


class Skipped(LabError):
    """A test that cannot run here, and why."""


def require_root():
    if os.geteuid() != 0:
        raise LabError("the lab needs root for chroots and mounts: run it with sudo")
