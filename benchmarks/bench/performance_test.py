# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import pathlib
import re
import tempfile
import unittest
from unittest import mock

import payload
from bench import performance, policies, promises, results, run, stats, suites, synthetic, words, workload
from bench.synthetic import sample
from settings import CASES, CHECKOUT, LabError

_LATE = promises.QUESTIONS[0]
_WORK = next(q for q in promises.QUESTIONS if q.metric == "load's work")
_SCALE = promises.QUESTIONS[-1]


def _samples(question, policy, values, case="", better="lower", unit="us"):
    return [sample(v, suite=question.suite, case=case or question.case, metric=question.metric, policy=policy, n=n,
                   better=better, unit=unit) for n, v in enumerate(values, 1)]


def _measured(*samples, **meta):
    return synthetic.results([s for group in samples for s in group], meta={**synthetic.META, "rounds": 3, **meta})


def _verdict(measured, question, policy):
    return next(v for v in performance.verdicts(measured) if v.question is question and v.promise.policy == policy)


class CommittedPageTest(unittest.TestCase):
    def test_committed_page_equals_the_page_of_the_newest_results(self):
        target = pathlib.Path(tempfile.mkdtemp()) / "performance.md"
        performance.write(target)
        self.assertEqual(performance.PAGE.read_text(), target.read_text(),
                         "run ./lab bench --page docs/performance.md")

    def test_ratios_in_the_readme_are_those_of_the_newest_results(self):
        rows = {(r.case, r.metric): r for c in stats.cases(results.load(performance.newest())) for r in c.rows}
        text = (CHECKOUT / "README.md").read_text()
        block = re.search(r"<!-- performance:begin -->\n(.*)<!-- performance:end -->", text, re.S)[1]
        shown = re.findall(r"\b\d\.\d\d\b", block)
        expected = []
        for metric, names in (("guest p99", ("scx", "agent")), ("host p99", ("scx", "agent")), ("guest p99", ("rr",))):
            rounds = rows[_LATE.case, metric].rounds
            expected += [words.ratio(stats.Estimate.of(rounds[name][n] / rounds["eevdf"][n] for n in rounds[name]).median)
                         for name in names]
        self.assertEqual(shown, expected)

    def test_all_kept_results_can_be_loaded_and_are_named_by_date_and_commit(self):
        for file in performance.RESULTS.glob("*.json"):
            meta = results.load(file)["meta"]
            self.assertEqual(file.stem, f"{meta['date']}-{meta['commit']}")


class QuestionsTest(unittest.TestCase):
    def test_the_page_has_at_most_ten_rows(self):
        self.assertLessEqual(len(promises.QUESTIONS), 10)

    def test_the_preset_measures_every_policy_of_every_question(self):
        preset = suites.PRESETS["page"]
        titles = {(c.suite, c.title): c.names for c in preset.cases}
        for question in promises.QUESTIONS:
            names = titles.get((question.suite, question.case))
            if names is None:  # on this machine's own kernel
                self.assertIn(question.suite, suites.NATIVE)
                continue
            for name in (question.peer, *(p.policy for p in question.promises)):
                self.assertIn(name, names, question.text)

    def test_every_row_has_an_answer_and_a_known_peer(self):
        for question in promises.QUESTIONS:
            self.assertTrue(any(p.answer for p in question.promises), question.text)
            self.assertIn(question.peer, policies.POLICIES)
            self.assertTrue(question.command.startswith("./lab bench --suite "))

    def test_boots_are_promised_for_the_default_boot_boost(self):
        for script in (CASES / "policies.sh", CASES / "bench-boot.sh", CASES / "boot.sh"):
            self.assertEqual(re.findall(r"tunable set boot-time (\S+)", script.read_text()),
                             ["0"] if script.name == "policies.sh" else [], script.name)


class VerdictTest(unittest.TestCase):
    def test_median_ratio_below_an_upper_limit_is_kept_and_above_it_is_missed(self):
        limit = next(p.limit for p in _LATE.promises if p.policy == "scx")
        for factor, state in ((0.9, "kept"), (1.1, "MISSED")):
            measured = _measured(_samples(_LATE, "eevdf", [100, 200, 300]),
                                 _samples(_LATE, "scx", [100 * limit * factor, 200 * limit * factor, 3]))
            self.assertEqual(_verdict(measured, _LATE, "scx").state, state)

    def test_lower_limit_applies_where_higher_is_better(self):
        for value, state in ((100, "kept"), (1, "MISSED")):
            measured = _measured(_samples(_WORK, "eevdf", [50], better="higher"),
                                 _samples(_WORK, "scx", [value], better="higher"))
            verdict = _verdict(measured, _WORK, "scx")
            self.assertEqual((verdict.state, verdict.limit[:2]), (state, ">="))

    def test_ratio_to_another_case_divides_rounds_of_the_same_policy(self):
        measured = _measured(_samples(_SCALE, "agent", [100, 200], unit="ns"),
                             _samples(_SCALE, "agent", [50, 100], case=_SCALE.peer_case, unit="ns"))
        verdict = _verdict(measured, _SCALE, "agent")
        self.assertEqual((verdict.ratio.values, verdict.value, verdict.peer_value), ((2, 2), 150, 75))

    def test_promise_without_a_measurement_is_not_kept(self):
        verdict = _verdict(_measured(_samples(_LATE, "eevdf", [100])), _LATE, "scx")
        self.assertEqual(verdict.state, "not measured")
        self.assertEqual(verdict.answer(), "pvsched, scx was not measured in this run.")


    def test_answer_says_no_clear_difference_where_the_interval_includes_1(self):
        for values, end in (((90, 95, 110), "Median ratio of the rounds: 0.95, no clear difference."),
                            ((90, 95, 99), "Median ratio of the rounds: 0.95.")):
            measured = _measured(_samples(_LATE, "eevdf", [100, 100, 100]), _samples(_LATE, "scx", values))
            self.assertTrue(_verdict(measured, _LATE, "scx").answer().endswith(end))


class PageTest(unittest.TestCase):
    def _page(self, **meta):
        measured = _measured(_samples(_LATE, "eevdf", [20000, 30000, 40000]), _samples(_LATE, "scx", [5000, 6000, 8000]),
                             _samples(_LATE, "agent", [19000, 29000]), **meta)
        return performance.page(measured, "benchmarks/results/x.json")

    def test_row_has_answer_values_peer_ratio_interval_verdict_and_command(self):
        row = next(line for line in self._page().splitlines() if line.startswith(f"| {_LATE.text}"))
        self.assertIn("at most 6 ms late under scx, 30 ms under EEVDF. Median ratio of the rounds: 0.20. |", row)
        self.assertIn("| scx: 6 ms<br>agent: 24 ms<br>kfunc: - | EEVDF: 30 ms |", row)
        self.assertIn("| 0.20 (0.20 .. 0.25)<br>0.96 (0.95 .. 0.97; n = 2)<br>- |", row)
        self.assertRegex(row, r"kept<br>[^|]*🔴 \*\*MISSED\*\*<br>[^|]*not measured \| `\./lab bench")

    def test_head_names_machine_kernel_qemu_date_commit_and_rounds(self):
        text = self._page(qemu="11.1.3", own_kernel="6.18", seconds=14, command="./lab bench --preset page")
        for part in ("2 x test, kernel 6.18", "kernel 7.3.4, QEMU 11.1.3, emulated", "2026-11-21, commit abc, 3 rounds",
                     "latency for 14 s in each", ", by `./lab bench --preset page`", "ratios count"):
            self.assertIn(part, text)

    def test_emulation_is_mentioned_for_emulated_runs_only(self):
        self.assertNotIn("orientation", self._page(emulated=False))

    def test_incomplete_run_is_stated(self):
        self.assertIn("Stopped: it was stopped.", self._page(trouble="it was stopped"))

    def test_all_rows_have_the_same_number_of_cells(self):
        rows = [line for line in self._page().splitlines() if line.startswith("|")]
        self.assertEqual(len(rows), 2 + len(promises.QUESTIONS))
        self.assertEqual({row.count("|") for row in rows}, {8})


class QuantityTest(unittest.TestCase):
    def test_unit_grows_with_the_value(self):
        self.assertEqual([performance.quantity(*pair) for pair in (
            (640, "us"), (24800, "us"), (485, "ns"), (53400, "ms"), (1.5e7, "us"), (70.5, "bogo-ops/s"), (3, "1"))],
            ["640 us", "24.8 ms", "485 ns", "53.4 s", "15 s", "70.5 bogo-ops/s", "3"])


class JudgeTest(unittest.TestCase):
    def _only(self, value):
        question = promises.Question("How late?", _LATE.suite, _LATE.case, _LATE.metric,
                                     (promises.Promise("scx", 0.5, "{value}"),), "./lab bench --suite latency")
        measured = _measured(_samples(_LATE, "eevdf", [100]), _samples(_LATE, "scx", [value] if value else []))
        with mock.patch.object(promises, "QUESTIONS", (question,)):
            return performance.judge(measured, red=True)

    def test_exit_status_is_0_if_all_promises_are_kept(self):
        text, status = self._only(40)
        self.assertEqual(status, 0)
        self.assertIn("1 promises: 1 kept, 0 missed, 0 not measured.", text)
        self.assertNotIn("\033", text)

    def test_missed_promise_is_red_and_exit_status_1(self):
        text, status = self._only(60)
        self.assertEqual(status, 1)
        self.assertIn("\033[31mMISSED\033[0m: How late? pvsched, scx: median ratio of the rounds to EEVDF 0.60, promised <= 0.50", text)

    def test_unmeasured_promise_has_exit_status_1(self):
        self.assertEqual(self._only(0)[1], 1)


class PublishTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        for name, value in (("RESULTS", self.folder / "results"), ("PAGE", self.folder / "performance.md")):
            patch = mock.patch.object(performance, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_published_run_is_the_newest_and_its_page_is_written(self):
        for date, time, commit in (("2026-11-21", "09:00", "b"), ("2026-11-22", "10:00", "z"),
                                   ("2026-11-22", "11:00", "a"), ("2026-11-20", "23:00", "c")):
            file = performance.publish(_measured(_samples(_LATE, "eevdf", [1]), date=date, time=time, commit=commit))
            self.assertEqual(file.name, f"{date}-{commit}.json")
            self.assertIn(f"commit {commit}", performance.PAGE.read_text())
        self.assertEqual(performance.newest().name, "2026-11-22-a.json")

    def test_without_results_the_error_names_the_command(self):
        (self.folder / "results").mkdir()
        with self.assertRaisesRegex(LabError, "run ./lab bench --preset page --publish"):
            performance.newest()

    def test_page_command_asserts_only_if_asked(self):
        performance.publish(_measured(_samples(_LATE, "eevdf", [1])))
        for is_asserted, status in ((False, 0), (True, 1)):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(run.page(performance.PAGE, None, is_asserted), status)


class WorkloadTest(unittest.TestCase):
    def test_every_script_that_the_cases_source_is_in_the_payload(self):
        sourced = {name for file in CASES.iterdir()
                   for name in re.findall(r"^\. ([a-z-]+\.sh)$", file.read_text(), re.M)}
        self.assertLessEqual({"workload.sh", "policies.sh", "measuring.sh"}, sourced)
        self.assertLessEqual(sourced, set(payload._BENCH_TOOLS))

    def test_constants_of_the_scripts_are_read(self):
        self.assertEqual(workload.constants()["rt_priority"], "8")

    def test_the_lab_page_states_the_constants_of_the_scripts(self):
        text = (CHECKOUT / "docs" / "reference" / "lab.md").read_text()
        c = workload.constants()
        for stated in (f"`stress-ng {c['load']}`", f"-p {c['rt_priority']} --policy=rr",
                       f"runs in the guest every {int(c['guest_interval']) // 1000} ms and on the host every "
                       f"{int(c['host_interval']) // 1000} ms"):
            self.assertIn(stated, text)

    def test_line_that_is_no_assignment_is_an_error(self):
        file = pathlib.Path(tempfile.mkdtemp()) / "workload.sh"
        file.write_text("load=--cpu 2\n")
        with mock.patch.object(workload, "FILE", file), self.assertRaisesRegex(LabError, "is not NAME=VALUE"):
            workload.constants()


if __name__ == "__main__":
    unittest.main()
