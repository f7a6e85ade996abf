# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The support matrix of docs/reference/kernel-support.md, from the results in tests/kernels."""

import json

from settings import CHECKOUT

RESULTS = CHECKOUT / "tests/kernels/results.json"
_WORDS = {"loads": "loads", "resolves": "resolves, not booted", "refused": "refused"}
_NAMES = {"kvm_amd": "AMD", "kvm_intel": "Intel"}


def stored():
    """The rows as dictionaries, newest kernel first."""
    return json.loads(RESULTS.read_text())["kernels"]


def write(rows):
    RESULTS.write_text(json.dumps({"format": 1, "kernels": rows}, indent=1) + "\n")


def merged(old, new):
    """Rows of `new` replace rows of the same kernel; the others stay."""
    fresh = {row["release"] for row in new}
    return [*new, *(row for row in old if row["release"] not in fresh)]


def _cell(row, name):
    verdict = row["verdicts"][name]
    text = _WORDS[verdict]
    if verdict == "refused":
        return f"{text}: {row['reasons'][name]}"
    count = row["instructions"].get(name)
    return f"{text} ({count} instructions at most)" if count else text


def _hooks(row):
    return "; ".join(f"{_NAMES[vendor]}: {', '.join(f'`{n}`' for n in names) or 'none'}"
                     for vendor, names in row["targets"].items()) or "-"


def markdown(rows):
    lines = [["kernel", "suite", "agent, kfunc", "scx", "callbacks that it lacks", "vendor's hooks"], ["---"] * 6]
    for row in rows:
        lines.append([row["release"], row["suite"], _cell(row, "hooks"), _cell(row, "scx"),
                      ", ".join(f"`{c}`" for c in row["missing_callbacks"]) or "-", _hooks(row)])
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n" for cells in lines)


def text(rows):
    """The same for a terminal, one kernel a paragraph."""
    parts = []
    for row in rows:
        parts.append(f"{row['release']} ({row['suite']})\n"
                     f"  agent, kfunc: {_cell(row, 'hooks')}\n  scx: {_cell(row, 'scx')}\n"
                     f"  vendor's hooks: {_hooks(row).replace('`', '')}\n")
    return "".join(parts)
