# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from unittest import mock

from bench import collect, native, schedule, suites

_METRICS = """\
stress-ng: metrc: [1] cpu                1000     10.00     19.00      0.10       100.00          52.36
stress-ng: metrc: [1] fork                 40     10.00      1.00      0.10         4.00           3.64
"""
_POLICIES = ["eevdf", "rr", "scx", "agent"]


def _cyclictest(*threads):
    return json.dumps({"thread": {str(i): {"histogram": h, "cycles": sum(h.values()), "max": max(map(int, h))}
                                  for i, h in enumerate(threads)}})


class _Raw:
    """The raw folder of a run."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp())

    def put(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def latency(self, n, policy, us, case="busy-1x4", done=True):
        top = f"round-{n}/latency/{case}"
        self.put(f"{top}/{policy}/host.json", _cyclictest({"10": 100}))
        self.put(f"{top}/{policy}/g1.json", _cyclictest({str(us): 90}, {str(us): 9, str(8 * us): 1}))
        self.put(f"{top}/{policy}/guest_cpu", "2.5 5\n")
        self.put(f"{top}/{policy}/work", _METRICS)
        if done:
            self.put(f"{top}/done", "")

    def collected(self, *blocks):
        return collect.Collection(self.path, blocks, 5, _POLICIES)


def _block(n, suite, name, *order):
    return schedule.Block(n, suites.case(suite, name), order)


def _values(collection, **wanted):
    return {s["metric"]: s["value"] for s in collection.samples if all(s[k] == v for k, v in wanted.items())}


class NumaTest(unittest.TestCase):
    def _values(self, switches="200 10 4\n"):
        raw, top = _Raw(), "round-1/numa/busy-1x2"
        raw.put(f"{top}/done", "")
        raw.put(f"{top}/scx/g1.json", _cyclictest({"100": 3}, {"700": 2}))
        raw.put(f"{top}/scx/switches", switches)
        raw.put(f"{top}/scx/shares", "3.5\n2.1\n4.2\n")
        collection = raw.collected(_block(1, "numa", "busy-1x2", "scx"))
        return _values(collection, policy="scx"), collection.missing

    def test_switches_are_shares_and_the_least_task_is_compared_with_the_greatest(self):
        values, missing = self._values()
        self.assertEqual(missing, [])
        self.assertEqual(values, {"guest p50": 100, "guest p99": 700, "guest max": 700, "guest wake-ups a second": 1,
                                  "switches onto another CPU than the last": 5, "switches onto the other node": 2,
                                  "least share of a busy task, of the greatest": 50})

    def test_trace_without_switches_is_no_measurement(self):
        values, missing = self._values("0 0 0\n")
        self.assertEqual(values, {})
        self.assertIn("unexpected contents", missing[0]["why"])


class LatencyTest(unittest.TestCase):
    def test_all_threads_of_all_guests_make_one_distribution(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        raw.put("round-1/latency/busy-1x4/eevdf/g2.json", _cyclictest({"5000": 1}))
        values = _values(raw.collected(_block(1, "latency", "busy-1x4", "eevdf")), policy="eevdf")
        self.assertEqual((values["guest p50"], values["guest p99"], values["guest max"]), (100, 800, 5000))
        self.assertAlmostEqual(values["guest average"], (99 * 100 + 800 + 5000) / 101, places=4)
        self.assertEqual((values["host p50"], values["host max"]), (10, 10))
        self.assertAlmostEqual(values["load's work"], 20.0)
        self.assertAlmostEqual(values["CPU time a wake-up"], 1e6 * 0.5 * 5 / 101, places=3)

    def test_wake_ups_a_second_do_not_depend_on_the_start_time(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        raw.put("round-1/latency/busy-1x4/eevdf/guest_cpu", "2.5 60\n")
        values = _values(raw.collected(_block(1, "latency", "busy-1x4", "eevdf")), policy="eevdf")
        self.assertAlmostEqual(values["guest wake-ups a second"], 100 / 5)

    def test_a_curve_holds_all_rounds(self):
        raw = _Raw()
        for n in (1, 2):
            raw.latency(n, "eevdf", 100)
        found = raw.collected(*(_block(n, "latency", "busy-1x4", "eevdf") for n in (1, 2)))
        guest = next(c for c in found.curves if c["side"] == "guest")
        self.assertEqual(guest["histogram"], {"100": 198, "800": 2})
        self.assertEqual(guest["case"], "busy host, 1 guest of 4 vCPUs")

    def test_failed_measurement_is_missing_with_its_round_and_reason(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        raw.put("round-1/latency/busy-1x4/scx/missing", "the kernel ended it\n")
        found = raw.collected(_block(1, "latency", "busy-1x4", "scx", "eevdf"))
        self.assertEqual({s["policy"] for s in found.samples}, {"eevdf"})
        self.assertEqual(found.missing, [{"suite": "latency", "case": "busy host, 1 guest of 4 vCPUs",
                                          "policy": "scx", "why": "round 1: the kernel ended it"}])

    def test_incomplete_block_does_not_count(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100, done=False)
        self.assertEqual(raw.collected(_block(1, "latency", "busy-1x4", "eevdf")).samples, [])

    def test_damaged_file_drops_its_measurement_only(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        raw.latency(1, "rr", 100)
        raw.put("round-1/latency/busy-1x4/rr/g1.json", "cyclictest: killed")
        found = raw.collected(_block(1, "latency", "busy-1x4", "rr", "eevdf"))
        self.assertEqual({s["policy"] for s in found.samples}, {"eevdf"})
        self.assertIn("is no result of cyclictest", found.missing[0]["why"])

    def test_file_with_unexpected_contents_drops_its_measurement_only(self):
        for name, text in (("g1.json", "[]"), ("guest_cpu", "0 0\n"), ("host.json", '{"thread": []}')):
            raw = _Raw()
            raw.latency(1, "eevdf", 100)
            raw.latency(1, "rr", 100)
            raw.put(f"round-1/latency/busy-1x4/rr/{name}", text)
            found = raw.collected(_block(1, "latency", "busy-1x4", "rr", "eevdf"))
            self.assertEqual({s["policy"] for s in found.samples}, {"eevdf"})
            self.assertEqual({c["policy"] for c in found.curves}, {"eevdf"})
            self.assertRegex(found.missing[0]["why"], r"^round 1: .*/rr.* (has unexpected contents|is no result)")

    def test_policy_that_was_given_up_has_no_entry_here(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        found = raw.collected(_block(1, "latency", "busy-1x4", "rr", "eevdf"))
        self.assertEqual(({s["policy"] for s in found.samples}, found.missing), ({"eevdf"}, []))

    def test_retries_are_listed_if_the_measurement_succeeded(self):
        raw = _Raw()
        raw.latency(1, "eevdf", 100)
        raw.put("round-1/latency/busy-1x4/eevdf/tries", "it hung\nit hung\n")
        raw.put("round-1/latency/busy-1x4/scx/tries", "it hung\n" * 3)
        raw.put("round-1/latency/busy-1x4/scx/missing", "it hung, three times\n")
        found = raw.collected(_block(1, "latency", "busy-1x4", "scx", "eevdf"))
        self.assertEqual([(a["policy"], a["why"]) for a in found.again], [("eevdf", "it hung")] * 2)


class OverheadTest(unittest.TestCase):
    def test_counts_are_per_wake_up_and_other_programs_are_ignored(self):
        raw = _Raw()
        top = "round-1/overhead/guest-1x1"
        raw.put(f"{top}/done", "")
        raw.put(f"{top}/agent/hackbench", "2.5\n")
        raw.put(f"{top}/agent/g1.json", _cyclictest({"100": 200}))
        raw.put(f"{top}/agent/counts.json", json.dumps({"exits": 600, "cpu_s": 0.1}))
        raw.put(f"{top}/agent/programs.json", json.dumps([
            {"name": "pvs_kvm_exit", "run_time_ns": 1000, "run_cnt": 4}, {"name": "pvs_timer"}, {"name": "other"}]))
        raw.put(f"{top}/agent/memory.json", json.dumps({"pvschedd": 9000, "device": 4000, "maps": 100}))
        values = _values(raw.collected(_block(1, "overhead", "guest-1x1", "agent")))
        self.assertEqual(values, {"hackbench": 2.5, "exits a wake-up": 3, "CPU time a wake-up": 500,
                                  "program pvs_kvm_exit": 250, "pvschedd's memory": 9000,
                                  "memory of a VM's device": 4000, "memory of the BPF maps": 100})


class BootTest(unittest.TestCase):
    @staticmethod
    def _run(ms, exits):
        return {"ms": {"exec_to_vcpu_runs": ms / 4, "exec_to_userspace": ms / 2, "exec_to_end": ms},
                "exits": {"total": exits}, "exits_to_vmm": {"total": 1}}

    def test_value_of_a_round_is_the_mean_of_its_boots(self):
        raw = _Raw()
        raw.put("round-1/boot/idle/done", "")
        raw.put("round-1/boot/idle/eevdf/boot.json",
                json.dumps({"commands": [{"runs": [self._run(400, 7), self._run(800, 9)]}]}))
        values = _values(raw.collected(_block(1, "boot", "idle", "eevdf")))
        self.assertEqual(values, {"exec to the first vCPU's run": 150, "exec to user space": 300,
                                  "exec to the end": 600, "exits": 8, "exits to the VMM": 1})

    def test_boot_without_a_user_space_event_is_missing(self):
        raw = _Raw()
        run = self._run(400, 7)
        run["ms"]["exec_to_userspace"] = None
        raw.put("round-1/boot/idle/done", "")
        raw.put("round-1/boot/idle/eevdf/boot.json", json.dumps({"commands": [{"runs": [run]}]}))
        found = raw.collected(_block(1, "boot", "idle", "eevdf"))
        self.assertIn("is not what pvsched-boot writes", found.missing[0]["why"])


class NativeTest(unittest.TestCase):
    @staticmethod
    def _spread(value):
        return {"median": value, "min": value, "max": value}

    def test_figures_and_reasons_have_their_round(self):
        raw = _Raw()
        raw.put("native/round-1/exits.json", json.dumps({"exit_round_trip": {
            "without_ns": self._spread(1000), "unknown_ratio": self._spread(1.1), "registered_ratio": self._spread(1.2)}}))
        for part in native.parts(["overhead"])[1:]:
            raw.put(f"native/round-1/{part}.missing", "no guest runs here\n")
        found = raw.collected()
        found.native(raw.path / "native", ["overhead"], 1)
        self.assertEqual({(s["policy"], s["metric"]): s["value"] for s in found.samples if "trip of" in s["metric"]},
                         {("eevdf", "round trip of an exit"): 1000, ("agent", "round trip of an exit"): 1200})
        self.assertEqual({m["why"] for m in found.missing}, {"no guest runs here"})

    def test_part_with_unexpected_output_drops_itself_only(self):
        raw = _Raw()
        for part in native.parts(["scale"]):
            raw.put(f"native/round-1/{part}.json", "{}")
        found = raw.collected()
        found.native(raw.path / "native", ["scale"], 1)
        self.assertEqual((found.samples, len(found.missing)), ([], 3))
        self.assertIn("scale.json has unexpected contents", found.missing[0]["why"])

    def _run(self, folder, returncode):
        root = mock.Mock()
        def run(command, **_):
            (folder / "round-1/exits.part").write_text("new")
            return mock.Mock(returncode=returncode)
        root.run.side_effect = run
        with mock.patch.object(native.roots, "build_root", return_value=root), \
                mock.patch.object(native, "parts", return_value=["exits"]), \
                contextlib.redirect_stderr(io.StringIO()):
            native.run(["overhead"], 1, folder)

    def test_result_of_a_stopped_run_is_kept_and_its_failure_is_tried_again(self):
        for left, kept in (("exits.json", "old"), ("exits.missing", "new")):
            folder = pathlib.Path(tempfile.mkdtemp())
            (folder / "round-1").mkdir()
            (folder / "round-1" / left).write_text("old")
            self._run(folder, 0)
            self.assertEqual((folder / "round-1/exits.json").read_text(), kept)
            self.assertFalse((folder / "round-1/exits.missing").exists())

    def test_part_that_failed_leaves_no_result(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self._run(folder, 1)
        self.assertFalse((folder / "round-1/exits.json").exists())
        self.assertEqual((folder / "round-1/exits.missing").read_text(), "exit status 1")

    def test_highest_decision_rate_is_reported(self):
        data = {"decisions": {"rates": [
            {"wanted_per_s": wanted, "asked_per_s": self._spread(asked), "applied_per_s": self._spread(applied)}
            for wanted, asked, applied in ((1000, 900, 899), (64000, 50000, 20000))]}}
        figures = {(case, metric): values["agent"] for _, case, metric, _, _, values in native.figures("decisions", data)}
        self.assertEqual(figures[("one agent, 64000 requests a second meant", "decisions applied")], 20000)
        self.assertEqual(figures[("one agent", "most decisions applied")], 20000)


if __name__ == "__main__":
    unittest.main()
