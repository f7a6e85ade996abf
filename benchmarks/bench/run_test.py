# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import main
from bench import collect, results, rounds, run, schedule, suites, synthetic


def _lab(*arguments):
    """(exit status, what it said)"""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["./lab", *arguments]), contextlib.redirect_stderr(said), \
         mock.patch("signal.signal"):
        return main.main(), said.getvalue()


class UsageTest(unittest.TestCase):
    def _refused(self, sentence, *arguments):
        status, said = _lab("bench", *arguments)
        self.assertEqual(status, 2)
        self.assertRegex(said, sentence)
        self.assertEqual(said.count("\n"), 1)

    def test_an_unknown_suite(self):
        self._refused("'speed' is no suite: latency, overhead, boot, scale and all are", "--suite", "latency,speed")

    def test_an_unknown_policy(self):
        self._refused("'fifo' is no policy: eevdf, nice, slice, rr", "--policies", "rr,fifo")

    def test_no_rounds_or_seconds(self):
        for option in ("--rounds", "--seconds", "--seed"):
            self._refused("'0' is no whole number from 1", option, "0")

    def test_a_folder_that_holds_something_else(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "thesis").touch()
        self._refused("is no earlier result, and would be lost", "--out", str(folder))
        self.assertTrue((folder / "thesis").exists())


    def test_a_folder_of_another_programs_raw_and_results(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "raw").mkdir()
        for held in ("", "[]", '{"samples": []}', '{"format": 1}'):
            (folder / "results.json").write_text(held)
            (folder / "plan.json").write_text(held)
            self._refused("is no earlier result, and would be lost", "--out", str(folder))

    def test_an_earlier_result_may_be_replaced(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "raw").mkdir()
        results.save(synthetic.run(1, rounds=1), folder / "results.json")
        run._check_out(folder)

    def test_a_link_is_followed(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "real").mkdir()
        (folder / "link").symlink_to("real")
        with mock.patch("bench.run.run") as ran:
            _lab("bench", "--out", str(folder / "link"))
        self.assertEqual(ran.call_args.args[0].out, folder.resolve() / "real")


class SignalTest(unittest.TestCase):
    def test_a_terminal_that_goes_ends_it_as_a_signal_does(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)}
            try:
                for n in before:  # which may be ignored, as under nohup
                    signal.signal(n, signal.SIG_DFL)
                with mock.patch.object(sys, "argv", ["./lab", "doctor"]), \
                     mock.patch("os.dup2"), mock.patch("doctor.run", lambda _: os.kill(os.getpid(), number)), \
                     self.assertRaises(SystemExit) as ended:
                    main.main()
            finally:
                for n, handler in before.items():
                    signal.signal(n, handler)
            self.assertEqual(ended.exception.code, status)


class MergeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        for n, name in enumerate(("one", "two")):
            (self.folder / name).mkdir()
            results.save(synthetic.run(n, rounds=2), self.folder / name / "results.json")

    def _merge(self, out):
        return _lab("bench", "--merge", f"{self.folder}/one,{self.folder}/two", "--out", str(out))

    def test_two_results_become_one_with_the_rounds_of_both(self):
        status, _ = self._merge(self.folder / "both")
        self.assertEqual(status, 0)
        self.assertEqual(results.load(self.folder / "both" / "results.json")["meta"]["rounds"], 4)
        self.assertTrue((self.folder / "both" / "report.html").exists())

    def test_nothing_else_is_overwritten(self):
        (self.folder / "thesis").mkdir()
        (self.folder / "thesis" / "results.json").touch()
        status, said = self._merge(self.folder / "thesis")
        self.assertEqual(status, 2)
        self.assertIn("would be lost", said)

    def test_a_folder_without_results_is_named(self):
        status, said = _lab("bench", "--merge", str(self.folder))
        self.assertEqual(status, 2)
        self.assertIn(f"{self.folder} is no earlier result", said)


class GoOnTest(unittest.TestCase):
    def test_the_same_plan_goes_on_and_another_starts_anew(self):
        options = run.Options(["latency"], [], 1, 5, 1, pathlib.Path(tempfile.mkdtemp()) / "out", None, "")
        plan = [schedule.Block(1, suites.DEMO, ("rr", "eevdf"))]
        with contextlib.redirect_stderr(io.StringIO()):
            place = {"host_kernel": "7.3", "machine": "one"}
            self.assertEqual(run._begin(options, plan, 5, "c0ffee", place), {})
            done = options.out / "raw/round-1/latency/busy-1x1/done"
            done.parent.mkdir(parents=True)
            done.touch()
            kept = {"round-1/latency/busy-1x1/done": b""}
            self.assertEqual(run._begin(options, plan, 5, "c0ffee", dict(place)), kept)
            self.assertTrue(done.exists())
            for seconds, commit, other in ((6, "c0ffee", {}), (5, "c0ffee+1", {}), (5, "c0ffee", {"machine": "two"})):
                run._begin(options, plan, 5, "c0ffee", place)
                self.assertEqual(run._begin(options, plan, seconds, commit, place | other), {})
                self.assertFalse(done.exists())
                done.parent.mkdir(parents=True)
                done.touch()


class CommitTest(unittest.TestCase):
    def test_other_changes_to_a_commit_are_another_commit(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        def git(*arguments):
            subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)
        (folder / "file").write_text("1")
        with mock.patch("bench.run.CHECKOUT", folder):
            self.assertEqual(run._commit(), "")
            git("init", "-q")
            git("add", "file")
            git("commit", "-qm", "one")
            clean = run._commit()
            self.assertRegex(clean, "^[0-9a-f]+$")
            seen = set()
            for text in ("2", "3", "1"):
                (folder / "file").write_text(text)
                seen.add(run._commit())
        self.assertEqual(len(seen), 3)
        self.assertIn(clean, seen)
        for commit in seen - {clean}:
            self.assertRegex(commit, rf"^{clean}\+[0-9a-f]{{8}}$")


class StopTest(unittest.TestCase):
    def test_stopped_on_this_machines_own_kernel_it_reports_all_the_same(self):
        for stop in (KeyboardInterrupt, SystemExit):
            measured = rounds.Measured(pathlib.Path())
            with mock.patch("bench.native.run", side_effect=stop):
                run._natively(["scale"], 3, measured)
            self.assertEqual((measured.trouble, measured.is_stopped), ("it was stopped before its end", True))


class WhyMissingTest(unittest.TestCase):
    def test_who_died_is_told_and_who_was_given_up_keeps_that_reason(self):
        raw = pathlib.Path(tempfile.mkdtemp())
        plan = [schedule.Block(1, suites.DEMO, ("rr", "scx", "agent"))]
        collection = collect.Collection(raw, plan, 5, ["eevdf", "rr", "scx", "agent"])
        measured = rounds.Measured(raw, deaths={("latency", "busy-1x1", p): ["the host died"] * n
                                                for p, n in (("rr", 1), ("scx", 2))})
        options = run.Options(["latency"], [], 1, 5, 1, raw, None, "")
        run._why_missing(collection, options, plan, {}, measured)
        title = suites.DEMO.title
        why = {m["policy"]: m["why"] for m in collection.missing if m["case"] == title}
        self.assertEqual(why, {"rr": "it was not measured", "agent": "it was not measured",
                               "scx": "2 times under it, the host died"})
        self.assertEqual([(a["case"], a["policy"], a["why"]) for a in collection.again], [(title, "rr", "the host died")])


class MetaTest(unittest.TestCase):
    def test_rounds_are_those_that_were_measured(self):
        options = run.Options(["latency"], [], 10, 5, 1, pathlib.Path(), None, "")
        stopped = rounds.Measured(pathlib.Path(), trouble="it was stopped before its end")
        meta = run._meta(options, stopped, [synthetic.sample(1, n=n) for n in (1, 2, 3)], 5, "7.3", "c0ffee")
        self.assertEqual((meta["rounds"], meta["trouble"]), (3, "it was stopped before its end"))


if __name__ == "__main__":
    unittest.main()
