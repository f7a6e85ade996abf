#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Measures the language of documents and comments.

    python3 tools/lab/language.py [--errors] [--longest N] [FILES...]

Without FILES, every tracked file is measured. For each file, one line shows
the number of sentences, the mean number of words, and the longest sentence.
Errors follow, as FILE:LINE: what is wrong. Exit status: 0 clean, 1 errors, 2 usage.

A sentence in a comment or a page has at most MAX_WORDS words. The mean of a file
with at least MIN_SENTENCES sentences is at most MAX_MEAN. Code, tables and headings
are not measured. WORDS are forbidden in comments, pages and messages; text in
`backquotes` is free.
"""

import argparse
import bisect
import dataclasses
import pathlib
import re
import subprocess
import sys

import language_text

MAX_WORDS = 45
MAX_MEAN = 22
MIN_SENTENCES = 5
MIN_MESSAGE = 4  # words of a string literal from which on it is a message

# What is not written here, as a regular expression, and what to write instead.
WORDS = (
    (r"nobody", "name the subject: no task, no VM, no process"),
    (r"somebody", "name the subject: a task, a guest, the admin"),
    (r"anybody", "name the subject: any task, any process"),
    (r"everybody", "name the subject: every task, every VM"),
    (r"whoever", "name the subject"),
    (r"anew", "again"),
    (r"(?:is|are|was|were|be|been|being) told", "receives, reads, is notified"),
    (r"tells? of", "reports"),
    (r"look(?:s|ed|ing)? at", "reads, checks, inspects, scans"),
    (r"(?:goes|go|went|going|gone) on(?! (?:CPU|(?:a|the|its|this|that|another|each) (?:CPU|core|local|queue|DSQ|list)))",
     "continues, runs"),
    (r"(?:let|lets|letting) go(?: of)?", "releases"),
    (r"crowd(?:s|ed|ing)?", "queued tasks per CPU, overcommitted"),
    (r"graver|gravest", "more severe"),
    (r"in the mean(?! of\b|time\b|while\b)", "mean 52 s"),
    (r"that one(?=[.,;:)]|$)", "repeat the noun"),
    (r"(?:sent|sends?) on to", "re-enqueued, forwarded"),
    (r"for good(?=[.,;:)]|$)", "permanently"),
    (r"at (?:the )?worst(?= case)?(?=[.,;:)]|$)", "at most, worst case"),
    (r"by and by|ere|whence|hither|henceforth", "a current word"),
)

# Files in which the words above stand as data.
EXEMPT = {
    "tools/lab/language.py": "the list itself",
    "tools/lab/language_test.py": "the words are the test's input",
}

_FORBIDDEN = [(re.compile(rf"\b(?:{pattern})\b" if pattern[-1] not in ")" else rf"\b(?:{pattern})", re.I), hint)
              for pattern, hint in WORDS]
_NEVER_END = re.compile(r"(?:^|[\s(\"])(?:e\.g|i\.e|cf|vs|approx|resp|incl|excl|fig|sec|no|dr|mr|st|ca)\.$", re.I)
_MAYBE_END = re.compile(r"(?:^|[\s(])(?:etc|al|max|min)\.$", re.I)
_END = re.compile(r"[.!?]+[)\]\"'”’*_]*(?=\s|$)")


@dataclasses.dataclass
class Sentence:
    line: int
    words: int
    text: str


@dataclasses.dataclass
class Report:
    path: str
    sentences: list
    errors: list  # (line, text)

    def mean(self):
        return sum(s.words for s in self.sentences) / len(self.sentences) if self.sentences else 0.0

    def longest(self):
        return max(self.sentences, key=lambda s: s.words, default=Sentence(0, 0, ""))


def count_words(text):
    return sum(1 for token in text.split() if re.search(r"\w", token))


def split(text):
    """(offset, sentence) of each sentence of a paragraph."""
    start = 0
    for end in _END.finditer(text):
        head, rest = text[start:end.start() + 1], text[end.end():].lstrip()
        ellipsis = text[end.start():end.end()].startswith("...")
        continues = (ellipsis and not rest[:1].isupper()) or (_MAYBE_END.search(head) and rest[:1].islower())
        if continues or _NEVER_END.search(head):
            continue
        if text[start:end.end()].strip():
            yield start, text[start:end.end()]
        start = end.end()
    if text[start:].strip():
        yield start, text[start:]


class _Joined:
    """The lines of a block as one string, and the line of each of its characters."""

    def __init__(self, block):
        self.starts, self.lines, parts, size = [], [], [], 0
        for line, text in block.lines:
            text = " ".join(text.split())
            if text:
                self.starts.append(size)
                self.lines.append(line)
                parts.append(text)
                size += len(text) + 1
        self.raw = " ".join(parts)
        self.text = language_text.plain(self.raw)

    def line(self, offset):
        return self.lines[max(0, bisect.bisect_right(self.starts, offset) - 1)]


def measure(path, text):
    """The Report of one file. `path` chooses how text is read; it need not exist."""
    report = Report(str(path), [], [])
    exempt = str(path) in EXEMPT
    for block in language_text.blocks(str(path), text):
        joined = _Joined(block)
        if not joined.text:
            continue
        if not exempt and (block.kind != "message" or count_words(joined.text) >= MIN_MESSAGE):
            _forbidden(joined, report)
        if block.kind == "prose":
            _sentences(joined, report)
    if len(report.sentences) >= MIN_SENTENCES and report.mean() > MAX_MEAN:
        report.errors.append((1, f"sentences have {report.mean():.1f} words on average: at most {MAX_MEAN}"))
    report.errors.sort()
    return report


def _forbidden(joined, report):
    for pattern, hint in _FORBIDDEN:
        for found in pattern.finditer(joined.text):
            if _is_in_name(joined.text, *found.span()):
                continue
            report.errors.append((joined.line(found.start()), f'"{found[0]}": {hint}'))


def _is_in_name(text, start, end):
    """Whether a match is a part of a path or an identifier, such as crowd.sh."""
    return bool(re.match(r"[-_/]|\.\w", text[end:end + 2])) or text[max(0, start - 1):start] in ("-", "_", "/", "$", "{")


def _sentences(joined, report):
    for offset, text in split(joined.text):
        words = count_words(text)
        if words < 3:  # a label
            continue
        first = offset + len(text) - len(text.lstrip())
        sentence = Sentence(joined.line(first), words, joined.raw[first:offset + len(text)])
        report.sentences.append(sentence)
        if words > MAX_WORDS:
            start = " ".join(sentence.text.split()[:8])
            report.errors.append((sentence.line, f"a sentence of {words} words, at most {MAX_WORDS}: {start} ..."))


def measure_file(path, name=None):
    """The Report of a file on disk; None if it is not one that is measured."""
    name = name or str(path)
    if not language_text.kind_of(name, path):
        return None
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        return measure(name, text)
    except SyntaxError as error:
        return Report(name, [], [(error.lineno or 1, f"does not parse: {error.msg}")])


def _tracked():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="language.py", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--errors", action="store_true", help="print errors only")
    parser.add_argument("--longest", type=int, default=0, metavar="N",
                        help="print the N longest sentences of all files, too")
    parser.add_argument("files", nargs="*", metavar="FILE")
    args = parser.parse_args(argv)
    files = args.files or _tracked()
    for name in args.files:
        if not pathlib.Path(name).is_file():
            print(f"language.py: {name}: not a file", file=sys.stderr)
            return 2
    reports = [report for name in files if pathlib.Path(name).is_file() and (report := measure_file(name))]
    if not args.errors:
        print("sentences   mean  longest  file")
        for report in reports:
            print(f"{len(report.sentences):9d} {report.mean():6.1f} {report.longest().words:8d}  {report.path}")
    sentences = [(s, r.path) for r in reports for s in r.sentences]
    for sentence, path in sorted(sentences, key=lambda pair: -pair[0].words)[:args.longest]:
        print(f"{path}:{sentence.line}: {sentence.words} words: {sentence.text}")
    errors = 0
    for report in reports:
        for line, text in report.errors:
            print(f"{report.path}:{line}: {text}")
            errors += 1
    if not args.errors:
        mean = sum(s.words for s, _ in sentences) / max(1, len(sentences))
        print(f"{len(reports)} files, {len(sentences)} sentences, {mean:.1f} words on average, {errors} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
