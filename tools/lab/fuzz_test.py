# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of ./lab fuzz: its targets, and its reading of libFuzzer's output."""

import argparse
import contextlib
import io
import pathlib
import tempfile
import types
import unittest
from unittest import mock

import fuzz
from settings import CHECKOUT, LabError, UsageError

_PASSED = """\
INFO: seed corpus: files: 5 min: 85b max: 774b total: 1699b rss: 41Mb
#6\tINITED cov: 905 ft: 1604 corp: 5/1699b exec/s: 0 rss: 45Mb
#1024\tNEW    cov: 2128 ft: 6888 corp: 403/69Kb lim: 1396 exec/s: 17724 rss: 488Mb L: 9/9 MS: 1 ChangeBit-
#372224\tDONE   cov: 2129 ft: 6890 corp: 403/69Kb lim: 1396 exec/s: 17724 rss: 488Mb
Done 372224 runs in 21 second(s)
stat::number_of_executed_units: 372224
stat::average_exec_per_sec:     17724
stat::new_units_added:          1509
"""
_FAILED = """\
#7\tNEW    cov: 905 ft: 1604 corp: 5/1699b exec/s: 0 rss: 45Mb
property broken: tunables survive
==7== ERROR: libFuzzer: deadly signal
artifact_prefix='build/lab/fuzz/config/'; Test unit written to build/lab/fuzz/config/crash-3c76
"""


class TargetsTest(unittest.TestCase):
    def test_each_target_has_a_source_and_seeds(self):
        self.assertIn("config", fuzz.names())
        for name in fuzz.names():
            self.assertRegex(fuzz.about(name), r"^[A-Z].*\.$", name)
            self.assertTrue(any((CHECKOUT / "tests/fuzz/corpus" / name).iterdir()), name)

    def test_seeds_are_those_of_targets(self):
        folders = {path.name for path in (CHECKOUT / "tests/fuzz/corpus").iterdir()}
        self.assertEqual(folders, set(fuzz.names()))

    def test_seeds_are_few_small_and_have_names(self):
        for folder in (CHECKOUT / "tests/fuzz/corpus").iterdir():
            seeds = list(folder.iterdir())
            self.assertLessEqual(len(seeds), 32, folder)
            for seed in seeds:
                self.assertLessEqual(seed.stat().st_size, 4096, seed)
                self.assertNotRegex(seed.name, r"^[0-9a-f]{40}$|^crash-", "libFuzzer names those that it makes so")

    def test_help_names_each_target(self):
        for name in fuzz.names():
            self.assertRegex(fuzz.epilog(), rf"(?m)^  {name} +[A-Z]")


class OutputTest(unittest.TestCase):
    def test_counts_are_those_of_the_end(self):
        self.assertEqual(fuzz.counts(_PASSED), fuzz.Counts(calls=372224, places=2129, features=6890, new=1509))
        self.assertEqual(fuzz.counts(_PASSED).text(20),
                         "372224 calls (18611/s), 2129 places, 6890 features, 1509 new inputs")

    def test_output_without_counts_is_a_failure(self):
        with self.assertRaisesRegex(LabError, "Killed"):
            fuzz.counts("Killed\n")

    def test_failure_has_reason_input_and_the_command_that_reproduces_it(self):
        lines = fuzz.failure("config", _FAILED, "LOG").split("\n")
        self.assertEqual(lines, ["property broken: tunables survive", "log: LOG",
                                 f"input: {CHECKOUT}/build/lab/fuzz/config/crash-3c76",
                                 "reproduce it by: ./lab chroot build/fuzz/bin/fuzz_config build/lab/fuzz/config/crash-3c76"])

    def test_first_report_of_a_sanitizer_is_the_reason(self):
        for reason in ("ERROR: AddressSanitizer: heap-use-after-free on address 0x1",
                       "/src/common/peer.cc:7:3: runtime error: left shift of negative value -1",
                       "ERROR: libFuzzer: out-of-memory (used: 2049Mb; limit: 2048Mb)"):
            self.assertEqual(fuzz.failure("config", f"#1 x\n{reason}\nproperty broken: later\n", "LOG").split("\n")[0], reason)

    def test_failure_without_a_report_shows_the_output(self):
        self.assertIn("cannot open", fuzz.failure("config", "cannot open\n", "LOG"))


class RunTest(unittest.TestCase):
    def run_verb(self, *words, said=_PASSED, status=0):
        """The exit status, what was printed, and the commands that ran."""
        ran, out = [], io.StringIO()

        def run(command, stdout, **_):
            ran.append(command)
            stdout.write(said)
            return types.SimpleNamespace(returncode=status)

        parser = argparse.ArgumentParser()
        fuzz.add_options(parser)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(mock.patch("fuzz.CHECKOUT", pathlib.Path(folder)))
            stack.enter_context(mock.patch("fuzz.OUT", pathlib.Path(folder) / "build/lab"))
            stack.enter_context(mock.patch("fuzz._SOURCES", self.sources(pathlib.Path(folder))))
            stack.enter_context(mock.patch("fuzz.roots.build_root", lambda: types.SimpleNamespace(run=run)))
            stack.enter_context(mock.patch("fuzz.build.cmake_beside"))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            return fuzz.main(parser.parse_args(words)), out.getvalue(), ran

    def sources(self, folder):
        sources = folder / "tests/fuzz"
        (sources / "corpus/one").mkdir(parents=True)
        (sources / "CMakeLists.txt").write_text("pvsched_fuzz(one SOURCES one.cc)\npvsched_fuzz(two SOURCES two.cc)\n")
        return sources

    def test_all_targets_run_for_the_seconds_asked_for(self):
        status, said, ran = self.run_verb("all", "7")
        self.assertEqual((status, len(ran)), (0, 2))
        self.assertRegex(said, r"(?m)^pass two: 372224 calls \(53174/s\)")
        for command in ran:
            self.assertIn("-max_total_time=7", command)

    def test_new_inputs_go_into_the_build_and_seeds_are_read_only(self):
        _, _, ran = self.run_verb("one")
        self.assertEqual(ran[0][-2:], ["build/lab/fuzz/one/corpus", "tests/fuzz/corpus/one"])
        _, _, ran = self.run_verb("two")
        self.assertEqual(ran[0][-1], "build/lab/fuzz/two/corpus")

    def test_target_that_fails_is_named_with_its_reason(self):
        status, said, _ = self.run_verb("one", said=_FAILED, status=77)
        self.assertEqual(status, 1)
        self.assertIn("fail one: property broken: tunables survive\n", said)

    def test_test_begins_with_the_seeds(self):
        with tempfile.TemporaryDirectory() as folder:
            top, ran = pathlib.Path(folder), []

            def run(command, stdout, **_):
                ran.append((command[-2:], list((top / command[-2]).iterdir())))
                stdout.write(_PASSED)
                return types.SimpleNamespace(returncode=0)

            with (mock.patch("fuzz.CHECKOUT", top), mock.patch("fuzz.OUT", top / "build/lab"),
                  mock.patch("fuzz._SOURCES", self.sources(top)), mock.patch("fuzz.build.cmake_beside"),
                  contextlib.redirect_stderr(io.StringIO())):
                test = fuzz.tests(types.SimpleNamespace(run=run))["fuzz: one"]
                test()
                (top / "build/lab/fuzz/one/test-corpus/0123").touch()
                test()
        self.assertEqual(ran, 2 * [(["build/lab/fuzz/one/test-corpus", "tests/fuzz/corpus/one"], [])])

    def test_wrong_words_are_wrong_usage(self):
        for words in (["three"], ["one", "0"], ["one", "1.5"], ["one", "x"]):
            with self.assertRaises(UsageError):
                self.run_verb(*words)


if __name__ == "__main__":
    unittest.main()
