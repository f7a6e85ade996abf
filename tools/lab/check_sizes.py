# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Limits on the length of files and functions."""

import ast
import re

MAX_FILE = 450
MAX_FUNCTION = 60

# What may be longer, and why. An entry that is no longer needed is an error.
LONG_FILES = {
}
LONG_FUNCTIONS = {  # (file, function)
}

_CONTROL = re.compile(r"\b(?:if|for|while|switch|catch|do|else|return)\b")
_CONTAINER = re.compile(r"^\s*(?:template\s*<[^{]*>\s*)?(?:typedef\s+|static\s+|const\s+|extern\s+)*"
                        r"(?:struct|class|union|enum|namespace|extern)\b(?![^{]*\)\s*(?:const|noexcept)?\s*$)")
_BLANKED = re.compile(r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'|"
                      r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.S | re.M)


def files(tree):
    found = []
    for name in tree.texts():
        count = len(tree.lines(name))
        if (count > MAX_FILE) != (name in LONG_FILES):
            found.append(f"{name}:{count}: {count} lines, at most {MAX_FILE}" if count > MAX_FILE else
                         f"{name}:1: needs no exception from the limit of {MAX_FILE} lines any longer")
    return found


def functions(tree):
    found = []
    for name in tree.sources():
        if name in tree.shell():
            continue
        text = tree.text(name)
        lengths = python_functions(text) if name in tree.python() else c_functions(text)
        long = {f for _, f, length in lengths if length > MAX_FUNCTION}
        found += [f"{name}:{line}: {function} has {length} lines, at most {MAX_FUNCTION}"
                  for line, function, length in lengths
                  if length > MAX_FUNCTION and (name, function) not in LONG_FUNCTIONS]
        found += [f"{name}:1: {function} needs no exception from the limit of {MAX_FUNCTION} lines any longer"
                  for file, function in LONG_FUNCTIONS if file == name and function not in long]
    return found


def python_functions(text):
    """(line, name, lines) of each function."""
    return [(node.lineno, node.name, node.end_lineno - node.lineno + 1) for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def c_functions(text):
    """(line, name, lines) of each function of C or C++, from its signature to its brace.

    A brace counter, not a parser: it takes a brace that follows a parameter list
    for a function's, outside of functions.
    """
    text = _BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    found, head, depth, start, name = [], 0, 0, None, ""
    for brace in re.finditer(r"[{};]|:(?=\s*\n)", text):
        at, what = brace.start(), brace[0]
        if start is not None:  # in a function
            depth += {"{": 1, "}": -1}.get(what, 0)
            if depth == 0 and what == "}":
                if re.match(r"\s*[,{]", text[at + 1:at + 200]):  # a{1}, b{2} { of a constructor
                    continue
                line = text.count("\n", 0, start) + 1
                found.append((line, name, text.count("\n", start, at) + 1))
                start, head = None, at + 1
        elif what == "{":
            signature = text[head:at]
            if _is_function(signature):
                start = head + len(signature) - len(signature.lstrip())
                name, depth = _name(signature), 1
            head = at + 1
        else:
            head = at + 1
    return found


def _is_function(signature):
    if "(" not in signature or _CONTAINER.match(signature) or _CONTROL.search(signature.split("(")[0]):
        return False
    return not re.search(r"[^=!<>]=\s*(?:\[|\w*\s*$|\()", re.sub(r"\([^()]*\)", "", signature))


def _name(signature):
    found = re.search(r"(?!SEC\b|__\w+\b)(?<![\w~:])([~\w:]+|operator\S+)\s*\(([^()]*)", signature)
    if not found:
        return "a function"
    if re.fullmatch(r"[A-Z][A-Z0-9_]+", found[1]):  # a macro: TEST(A, B)
        return ".".join(part.strip() for part in found[2].split(",")[:2 if found[1].startswith("TEST") else 1])
    return found[1]
