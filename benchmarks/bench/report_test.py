# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import pathlib
import re
import tempfile
import unittest
import xml.dom.minidom

from bench import collect, figures, html_page, markdown, report, results, stats, synthetic, words, workload
from bench.synthetic import sample
from settings import CASES, LabError

_NASTY = {"eevdf": "EEVDF", "rr": "<b>R&R</b>", "scx": "pvsched | scx"}


def _nasty():
    samples = [sample(v * (n + 1), policy=p, n=n, case="1 < 2 & \"3\"", metric="p99 <us>")
               for n in range(1, 6) for p, v in (("eevdf", 10), ("rr", 4), ("scx", 5))]
    return synthetic.results(samples, policies=_NASTY)


def _parsed(text):
    return xml.dom.minidom.parseString(text.partition("\n")[2])


class PageTest(unittest.TestCase):
    def test_html_is_well_formed_with_any_names(self):
        for measured in (synthetic.run(1, curves=True), _nasty(), synthetic.results()):
            _parsed(html_page.report(measured, "./lab bench"))

    def test_html_has_no_scripts_and_loads_no_resources(self):
        document = _parsed(html_page.report(synthetic.run(1, curves=True), "./lab bench"))
        for name in ("script", "link", "img", "iframe"):
            self.assertEqual(document.getElementsByTagName(name), [])
        for element in document.getElementsByTagName("*"):
            self.assertFalse(element.hasAttribute("src"))
            self.assertTrue(element.getAttribute("href").startswith("#") or not element.hasAttribute("href"))
        style = document.getElementsByTagName("style")[0].firstChild.data
        self.assertNotIn("url(", style)
        self.assertNotIn("@import", style)

    def test_links_have_targets_and_paint_classes_have_colours(self):
        document = _parsed(html_page.report(synthetic.run(1, curves=True), "./lab bench"))
        elements = document.getElementsByTagName("*")
        ids = {e.getAttribute("id") for e in elements}
        self.assertLessEqual({e.getAttribute("href")[1:] for e in elements if e.hasAttribute("href")}, ids)
        style = document.getElementsByTagName("style")[0].firstChild.data
        for paint in figures.paints({f"p{n}": "" for n in range(9)} | synthetic.POLICIES).values():
            self.assertIn(f".{paint.split()[-1]} {{ stroke:", style)

    def test_each_policy_has_a_curve_and_each_round_a_dot(self):
        measured = synthetic.run(1, rounds=4, curves=True)
        document = _parsed(html_page.report(measured, "./lab bench"))
        curves = [p for p in document.getElementsByTagName("path") if p.getAttribute("stroke-width") == "2"]
        self.assertEqual(len(curves), len(measured["curves"]))
        relative = sum(s["policy"] != "eevdf" for s in measured["samples"])
        self.assertEqual(len(document.getElementsByTagName("circle")), relative)

    def test_missing_policies_and_emulation_are_stated(self):
        text = html_page.report(synthetic.run(1, curves=True), "./lab bench --rounds 5")
        self.assertIn("Not measured: scx_simple. The reason: it has no such programs.", text)
        self.assertIn("was emulated", text)
        self.assertIn("./lab bench --rounds 5", text)
        text = html_page.report(synthetic.results(meta={**synthetic.META, "emulated": False}), "")
        self.assertIn(words.HARDWARE, text)

    def test_best_of_a_row_is_marked_once(self):
        cells = [c for c in _parsed(html_page.report(_nasty(), "")).getElementsByTagName("td")
                 if c.getAttribute("class") == "best"]
        self.assertEqual([c.firstChild.data for c in cells], ["0.40"])


class SummaryTest(unittest.TestCase):
    def test_rows_have_base_ratios_and_intervals_and_equal_width(self):
        text = markdown.summary(_nasty(), "./lab bench")
        self.assertIn("| p99 <us> (us, lower is better) | 40 (20 .. 60) | **0.40** | 0.50 |", text)
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")}
        self.assertEqual(widths, {5})

    def test_better_policy_is_named_with_the_factor(self):
        text = markdown.summary(_nasty(), "")
        self.assertIn("- p99 <us>: <b>R&R</b> is better than pvsched | scx by a factor of 1.25.\n", text)

    def test_difference_within_the_spread_is_stated(self):
        values = {"eevdf": [10] * 5, "rr": [4, 4, 4, 4, 7], "scx": [5] * 5}
        measured = synthetic.results([sample(v, policy=p, n=n) for p, rounds in values.items()
                                      for n, v in enumerate(rounds, 1)])
        said = words.not_best(stats.cases(measured)[0], measured["policies"])
        self.assertEqual(said, ["p99: static SCHED_RR has 0.40, pvsched, scx 0.50, within the spread "
                                "of the rounds (by a factor of 0.71 .. 1.25)."])

    def test_too_few_rounds_are_stated(self):
        measured = synthetic.results([sample(1), sample(2, policy="scx")])
        self.assertEqual(words.not_best(stats.cases(measured)[0], measured["policies"]),
                         ["p99: EEVDF has 1.00, pvsched, scx 2.00, with too few rounds for certainty."])


class StoppedTest(unittest.TestCase):
    def test_stopped_run_is_stated_at_the_top_and_cells_have_their_rounds(self):
        samples = [sample(v + n, policy=p, n=n) for p, v, rounds in (("eevdf", 9, 5), ("rr", 4, 5), ("scx", 5, 2), ("agent", 7, 1))
                   for n in range(1, rounds + 1)]
        stopped = synthetic.results(samples, meta={**synthetic.META, "trouble": "it was stopped before its end"})
        for text in (html_page.report(stopped, ""), markdown.summary(stopped, "")):
            self.assertIn("Stopped: it was stopped before its end. ", text)
            self.assertLess(text.index("Stopped: "), text.index("was emulated"))
            self.assertEqual(re.findall(r"n = \d\)", text), ["n = 2)", "n = 1)"])
        self.assertNotIn("Stopped", markdown.summary(synthetic.results(samples), ""))


class ReadingTest(unittest.TestCase):
    def test_confidence_depends_on_the_rounds(self):
        for rounds, said in ((3, "75 %"), (5, "93.8 %"), (6, "96.9 %"), (9, "96.1 %")):
            text = markdown.summary(synthetic.results(meta={**synthetic.META, "rounds": rounds}), "")
            self.assertIn(f"With {rounds} rounds, it holds the true median with a probability of {said}.", text)
            self.assertNotIn("95 %", text)

    def test_only_measured_suites_are_explained(self):
        def texts(suite, **meta):
            measured = synthetic.results([sample(1, suite=suite)], meta={**synthetic.META, "suites": [suite], **meta})
            return html_page.report(measured, ""), markdown.summary(measured, "")
        for text in texts("latency", seconds=7):
            self.assertIn("5 rounds, latency for 7 s each time;", text)
            for said in ("guest wake-ups a second", "1000 wake-ups", "SCHED_RR priority 8", "--vm-bytes 128M",
                         "sched_ext", "a module of the host"):
                self.assertIn(said, text)
            self.assertNotIn("exits to the VMM", text)
        for text in texts("boot", seconds=7):
            self.assertIn("exits to the VMM", text)
            self.assertNotIn("7 s each", text)

    def test_glossary_and_scripts_use_the_same_workload(self):
        constants = workload.constants()
        script = (CASES / "measuring.sh").read_text()
        for name in ("load", "rt_priority", "host_interval", "guest_interval"):
            self.assertRegex(script, rf"\${name}\b")
        self.assertNotIn(constants["load"], script)
        terms = dict(words.glossary(synthetic.run(1, rounds=1)))
        self.assertIn(constants["load"], terms["busy host"])
        self.assertIn("every 10 ms on each vCPU and every 2 ms on the host", terms["latency"])
        self.assertIn(str(collect._FOR_A_THOUSANDTH), " ".join(words.reading(synthetic.run(1, rounds=1))))

    def test_best_actuator_represents_pvsched_if_there_are_several(self):
        said = "the best of its 3 actuators in that row represents pvsched"
        self.assertIn(said, markdown.summary(synthetic.results(), ""))
        self.assertNotIn("represents pvsched", markdown.summary(_nasty(), ""))


class AgainTest(unittest.TestCase):
    def test_retries_are_listed_below_the_table(self):
        entry = {"suite": "latency", "case": "c", "policy": "scx", "why": "it hung"}
        measured = synthetic.results([sample(1, policy="scx")], again=[
            entry, {**entry, "why": "the host died"}, entry, {**entry, "policy": "rr"}])
        for text in (html_page.report(measured, ""), markdown.summary(measured, "")):
            self.assertIn("Measured again: pvsched, scx, 3 times: it hung (2 times); the host died.", text)
            self.assertIn("Measured again: static SCHED_RR, 1 time: it hung.", text)
        both = results.merge([measured, synthetic.results([sample(2, policy="scx")])])
        self.assertEqual(len(both["again"]), 4)


class WordsTest(unittest.TestCase):
    def test_equal_reasons_are_merged(self):
        place = {"suite": "latency", "case": "c"}
        case = stats.cases(synthetic.results([sample(1, policy="scx")], missing=[
            {**place, "policy": "rr", "why": "it has no vCPU."}, {**place, "policy": "nice", "why": "it has no vCPU."},
            {**place, "policy": "scx", "why": "round 2: it died"}, {**place, "policy": "scx", "why": "round 3: too"},
            {**place, "policy": "scx", "why": "round 4: it died"}]))
        self.assertEqual(words.missing(case[0], synthetic.POLICIES),
                         ["Not measured: nice -20; static SCHED_RR. The reason: it has no vCPU.",
                          "Not measured in all rounds: pvsched, scx. The reason: rounds 2, 4: it died; round 3: too."])

    def test_numbers_are_short_and_without_exponent(self):
        self.assertEqual([words.number(v) for v in (0, 12345.6, 99.94, 1.5, 2, 0.25, 0.00004)],
                         ["0", "12,346", "99.9", "1.5", "2", "0.25", "4e-05"])
        self.assertEqual([words.ratio(v) for v in (0.5, 0.012, 1, 12.34, 0)], ["0.50", "0.012", "1.00", "12.3", "0.00"])


class WriteTest(unittest.TestCase):
    def test_report_has_three_files_and_can_be_rewritten_from_them(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        report.write(synthetic.run(1, rounds=2), folder / "one", "./lab bench")
        report.write(synthetic.run(2, rounds=3), folder / "two", "./lab bench")
        self.assertEqual(sorted(p.name for p in (folder / "one").iterdir()),
                         ["report.html", "results.json", "summary.md"])
        merged = report.rewrite([folder / "one", folder / "two"], folder / "both", "./lab bench")
        self.assertEqual(merged["meta"]["rounds"], 5)
        self.assertEqual(results.load(folder / "both" / "results.json"), merged)

    def test_broken_result_writes_no_file(self):
        folder = pathlib.Path(tempfile.mkdtemp()) / "out"
        with self.assertRaises(LabError):
            report.write(synthetic.results([{}]), folder, "")
        self.assertFalse(folder.exists())


if __name__ == "__main__":
    unittest.main()
