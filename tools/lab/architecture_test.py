# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""ARCHITECTURE.md names files, functions and identifiers: each must exist in the tree."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "ARCHITECTURE.md"
_FOLDERS = ("shared-abi", "common", "guest-driver", "vmm-device", "host-policy", "tools", "tests",
            "benchmarks")
_SOURCES = (".c", ".h", ".cc", ".py", ".sh")
# Named on the page, and not the project's: the kernel's, or a path on a host.
_FOREIGN = {"sched_setattr_nocheck()", "scx_bpf_kick_cpu()", "pread()"}
_PROPOSED = {"llc_of()"}  # a function that a reader may add

_SYMBOL = re.compile(r"(?:(?P<class>[A-Z]\w+)::)?(?P<name>~?\w+)\(\)")
_IDENTIFIER = re.compile(r"(?:struct |enum )?(?P<name>[a-z]\w*_\w+|PVS\w*_\w+|[A-Z][a-z]+(?:[A-Z][a-z]+)+)")


def quoted(text):
    """What stands in `backquotes`, outside of blocks of code."""
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return re.findall(r"`([^`\n]+)`", prose)


def sources():
    """Path -> text of the project's sources."""
    return {path: path.read_text(errors="replace")
            for folder in _FOLDERS for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in _SOURCES and path.is_file()}


def defines(text, name):
    """Whether this source defines a function, or a BPF program, of this name."""
    definition = rf"^(?!\s*(?:return|else)\b)[^\n;#/]*?\b{re.escape(name)}\([^;]*?\)[^;(){{}}]*\{{"
    program = rf"BPF_PROG\({re.escape(name)}\b"
    return re.search(definition, text, re.M) or re.search(program, text)


def folder_rules(page):
    """Folder -> the folders that it may include, from the table of folders."""
    row = re.compile(r"^\| \[`([^`]+)`\]\([^)]*\) \|[^|]*\|([^|]*)\|[^|]*\|$", re.M)
    return {folder: re.findall(r"`([^`]+)`", allowed) or [allowed.strip()]
            for folder, allowed in row.findall(page)}


def home(path, folders):
    """The innermost of the folders that holds this file."""
    found = [folder for folder in folders if path.startswith(f"{folder}/")]
    return max(found, key=len, default=None)


class ArchitectureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tokens = quoted(PAGE.read_text())
        cls.sources = sources()
        cls.all = "\n".join(cls.sources.values())

    def test_page_names_something(self):
        self.assertGreater(len(self.tokens), 100)

    def test_each_path_exists(self):
        names = {path.name for path in self.sources}
        for token in self.tokens:
            if token.startswith("/") or "(" in token or " " in token or "*" in token:
                continue
            if "/" in token:
                with self.subTest(token):
                    self.assertTrue((ROOT / token).exists() or (ROOT / "host-policy" / token).exists())
            elif token.endswith(_SOURCES):
                with self.subTest(token):
                    self.assertTrue(token in names)

    def test_each_function_is_defined(self):
        for token in self.tokens:
            match = _SYMBOL.fullmatch(token)
            if not match or token in _FOREIGN | _PROPOSED:
                continue
            with self.subTest(token):
                self.assertTrue(any(defines(text, match["name"]) for text in self.sources.values()))
                if match["class"]:
                    self.assertTrue(re.search(rf"\bclass {match['class']}\b", self.all))
                    self.assertTrue(f"{match['class']}::{match['name']}" in self.all
                                    or f"{match['name']}(" in self.all)

    def test_each_identifier_is_used(self):
        for token in self.tokens:
            match = _IDENTIFIER.fullmatch(token)
            if not match:
                continue
            with self.subTest(token):
                # No assertRegex(): its message is the whole tree.
                self.assertTrue(re.search(rf"\b{re.escape(match['name'])}\b", self.all))

    def test_folders_include_what_the_table_allows(self):
        rules = folder_rules(PAGE.read_text())
        self.assertGreater(len(rules), 10)
        for path, text in self.sources.items():
            folder = home(path.relative_to(ROOT).as_posix(), rules)
            if folder is None or "all" in rules[folder]:
                continue
            for included in re.findall(r'^[ \t]*#[ \t]*include "([^"]+/[^"]+)"', text, re.M):
                other = home(included, rules)
                if other is not None and other != folder:
                    with self.subTest(f"{path.relative_to(ROOT)} includes {included}"):
                        self.assertIn(other, rules[folder])


class MessagesTest(unittest.TestCase):
    def test_log_lines_of_the_guide_are_the_drivers(self):
        page = (ROOT / "docs/how-to/refused-device.md").read_text()
        driver = "\n".join(text for path, text in sources().items() if path.parent.name == "guest-driver")
        lines = [quote for row in re.findall(r"^\| (`[^|]*)\|", page, re.M) for quote in re.findall(r"`([^`]+)`", row)]
        self.assertGreater(len(lines), 10)
        for line in lines:
            with self.subTest(line):
                # "..." stands for a value: a conversion of the format.
                pattern = r"%[#.\w]+".join(re.escape(part) for part in line.split("..."))
                pattern = pattern.removesuffix(r"%[#.\w]+")
                self.assertTrue(re.search(pattern, driver))


class DefinesTest(unittest.TestCase):
    def test_function_over_two_lines_is_found(self):
        self.assertTrue(defines("static int f(int a,\n\t     int b)\n{\n", "f"))

    def test_member_function_is_found(self):
        self.assertTrue(defines("absl::Status Registry::Bind(Vm& vm, pid_t tid) {\n", "Bind"))

    def test_program_is_found(self):
        self.assertTrue(defines('SEC("tp_btf/x")\nint BPF_PROG(pvs_x, int a)\n{\n', "pvs_x"))

    def test_call_and_declaration_are_no_definition(self):
        self.assertFalse(defines("\tif (f(a)) {\n\t\tg(b);\n", "g"))
        self.assertFalse(defines("int f(int a);\nint g(int b)\n{\n", "f"))


if __name__ == "__main__":
    unittest.main()
