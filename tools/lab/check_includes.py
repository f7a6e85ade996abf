# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Rules on what may include what, over the whole tree."""

import posixpath
import re

BPF = "host-policy/bpf/"
MAX_FLOORS = 5
_SEARCHED = ("", "shared-abi/", "host-policy/core/")  # -I

# The device is a library for VMMs. Utilities that both sides need stand in common/.
DEVICE = "vmm-device/"
DEVICE_USERS = (DEVICE, "tests/", "examples/")

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+["<]([^">]+)[">]', re.M)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def graph(tree):
    """{file: [(line, included file of the tree)]}"""
    known = set(tree.files)
    edges = {}
    for name in tree.files:
        if not name.endswith((".c", ".cc", ".h")):
            continue
        text = _blank(tree.text(name))
        edges[name] = []
        for found in _INCLUDE.finditer(text):
            places = [posixpath.join(posixpath.dirname(name), found[1]), *(p + found[1] for p in _SEARCHED)]
            target = next((p for p in map(posixpath.normpath, places) if p in known), None)
            if target:
                edges[name].append((text.count("\n", 0, found.start()) + 1, target))
    return edges


def closure(edges, name):
    """All files of the tree that `name` includes, itself among them."""
    seen, todo = set(), [name]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += [target for _, target in edges.get(file, ())]
    return seen


def circles(tree):
    edges, found, state = graph(tree), [], {}

    def visit(name, path):
        state[name] = "open"
        for line, target in edges.get(name, ()):
            if state.get(target) == "open":
                circle = [*path[path.index(target):], target]
                found.append(f"{name}:{line}: includes in a circle: {' -> '.join(circle)}")
            elif target not in state:
                visit(target, [*path, target])
        state[name] = "done"

    for name in sorted(edges):
        if name not in state:
            visit(name, [name])
    return found


def floors(tree):
    """The longest chain of files of host-policy/bpf, from each program down its headers."""
    edges = {name: [t for _, t in targets if t.startswith(BPF)] for name, targets in graph(tree).items()}
    chains = {}

    def chain(name):
        if name not in chains:
            chains[name] = ()  # a circle, which is another rule's
            longest = max((chain(t) for t in edges[name]), key=len, default=())
            chains[name] = (name, *longest)
        return chains[name]

    return [f"{name}:1: {len(chain(name))} floors, at most {MAX_FLOORS}: {' -> '.join(chain(name))}"
            for name in sorted(edges)
            if name.startswith(BPF) and name.endswith(".c") and len(chain(name)) > MAX_FLOORS]


def programs_in_headers(tree):
    """Programs and maps have one home, a .bpf.c file. `extern` declarations may stand in headers."""
    found = [f"{name}:{line}: a header includes {target}: include it in the .bpf.c file"
             for name, targets in graph(tree).items() if name.startswith(BPF) and name.endswith(".h")
             for line, target in targets if target.endswith(".c")]
    for name in tree.files:
        if name.startswith(BPF) and name.endswith(".h"):
            text = _blank(tree.text(name))
            for section in re.finditer(r"\bSEC\(", text):
                if not re.search(r"(?:^|[;}])\s*extern\b(?:[^;{}]|\{[^{}]*\})*$", text[:section.start()]):
                    found.append(f"{name}:{text.count(chr(10), 0, section.start()) + 1}: "
                                 "a program or a map in a header: move it into a .bpf.c file")
    return found


def device_users(tree):
    return [f"{name}:{line}: includes {target}: utilities belong in common/"
            for name, targets in graph(tree).items() if not name.startswith(DEVICE_USERS)
            for line, target in targets if target.startswith(DEVICE)]


def _blank(text):
    return _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
