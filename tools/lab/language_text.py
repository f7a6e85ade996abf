# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Finds the text in a file: a page's paragraphs, a program's comments and messages."""

import ast
import dataclasses
import io
import pathlib
import re
import tokenize

_C = (".c", ".h", ".cc", ".cpp", ".hpp")
_HASH = (".sh", ".cmake", ".toml", ".service", ".socket", ".conf", ".mk", ".yml", ".rules", ".in")
_HASH_NAMES = ("CMakeLists.txt", "Makefile", "Kbuild", ".gitignore", ".clang-tidy", ".clang-format")

_BULLET = re.compile(r"(\s*)(?:[-*+•]|\d+[.)]|\(?[a-z]\))\s+")
_LABEL = re.compile(r"\s*(?:@[\w.]+:|Returns?:|Context:|[A-Z][A-Z0-9_]*_[A-Z0-9_*]+(?: - |: )|\w+_\w+: )")
_COLUMNS = re.compile(r"[^.!?:\s]\s{2,}\S|[│├└┌─▲▼→|]{2,}|[-=]{4,}|^\s*[|+]|--+>|<--+|==+>")
_DIRECTIVE = re.compile(r"SPDX-|Copyright \(C\)|shellcheck |NOLINT|clang-format (?:on|off)|noqa|pylint:|!/|"
                        r"-\*-|vim:|IWYU|fallthrough$|language: ")


@dataclasses.dataclass
class Block:
    kind: str  # "prose": measured; "label": a heading or a table; "message": a string literal
    lines: list  # (line number, text)


def kind_of(name, path=None):
    """"md", "c", "py", "hash", or None for what holds no text that is measured."""
    pure = pathlib.PurePath(name)
    if pure.suffix == ".md":
        return "md"
    if pure.suffix in _C:
        return "c"
    if pure.suffix == ".py":
        return "py"
    if pure.suffix in _HASH or pure.name in _HASH_NAMES:
        return "hash"
    if not pure.suffix and path and pathlib.Path(path).is_file():
        with open(path, "rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!"):
            return "py" if b"python" in first else "hash"
    return None


def blocks(name, text):
    """The Blocks of a file's text; the name says how to read it, or else the first line."""
    kind = kind_of(name)
    if not kind and text.startswith("#!"):
        kind = "py" if "python" in text.split("\n", 1)[0] else "hash"
    reader = {"md": _markdown, "c": _c, "py": _python, "hash": _hash}.get(kind)
    return list(reader(text)) if reader else []


def plain(text):
    """Masks markup without moving a character: code is one word, a link is its text."""
    text = re.sub(r"``.+?``|`[^`]+`", lambda m: "X" * len(m[0]), text)
    text = re.sub(r"<?\bhttps?://[^\s>)]+>?", lambda m: "X" * len(m[0]), text)
    text = re.sub(r"(!?\[)([^\]]*)(\]\((?:[^()]|\([^()]*\))*\))",
                  lambda m: " " * len(m[1]) + m[2] + " " * len(m[3]), text)
    text = re.sub(r"</?[a-z][^>]*>", lambda m: " " * len(m[0]), text)
    return text.replace("**", "  ")


def _paragraphs(lines):
    """Splits (line, text) pairs of one comment or docstring into Blocks."""
    filled = [text for _, text in lines if text.strip()]
    margin = min((len(t) - len(t.lstrip()) for t in filled), default=0)
    current, bullet = [], None
    for number, raw in lines:
        text = raw[margin:].rstrip()
        indent = len(text) - len(text.lstrip())
        directive = _DIRECTIVE.match(text.lstrip())
        found = _BULLET.match(text)
        code = indent >= 3 and not found and (bullet is None or indent > bullet + 4)
        if not text or directive or code or _COLUMNS.search(text):
            if current:
                yield Block("prose", current)
            current = []
            bullet = bullet if not text else None
            if text and not directive:
                yield Block("label", [(number, text)])
            continue
        if found or _LABEL.match(text):
            if current:
                yield Block("prose", current)
            current = []
            bullet = len(found[1]) if found else 0
            text = text[found.end():] if found else text
        current.append((number, text))
    if current:
        yield Block("prose", current)


# ---- Markdown ----

def _markdown(text):
    current, fence, lists, comment = [], None, False, False
    previous_blank = True

    def flush():
        if current:
            yield Block("prose", list(current))
            current.clear()

    for number, line in enumerate(text.split("\n"), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence or mark:
            if not fence:
                fence = mark[1]
            elif mark and mark[1].startswith(fence):
                fence = None
            yield from flush()
            continue
        if comment or line.lstrip().startswith("<!--"):
            comment = "-->" not in line
            yield from flush()
            continue
        blank = not line.strip()
        found = _BULLET.match(line)
        if blank or re.match(r"\[[^\]]+\]:\s", line) or re.match(r"\s*([-*_]\s*){3,}$", line):
            yield from flush()
        elif line.startswith("    ") and not lists and (previous_blank and not current):
            previous_blank = True  # still the code block
            continue
        elif re.match(r"#{1,6}\s|\s*\|", line):
            yield from flush()
            yield Block("label", [(number, line)])
            lists = False
        elif found:
            yield from flush()
            current.append((number, line[found.end():]))
            lists = True
        else:
            if not line.startswith(" ") and previous_blank:
                lists = False
            current.append((number, line.lstrip("> ")))
        previous_blank = blank
    yield from flush()


# ---- C, C++, BPF ----

_C_TOKEN = re.compile(r"//(?:\\\n|[^\n])*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)


def _c(text):
    starts = [0] + [m.end() for m in re.finditer("\n", text)]
    pending = []  # consecutive // lines

    def flush():
        if pending:
            yield from _paragraphs([(number, body) for number, _, body in pending])
            pending.clear()

    message = None
    line, cursor = 1, 0
    for token in _C_TOKEN.finditer(text):
        line += text.count("\n", cursor, token.start())
        cursor = token.start()
        body = token[0]
        column = token.start() - starts[line - 1]
        if body.startswith("//"):
            alone = not text[starts[line - 1]:token.start()].strip()
            if not (pending and alone and pending[-1][0] == line - 1 and pending[-1][1] == column):
                yield from flush()
            pending.append((line, column, body[2:]))
            continue
        if body.startswith("/*"):
            yield from flush()
            lines = body[2:-2].split("\n")
            yield from _paragraphs([(line + i, re.sub(r"^\s*\*(?!\*)", "", part) if i else part.lstrip("*"))
                                    for i, part in enumerate(lines)] if len(lines) > 1
                                   else [(line, lines[0].lstrip("*"))])
        elif body.startswith(("\"", "R\"")):
            value = re.sub(r"\\[nt]", " ", body.strip("R").strip('"'))
            # Adjacent literals are one message.
            if message and not text[message[1]:token.start()].strip():
                message = ([*message[0], (line, value)], token.end())
            else:
                if message:
                    yield Block("message", message[0])
                message = ([(line, value)], token.end())
    yield from flush()
    if message:
        yield Block("message", message[0])


# ---- Python ----

def _python(text):
    tree = ast.parse(text)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) \
                    and isinstance(first.value.value, str):
                docstrings.add(id(first.value))
                yield from _docstring(first.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield Block("message", [(node.lineno + i, part) for i, part in enumerate(node.value.split("\n"))]
                        if node.end_lineno > node.lineno else [(node.lineno, node.value)])
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[:token.start[1]].strip()
            found.append((token.start[0], token.start[1], alone, token.string.lstrip("#")))
    yield from _comment_runs(found)


def _docstring(node):
    first, *rest = node.value.split("\n")
    yield from _paragraphs([(node.lineno, first.lstrip()),
                            *((node.lineno + 1 + i, line.removeprefix(" " * node.col_offset))
                              for i, line in enumerate(rest))])


def _comment_runs(found):
    """Joins (line, column, alone, text) of comments on consecutive lines, in one column."""
    run, column = [], None
    for line, start, alone, text in found:
        if not (run and alone and run[-1][0] == line - 1 and column == start):
            yield from _paragraphs(run)
            run, column = [], start
        run.append((line, text))
    yield from _paragraphs(run)


# ---- Shell, CMake, make, TOML, units ----

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"")


def _hash(text):
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        at = re.search(r"(?:^|(?<=\s))#(?!\{)", _QUOTED.sub(lambda m: "x" * len(m[0]), line))
        if at:
            alone = not line[:at.start()].strip()
            found.append((number, at.start(), alone, line[at.end():]))
        for quoted in _QUOTED.finditer(line[:at.start()] if at else line):
            if "$(" not in quoted[0]:  # a command's words are no message
                yield Block("message", [(number, quoted[0][1:-1])])
    yield from _comment_runs(found)
