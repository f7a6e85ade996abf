# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of ./lab check: the choice of files, the results, the hooks."""

import contextlib
import io
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

import check
import check_tidy
import check_tree
from settings import CHECKOUT, LabError, UsageError


def git(folder, *command):
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *command],
                   check=True, capture_output=True)


class TreeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        git(self.top, "init", "-q")
        for name, text in (("a.cc", ""), ("a.h", ""), ("k/.clang-format", "DisableFormat: true\n"), ("k/k.h", ""),
                           ("k/k.c", ""), ("b/b.bpf.h", ""), ("run", "#!/bin/sh\n"), ("tool", "#!/usr/bin/env python3\n"),
                           ("notes", "no program\n"), ("x.json", "{}"), (".gitignore", "*.o\n"), ("a.o", "")):
            path = self.top / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def test_each_kind_is_found_by_suffix_folder_or_first_line(self):
        tree = check_tree.of_checkout(self.top)
        self.assertEqual(tree.cpp(), ["a.cc", "a.h"])
        self.assertEqual(tree.kernel(), ["b/b.bpf.h", "k/k.c", "k/k.h"])
        self.assertEqual(tree.shell(), ["run"])
        self.assertEqual(tree.python(), ["tool"])
        self.assertNotIn("a.o", tree.files)
        self.assertNotIn("x.json", tree.texts())

    def test_named_files_and_folders_are_chosen(self):
        tree = check_tree.of_checkout(self.top, [str(self.top / "k"), str(self.top / "a.cc")])
        self.assertEqual(tree.chosen, ["a.cc", "k/.clang-format", "k/k.c", "k/k.h"])
        self.assertIn("run", tree.files)

    def test_unknown_file_is_wrong_usage(self):
        with self.assertRaises(UsageError):
            check_tree.of_checkout(self.top, [str(self.top / "a.o")])

    def test_staged_chooses_the_next_commit(self):
        git(self.top, "add", "a.cc", "run")
        self.assertEqual(check_tree.of_checkout(self.top, staged=True).chosen, ["a.cc", "run"])
        (self.top / "run").write_text("#!/bin/sh\nfalse\n", encoding="utf-8")
        self.assertEqual(check_tree.partly_staged(self.top), ["run"])


class RunTest(unittest.TestCase):
    def run_checks(self, *checks, root=None, **options):
        out = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(check, "OUT", pathlib.Path(folder)), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            results = check.run(check_tree.Tree("/", []), root, checks, **options)
        return results, out.getvalue()

    def test_prints_a_line_for_each_result_and_the_findings(self):
        results, said = self.run_checks(check.Check("good", "what", lambda tree: []),
                                        check.Check("bad", "what", lambda tree: ["a.c:1: x"]),
                                        check.Check("tool", "what", None, True))
        self.assertEqual(results, [("pass", "good"), ("fail", "bad"), ("skip", "tool")])
        self.assertRegex(said, r"(?m)^pass good: what\nfail bad: 1 findings; what\n  a\.c:1: x\nskip tool: ")

    def test_a_tool_that_does_not_run_is_a_failure(self):
        def broken(_tree):
            raise LabError("it is missing")
        results, said = self.run_checks(check.Check("broken", "what", broken))
        self.assertEqual(results, [("fail", "broken")])
        self.assertIn("it is missing", said)

    def test_fail_fast_ends_with_the_first_failure(self):
        results, _ = self.run_checks(check.Check("bad", "what", lambda tree: ["x"]),
                                     check.Check("good", "what", lambda tree: []), fail_fast=True)
        self.assertEqual(results, [("fail", "bad")])

    def test_clang_tidy_without_kept_findings_is_skipped_where_it_may_not_run(self):
        with mock.patch.object(check_tidy, "run", side_effect=check_tidy.Unchecked(3)):
            results, said = self.run_checks(check.Check("clang-tidy", "what", None, True), root=object(), may_tidy=False)
        self.assertEqual(results, [("skip", "clang-tidy")])
        self.assertIn("3 files", said)

    def test_help_names_each_check(self):
        for each in check.CHECKS:
            self.assertIn(f"  {each.name} ", check.describe())


class UsageTest(unittest.TestCase):
    def run_lab(self, *argv):
        return subprocess.run(["python3", str(CHECKOUT / "tools/lab/main.py"), "check", *argv],
                              capture_output=True, text=True, check=False)

    def test_wrong_usage_exits_with_2_and_says_why(self):
        for argv, why in ((("--only", "nothing"), "there is no check nothing"), (("/nonexistent",), "is no file"),
                          (("--staged", "lab"), "leave out FILES"), (("--bad",), "unrecognized")):
            done = self.run_lab(*argv)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(why, done.stderr)


class CommitMessageTest(unittest.TestCase):
    def check(self, message):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(message)
            file.flush()
            done = subprocess.run([str(CHECKOUT / ".githooks/commit-msg"), file.name], capture_output=True,
                                  text=True, check=False, env={"PATH": os.environ["PATH"]})
        return done.returncode, done.stderr

    def test_area_and_verb_pass(self):
        for message in ("device: refuse a second HELLO\n\nThe problem.\n", "docs, lab: drop it\n", "Merge branch x\n",
                        "tools/lab: check it\n# a comment\n", "fixup! device: x\n"):
            self.assertEqual(self.check(message), (0, ""), message)

    def test_other_forms_are_refused_with_the_reason(self):
        for message, why in (("a: " + "x" * 70, "73 characters"), ("Fix it\n", "no area"), ("\n", "is empty"),
                             ("a: b.\n", "full stop"), ("a: b\nc\n", "second line")):
            status, said = self.check(message)
            self.assertEqual(status, 1, message)
            self.assertIn(why, said)


if __name__ == "__main__":
    unittest.main()
