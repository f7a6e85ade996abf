# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""A program and its subcommands, as their --help describes them (CLI11's format)."""

import dataclasses
import re
import subprocess

_SECTION = re.compile(r"^(Positionals|Options|Subcommands):$")
_INDENT = 30  # CLI11 prints descriptions from this column on


class HelpError(Exception):
    pass


@dataclasses.dataclass
class Entry:
    """An option, a positional or a subcommand."""
    names: list
    value: str  # what is printed behind the names: type, default; "" for a flag
    text: str

    def is_flag(self):
        return not self.value or self.value.startswith(("Excludes:", "Needs:"))

    def choices(self):
        found = re.search(r"\{([^}]*)\}", self.value)
        return found[1].split(",") if found else []

    def is_file(self):
        return bool(re.search(r"\b(?:PATH|FILE|DIR)\b", self.value) or re.search(r"\b[Ff]ile\b|\b[Ss]ocket\b", self.text))


@dataclasses.dataclass
class Command:
    words: list  # of the command line: the program, then subcommands
    description: list  # paragraphs
    usage: list  # lines
    positionals: list
    options: list
    footer: list  # paragraphs
    subcommands: list = dataclasses.field(default_factory=list)

    def name(self):
        return " ".join(self.words)

    def all(self):
        """This command and all below it."""
        return [self, *(c for sub in self.subcommands for c in sub.all())]


def paragraphs(text):
    return [p for p in re.split(r"\n\s*\n", text.strip("\n")) if p.strip()]


def parse(words, text):
    """(Command without subcommands, entries of its subcommands) of the output of --help."""
    head, usage, rest = _around_usage(words, text)
    sections, footer, current = {}, [], None
    for line in rest:
        if (found := _SECTION.match(line)):
            current = sections.setdefault(found[1], [])
        elif current is not None and (line.startswith("  ") or not line.strip()):
            current.append(line)
        else:
            current = None
            footer.append(line)
    command = Command(words, paragraphs(head), usage, _entries(sections.get("Positionals", [])),
                      _entries(sections.get("Options", [])), paragraphs("\n".join(footer)))
    if not command.options:
        raise HelpError(f"{command.name()} --help lists no option:\n{text}")
    return command, _entries(sections.get("Subcommands", []))


def _around_usage(words, text):
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("Usage: ")), None)
    if start is None:
        raise HelpError(f"{' '.join(words)} --help has no line with Usage:\n{text}")
    end = start + 1
    while end < len(lines) and lines[end].strip():
        end += 1
    usage = [line.removeprefix("Usage:").strip() for line in lines[start:end]]
    # CLI11 prints the program as it was called, unless the program has a name of its own.
    usage = [re.sub(rf"^\S*/(?={re.escape(words[0])}\b)", "", line) for line in usage]
    return "\n".join(lines[:start]), usage, lines[end:]


def _entries(lines):
    entries = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if line.startswith(" " * _INDENT):
            if not entries:
                raise HelpError(f"a description without a name: {line}")
            entries[-1].text = f"{entries[-1].text}\n{line.strip()}".strip("\n")
            continue
        left, text = _columns(line, lines[number + 1] if number + 1 < len(lines) else "")
        names, _, value = left.partition(" ")
        # {false} behind a name is the value that the name sets.
        entries.append(Entry(re.sub(r"\{\w+\}", "", names).split(","), value.strip(), text))
    return entries


def _columns(line, following):
    """The name and the description of an entry's first line.

    A long name has the line for itself. CLI11 ends such a line with a blank or a bracket.
    """
    left, text = line[:_INDENT], line[_INDENT:]
    is_alone = following.startswith(" " * _INDENT) and (
        not left.endswith(" ") or line.endswith((" ", "]")) or left.count("[") != left.count("]"))
    return (line.strip(), "") if is_alone or not left.endswith(" ") else (left.strip(), text.strip())


def read(program, words):
    """The Command of a program, with all its subcommands."""
    done = subprocess.run([str(program), *words[1:], "--help"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HelpError(f"{' '.join(words)} --help failed: {done.stderr.strip()}")
    command, subcommands = parse(words, done.stdout)
    command.subcommands = [read(program, [*words, entry.names[0]]) for entry in subcommands]
    return command
