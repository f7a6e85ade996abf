# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The constants of cases/workload.sh, which is their only source."""

import re
import shlex

from settings import CASES, LabError

FILE = CASES / "workload.sh"


def constants():
    """name -> value, as text."""
    found = {}
    for line in FILE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        assignment = re.fullmatch(r"([a-z_]+)=(.+)", line)
        words = shlex.split(assignment[2]) if assignment else []
        if len(words) != 1:
            raise LabError(f"{FILE}: '{line}' is not NAME=VALUE")
        found[assignment[1]] = words[0]
    return found
