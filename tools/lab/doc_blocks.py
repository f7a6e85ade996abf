# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Blocks of docs/ that are copies of the source: compares them with it, or writes them.

A block stands between the lines <!-- NAME:begin --> and <!-- NAME:end -->. Run it in
the build root, where the programs are:

    ./lab chroot -- python3 tools/lab/doc_blocks.py --write
"""

import argparse
import pathlib
import re
import subprocess
import sys

import kernel_matrix

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY_HEADER = ROOT / "host-policy/core/default_policy.h"
POLICY_PAGE = ROOT / "docs/explanation/policy.md"
CLI_PAGES = [ROOT / f"docs/reference/{name}.md"
             for name in ("pvschedd", "pvschedctl", "pvsched-device", "pvsched-deviced", "pvsched-boot")]
TUNABLES_PAGE = ROOT / "docs/reference/tunables.md"
CONFIG_PAGE = ROOT / "docs/reference/configuration.md"
CONFIG_FILE = ROOT / "host-policy/daemon/pvsched.toml"
SCX_PAGE = ROOT / "docs/reference/scx-params.md"
KERNELS_PAGE = ROOT / "docs/reference/kernel-support.md"

_BLOCK = re.compile(r"^<!-- (?P<name>[^:]+):begin -->\n(?P<text>.*?)^<!-- (?P=name):end -->$", re.M | re.S)


class BlockError(Exception):
    pass


def blocks(text):
    """Name -> text of each block of a page."""
    return {match["name"]: match["text"] for match in _BLOCK.finditer(text)}


def replaced(text, name, new):
    """The page with another text in this block."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    if begin not in text or end not in text:
        raise BlockError(f"no block {name}")
    head, _, rest = text.partition(begin)
    return head + begin + new + end + rest.partition(end)[2]


def policy_rows(header):
    """The rows of the table in the comment of default_policy.h: event, condition, proposal."""
    lines = re.sub(r"^ \*", "", header, flags=re.M).splitlines()
    starts = [i for i, line in enumerate(lines) if line.split() == ["event", "condition", "proposal"]]
    if not starts:
        raise BlockError(f"{POLICY_HEADER}: no table of event, condition, proposal")
    rows = []
    for line in lines[starts[0] + 1:]:
        cells = re.split(r"\s{2,}", line.strip())
        if cells == [""]:
            break
        if rows and len(rows[-1]) == 2:
            # The condition continues on this line.
            rows[-1] = [rows[-1][0], f"{rows[-1][1]} {cells[0]}", *cells[1:]]
        else:
            rows.append(cells)
    if not rows or any(len(row) != 3 for row in rows):
        raise BlockError(f"{POLICY_HEADER}: a row of the table has not three cells: {rows}")
    return rows


def policy_table(header):
    """The same rows as Markdown, with the names of tunables as an admin knows them."""
    def named(text):
        return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b",
                      lambda m: f"`{m[0].removesuffix('_ns').replace('_', '-')}`", text)
    rows = [["event", "condition", "proposal"], ["---"] * 3, *policy_rows(header)]
    return "".join(f"| {' | '.join(named(cell) for cell in row)} |\n" for row in rows)


def _output(binaries, command):
    program, *arguments = command
    done = subprocess.run([program, *arguments], executable=binaries / program, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise BlockError(f"{' '.join(command)}: {done.stderr.strip()}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _help(binaries, command):
    return f"```text\n{_output(binaries, [*command.split(), '--help'])}```\n"


def _default_config(binaries):
    return _output(binaries, ["pvschedctl", "config", "default"])


def wanted(binaries):
    """(page, block) -> its text, from the source and the programs."""
    found = {(POLICY_PAGE, "policy-table"): policy_table(POLICY_HEADER.read_text()),
             (KERNELS_PAGE, "kernel-matrix"): kernel_matrix.markdown(kernel_matrix.stored())}
    if binaries is None:
        return found
    for page in CLI_PAGES:
        found |= {(page, name): _help(binaries, name) for name in blocks(page.read_text())}
    found[TUNABLES_PAGE, "tunables"] = _output(binaries, ["pvschedctl", "tunable", "list", "--markdown"])
    found[CONFIG_PAGE, "configuration"] = f"```toml\n{_default_config(binaries)}```\n"
    for name in blocks(SCX_PAGE.read_text()):
        found[SCX_PAGE, name] = _output(binaries, ["pvschedd", "--scx-param", "list", "--markdown"])
    return found


def differences(binaries=None):
    """Blocks that differ from their source, as sentences."""
    said = []
    for (page, name), text in wanted(binaries).items():
        if blocks(page.read_text()).get(name) != text:
            said.append(f"{page.relative_to(ROOT)}: the block '{name}' differs from its source: "
                        "./lab chroot -- python3 tools/lab/doc_blocks.py --write")
    return said


def write(binaries):
    for (page, name), text in wanted(binaries).items():
        page.write_text(replaced(page.read_text(), name, text))
    if binaries is not None:
        CONFIG_FILE.write_text(_default_config(binaries))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin", metavar="DIR",
                        help="where the programs are (default: build/bin)")
    parser.add_argument("--write", action="store_true", help="write the blocks instead of comparing them")
    args = parser.parse_args()
    try:
        if args.write:
            write(args.bin.resolve())
            return 0
        said = differences(args.bin.resolve())
    except BlockError as error:
        said = [str(error)]
    for line in said:
        print(line, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
