# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Writes a program's manual page and completions, from its --help.

Files: OUT/NAME.SECTION, OUT/bash/NAME, OUT/zsh/_NAME.
"""

import argparse
import pathlib
import sys

import completions
import help_text
import manual


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="the program to call")
    parser.add_argument("section", type=int, choices=(1, 8), help="the manual's section")
    parser.add_argument("out", type=pathlib.Path, help="the folder to write to")
    parser.add_argument("--version", required=True, help="pvsched's version")
    parser.add_argument("--see-also", nargs="*", default=[], metavar="NAME.SECTION", help="other manual pages")
    args = parser.parse_args()
    name = args.program.name
    try:
        command = help_text.read(args.program.resolve(), [name])
    except help_text.HelpError as error:
        print(f"make_pages.py: {error}", file=sys.stderr)
        return 1
    others = [(other, number) for other, _, number in (text.rpartition(".") for text in args.see_also) if other != name]
    for path, text in ((f"{name}.{args.section}", manual.page(command, args.section, args.version, others)),
                       (f"bash/{name}", completions.bash(command)), (f"zsh/_{name}", completions.zsh(command))):
        file = args.out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
