# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

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
from bench import about, collect, native, policies, results, rounds, run, schedule, suites, synthetic


def _lab(*arguments):
    """(exit status, standard error)"""
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

    def test_unknown_suite_is_refused(self):
        self._refused("'speed' is no suite: use latency, overhead, boot, scale, numa or all", "--suite", "latency,speed")

    def test_unknown_policy_is_refused(self):
        self._refused("'fifo' is no policy: use one of eevdf, nice, slice, rr", "--policies", "rr,fifo")

    def test_zero_rounds_seconds_or_seed_are_refused(self):
        for option in ("--rounds", "--seconds", "--seed"):
            self._refused("'0' is no whole number from 1", option, "0")

    def test_folder_with_other_files_is_refused(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "thesis").touch()
        self._refused("is no earlier result, and would be lost", "--out", str(folder))
        self.assertTrue((folder / "thesis").exists())

    def test_folder_with_raw_and_results_of_another_program_is_refused(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "raw").mkdir()
        for held in ("", "[]", '{"samples": []}', '{"format": 1}'):
            (folder / "results.json").write_text(held)
            (folder / "plan.json").write_text(held)
            self._refused("is no earlier result, and would be lost", "--out", str(folder))

    def test_folder_with_an_earlier_result_is_accepted(self):
        for raw in ("raw", "native"):
            folder = pathlib.Path(tempfile.mkdtemp())
            (folder / raw).mkdir()
            results.save(synthetic.run(1, rounds=1), folder / "results.json")
            run._check_out(folder)

    def test_symbolic_link_is_followed(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "real").mkdir()
        (folder / "link").symlink_to("real")
        with mock.patch("bench.run.run") as ran:
            _lab("bench", "--out", str(folder / "link"))
        self.assertEqual(ran.call_args.args[0].out, folder.resolve() / "real")


class SignalTest(unittest.TestCase):
    def test_sighup_and_sigterm_set_the_exit_status(self):
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

    def test_merged_result_has_the_rounds_of_both(self):
        status, _ = self._merge(self.folder / "both")
        self.assertEqual(status, 0)
        self.assertEqual(results.load(self.folder / "both" / "results.json")["meta"]["rounds"], 4)
        self.assertTrue((self.folder / "both" / "report.html").exists())

    def test_folder_with_another_result_is_not_overwritten(self):
        (self.folder / "thesis").mkdir()
        (self.folder / "thesis" / "results.json").touch()
        status, said = self._merge(self.folder / "thesis")
        self.assertEqual(status, 2)
        self.assertIn("would be lost", said)

    def test_folder_without_results_is_named_in_the_error(self):
        status, said = _lab("bench", "--merge", str(self.folder))
        self.assertEqual(status, 2)
        self.assertIn(f"{self.folder} is no earlier result", said)


class ContinueTest(unittest.TestCase):
    def test_same_plan_continues_and_another_plan_starts_from_scratch(self):
        options = run.Options(["latency"], [], 1, 5, 1, pathlib.Path(tempfile.mkdtemp()) / "out", None, "")
        plan = [schedule.Block(1, suites.DEMO, ("rr", "eevdf"))]
        def begin(seconds=5, commit="c0ffee", **other):
            meta = {"host_kernel": "7.3", "machine": "one", "seconds": seconds, "commit": commit, **other}
            return run._begin(options, plan, meta)
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(begin(), {})
            done = options.out / "raw/round-1/latency/busy-1x1/done"
            done.parent.mkdir(parents=True)
            done.touch()
            kept = {"round-1/latency/busy-1x1/done": b""}
            self.assertEqual(begin(date="tomorrow", time="00:01"), kept)
            self.assertTrue(done.exists())
            for seconds, commit, other in ((6, "c0ffee", {}), (5, "c0ffee+1", {}), (5, "c0ffee", {"machine": "two"})):
                begin()
                self.assertEqual(begin(seconds, commit, **other), {})
                self.assertFalse(done.exists())
                done.parent.mkdir(parents=True)
                done.touch()


class CommitTest(unittest.TestCase):
    def test_each_uncommitted_change_has_its_own_commit_name(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        def git(*arguments):
            subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)
        (folder / "file").write_text("1")
        with mock.patch("bench.about.CHECKOUT", folder):
            self.assertEqual(about.commit(), "")
            git("init", "-q")
            git("add", "file")
            git("commit", "-qm", "one")
            clean = about.commit()
            self.assertRegex(clean, "^[0-9a-f]+$")
            seen = set()
            for text in ("2", "3", "1"):
                (folder / "file").write_text(text)
                seen.add(about.commit())
        self.assertEqual(len(seen), 3)
        self.assertIn(clean, seen)
        for commit in seen - {clean}:
            self.assertRegex(commit, rf"^{clean}\+[0-9a-f]{{8}}$")


class StopTest(unittest.TestCase):
    def test_stop_during_the_native_part_still_reports(self):
        for stop in (KeyboardInterrupt, SystemExit):
            measured = rounds.Measured(pathlib.Path())
            with mock.patch("bench.native.run", side_effect=stop):
                run._natively(["scale"], 3, pathlib.Path(), measured)
            self.assertEqual((measured.trouble, measured.is_stopped), ("it was stopped before its end", True))


class WhyMissingTest(unittest.TestCase):
    def test_deaths_are_reported_and_a_policy_given_up_keeps_its_reason(self):
        raw = pathlib.Path(tempfile.mkdtemp())
        plan = [schedule.Block(1, suites.DEMO, ("rr", "scx", "agent"))]
        collection = collect.Collection(raw, plan, 5, ["eevdf", "rr", "scx", "agent"])
        measured = rounds.Measured(raw, deaths={("latency", "busy-1x1", p): ["silence"] * n
                                                for p, n in (("rr", 1), ("scx", 2))})
        options = run.Options(["latency"], [], 1, 5, 1, raw, None, "")
        run._why_missing(collection, options, plan, {}, measured)
        title = suites.DEMO.title
        why = {m["policy"]: m["why"] for m in collection.missing if m["case"] == title}
        self.assertEqual(why, {"rr": "it was not measured", "agent": "it was not measured",
                               "scx": "the host died 2 times under it, the last time: silence"})
        self.assertEqual([(a["case"], a["policy"], a["why"]) for a in collection.again], [(title, "rr", "silence")])


class CollectedTest(unittest.TestCase):
    def _collected(self, measured_rounds):
        options = run.Options(["latency"], [], 10, 5, 1, pathlib.Path(), None, "")
        stopped = rounds.Measured(pathlib.Path(), trouble="it was stopped before its end")
        samples = [synthetic.sample(1, n=n) for n in measured_rounds]
        with mock.patch.object(collect, "Collection") as collection, mock.patch("bench.run._why_missing"):
            collection.return_value = mock.Mock(samples=samples, curves=[], missing=[], again=[])
            return run._collected(options, [], {**synthetic.META, "seconds": 5}, ["eevdf"], {}, stopped, [])

    def test_meta_has_the_rounds_that_were_measured_and_why_there_are_no_more(self):
        meta = self._collected((1, 2, 3))["meta"]
        self.assertEqual((meta["rounds"], meta["trouble"]), (3, "it was stopped before its end"))

    def test_a_run_without_a_sample_is_an_error_with_the_reason(self):
        with self.assertRaisesRegex(run.LabError, "no measurement succeeded: it was stopped"):
            self._collected(())


class PresetTest(unittest.TestCase):
    def test_the_page_is_measured_within_40_minutes_on_an_emulated_host(self):
        options = run.of_preset(run.Options([], [], 1, 0, 1, pathlib.Path(), None, "", preset="page"))
        plan = schedule.blocks(policies.chosen(options.policies), options.cases(), options.rounds, options.seed)
        takes = schedule.takes_s(plan, options.seconds, True) + native.takes_s(options.suites, options.rounds)
        self.assertLessEqual(takes, 40 * 60)

    def test_a_case_with_fewer_rounds_is_not_in_later_rounds(self):
        preset = suites.PRESETS["page"]
        plan = schedule.blocks(preset.policies, preset.cases, preset.rounds, 1)
        rounds_of = {b.case.name: max(p.round for p in plan if p.case == b.case) for b in plan}
        self.assertEqual(rounds_of, {"busy-1x1": 5, "guest-1x1": 3, "idle": 3, "busy": 3})

    def test_policies_that_the_preset_omits_in_a_case_are_not_reported_as_missing(self):
        options = run.of_preset(run.Options([], [], 1, 0, 1, pathlib.Path(), None, "", preset="page"))
        collection = collect.Collection(pathlib.Path(), [], options.seconds, options.policies)
        run._why_missing(collection, options, [], {}, rounds.Measured(pathlib.Path()))
        self.assertEqual(collection.missing, [])

    def test_a_run_without_a_preset_has_all_cases_of_its_suites(self):
        options = run.Options(["boot"], [], 1, 0, 1, pathlib.Path(), None, "")
        self.assertEqual(run.of_preset(options).cases(), suites.cases(["boot"]))


class PublishTest(unittest.TestCase):
    def test_uncommitted_changes_are_refused_before_anything_is_built(self):
        for commit in ("", "abc1234+deadbeef"):
            options = run.Options(["latency"], ["rr"], 1, 5, 1, pathlib.Path(tempfile.mkdtemp()) / "out", None, "",
                                  is_published=True)
            with mock.patch("bench.about.commit", return_value=commit), mock.patch("bench.run._build") as build:
                with self.assertRaisesRegex(run.UsageError, "needs a clean git checkout"):
                    run.run(options)
            build.assert_not_called()

    def test_from_without_page_is_refused(self):
        status, said = _lab("bench", "--from", "results.json")
        self.assertEqual((status, "--from is for --page" in said), (2, True))


class AboutTest(unittest.TestCase):
    def test_paths_are_removed_from_the_recorded_command(self):
        self.assertEqual(about.portable("./lab bench --out '/a b' --preset page --against=/tmp/x.json --publish"),
                         "./lab bench --preset page --publish")

    STATUS = """\
Package: qemu-system-common
Status: install ok installed
Version: 1:10.0.3+ds-1

Package: qemu-system-x86
Status: install ok installed
Architecture: amd64
Version: 1:11.1.3+ds-2~bpo13+1
Description: x

"""

    def test_the_upstream_version_of_the_named_package_is_found(self):
        self.assertEqual(about.package_version(self.STATUS, "qemu-system-x86"), "11.1.3")

    def test_a_package_that_is_not_installed_has_no_version(self):
        self.assertEqual(about.package_version(self.STATUS, "qemu-system-arm"), "")


if __name__ == "__main__":
    unittest.main()
