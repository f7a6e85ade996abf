# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The manual page of a program, in man(7)."""

import re

_MANUALS = {1: "User Commands", 8: "System Administration"}


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^(['.])", r"\\&\1", text)


def _paragraph(text):
    """Indented text keeps its lines; other text is filled."""
    lines = text.splitlines()
    if all(line.startswith("  ") for line in lines):
        return [".PP", ".in +4n", ".EX", *(escaped(line[2:]) for line in lines), ".EE", ".in"]
    head = lines
    for i, line in enumerate(lines):
        if line.startswith("  "):
            head, rest = lines[:i], "\n".join(lines[i:])
            return [".PP", *map(escaped, head), *_paragraph(rest)]
    return [".PP", *map(escaped, head)]


def _entry(entry):
    names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in entry.names)
    value = f" \\fI{escaped(entry.value)}\\fR" if entry.value else ""
    lines = []
    for line in escaped(entry.text).splitlines():
        lines += [".br", line] if lines and re.match(r"[\w-]+: ", line) else [line]
    return [".TP", names + value, *lines]


def _entries(command, may_skip_help=False):
    out = []
    for entry in [*command.positionals, *command.options]:
        if not (may_skip_help and "--help" in entry.names):
            out += _entry(entry)
    return out


def _usage(command):
    out = []
    for line in command.usage:
        words = line.removeprefix(command.name()).strip()
        out += [".br", f"\\fB{escaped(command.name())}\\fR {escaped(words)}"]
    return out[1:]


def _summary(command):
    """The start of the first sentence, for the section NAME."""
    text = re.split(r"[.:](?:\s|$)", " ".join(command.description[0].split()), maxsplit=1)[0]
    return text[0].lower() + text[1:]


def _footer(paragraphs):
    out = []
    for text in paragraphs:
        if text.startswith("Examples:\n"):
            out += [".SH EXAMPLES", *_paragraph(text.partition("\n")[2])]
        elif text.startswith("Exit status:"):
            out += [".SH EXIT STATUS", *_paragraph(text.partition(":")[2].strip())]
        else:
            out += ([] if ".SH NOTES" in out else [".SH NOTES"]) + _paragraph(text)
    return out


def page(command, section, version, others):
    """`others`: the programs of the section SEE ALSO, as (name, section)."""
    name = command.words[0]
    out = [f'.\\" Made from {name} \\-\\-help.',
           f'.TH {name.upper()} {section} "" "pvsched {version}" "{_MANUALS[section]}"',
           ".SH NAME", f"{escaped(name)} \\- {escaped(_summary(command))}", ".SH SYNOPSIS", *_usage(command),
           ".SH DESCRIPTION"]
    for text in command.description:
        out += _paragraph(text)
    out += [".SH OPTIONS", *_entries(command)]
    leaves = [c for c in command.all() if not c.subcommands and c is not command]
    if leaves:
        out.append(".SH COMMANDS")
    for leaf in leaves:
        out += [".SS " + escaped(" ".join(leaf.words[1:])), *_usage(leaf)]
        for text in leaf.description:
            out += _paragraph(text)
        out += _entries(leaf, may_skip_help=True)
    out += _footer(command.footer)
    if others:
        out += [".SH SEE ALSO", ",\n".join(f".BR {escaped(other)} ({number})" for other, number in others)
                .replace(",\n", " ,\n")]
    return "\n".join(out) + "\n"
