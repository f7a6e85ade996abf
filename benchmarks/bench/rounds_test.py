# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import host
from bench import rounds, schedule, suites

_CASE = suites.case("latency", "busy-1x1")
_PLAN = [schedule.Block(n, _CASE, ("rr", "eevdf", "scx")) for n in (1, 2)]


def _block(n):
    return {f"round-{n}/latency/busy-1x1/done": b"", f"round-{n}/latency/busy-1x1/rr/guest_cpu": b"0.5"}


class _Hosts:
    """A fake of host.run: each boot prints lines, and then dies unless it is the last."""

    def __init__(self, *boots):
        self.boots = list(boots)
        self.jobs = []
        self.found = []  # the contents of `raw` at each boot

    def __call__(self, job, raw, write, retries):
        self.jobs.append(job)
        self.found.append(rounds.read(raw))
        said, kept = self.boots.pop(0)
        for line in said:
            write(f"bench: measuring {line}\n".encode())
        if kept is None or isinstance(kept, int):
            return host.Outcome(kept or 0, raw, 1.0, "7.3", True)
        death = {"stop": KeyboardInterrupt, "power": host.HostDied}.get("".join(said), host.EmulatorDied)("silence")
        shutil.rmtree(raw)
        raw.mkdir()
        death.kept = kept
        raise death


class DeathTest(unittest.TestCase):
    def _run(self, *boots):
        hosts = _Hosts(*boots)
        self.raw = pathlib.Path(tempfile.mkdtemp())
        self.said = io.StringIO()
        with mock.patch("host.run", hosts), contextlib.redirect_stderr(self.said):
            result = rounds.run(_PLAN, 5, self.raw, True)
        return hosts, result

    def test_fresh_host_gets_the_blocks_of_the_dead_host(self):
        hosts, result = self._run((["2 latency busy-1x1 rr"], _block(1)), ([], None))
        self.assertEqual(hosts.jobs[1].files["/lab/out/round-1/latency/busy-1x1/done"], b"")
        self.assertEqual((result.trouble, result.given_up), ("", {}))

    def test_death_without_results_loses_no_earlier_block(self):
        hosts, _ = self._run(([], _block(1)), ([], {}), ([], None))
        self.assertIn("/lab/out/round-1/latency/busy-1x1/done", hosts.jobs[2].files)

    def test_policy_is_given_up_in_a_case_after_two_host_deaths(self):
        died = (["1 latency busy-1x1 scx"], {})
        hosts, result = self._run(died, died, ([], None))
        self.assertEqual(hosts.jobs[2].files["/lab/schedule"],
                         b"1 latency busy-1x1 rr eevdf\n2 latency busy-1x1 rr eevdf\n")
        self.assertEqual(list(result.given_up), [("latency", "busy-1x1", "scx")])

    def test_continued_run_counts_earlier_host_deaths(self):
        died = (["1 latency busy-1x1 scx"], _block(1))
        hosts, result = self._run(died, (["stop"], {}))
        self.assertEqual(result.given_up, {})
        hosts = _Hosts((["1 latency busy-1x1 scx"], {}), ([], None))
        with mock.patch("host.run", hosts), contextlib.redirect_stderr(self.said):
            result = rounds.run(_PLAN, 5, self.raw, True, kept=rounds.read(self.raw))
        self.assertEqual(hosts.jobs[1].files["/lab/schedule"],
                         b"1 latency busy-1x1 rr eevdf\n2 latency busy-1x1 rr eevdf\n")
        self.assertEqual(result.given_up, {("latency", "busy-1x1", "scx"): "the host died 2 times under it, the last "
                                           "time: the emulated host died: silence"})

    def test_base_is_never_given_up(self):
        died = (["1 latency busy-1x1 eevdf"], {})
        _, result = self._run(died, died, ([], None))
        self.assertEqual(result.given_up, {})

    def test_repeated_deaths_without_progress_end_the_run(self):
        _, result = self._run((["1 latency busy-1x1 rr"], _block(1)), *[([], {})] * 4)
        self.assertIn("4 times in a row", result.trouble)
        self.assertTrue((self.raw / "round-1/latency/busy-1x1/done").exists())

    def test_failed_job_continues_on_an_emulated_host(self):
        hosts, result = self._run((["1 latency busy-1x1 rr"], 1), ([], None))
        self.assertEqual((len(hosts.jobs), result.trouble), (2, ""))

    def test_stopped_run_keeps_its_complete_blocks(self):
        _, result = self._run((["stop"], _block(1)))
        self.assertEqual((result.is_stopped, result.trouble), (True, "it was stopped before its end"))
        kept = rounds.read(self.raw)
        self.assertEqual((kept, rounds.done(kept)), (_block(1), 1))

    def test_kept_blocks_are_in_raw_while_a_host_runs(self):
        hosts, _ = self._run((["2 latency busy-1x1 rr"], _block(1)), ([], {}), ([], None))
        self.assertEqual([{k: v for k, v in found.items() if k != "deaths.json"} for found in hosts.found],
                         [{}, _block(1), _block(1)])

    def test_restore_writes_done_files_last(self):
        raw, written = pathlib.Path(tempfile.mkdtemp()), []
        write = pathlib.Path.write_bytes
        with mock.patch.object(pathlib.Path, "write_bytes", lambda p, data: (written.append(p.name), write(p, data))):
            for _ in range(2):
                rounds._restore(_block(1) | {"deaths.json": b"["}, raw)
        self.assertEqual(written, ["guest_cpu", "deaths.json", "done"])
        self.assertEqual(rounds._deaths(rounds.read(raw)), {})

    def test_host_death_on_hardware_loses_no_block(self):
        with self.assertRaises(host.HostDied):
            self._run((["power"], _block(1)))
        self.assertEqual(rounds.read(self.raw), _block(1))

    def test_progress_names_the_measurement_and_the_remaining_time(self):
        self._run((["1 latency busy-1x1 scx"], None))
        self.assertIn("3 of 6, round 1 of 2: latency, busy host, 1 guest of 1 vCPU: scx; about", self.said.getvalue())

    def test_cases_of_another_topology_run_on_a_host_of_their_own(self):
        numa = schedule.Block(1, suites.case("numa", "busy-1x2"), ("scx", "eevdf"))
        hosts = _Hosts(([], None), ([], None))
        with mock.patch("host.run", hosts), contextlib.redirect_stderr(io.StringIO()):
            rounds.run([_PLAN[0], numa], 5, pathlib.Path(tempfile.mkdtemp()), True)
        self.assertEqual([job.topology.cpus for job in hosts.jobs], [2, 8])
        self.assertEqual(hosts.jobs[1].files["/lab/schedule"], b"1 numa busy-1x2 scx eevdf\n")

    def test_topology_whose_blocks_are_done_needs_no_host(self):
        numa = schedule.Block(1, suites.case("numa", "busy-1x2"), ("scx", "eevdf"))
        hosts = _Hosts(([], None))
        with mock.patch("host.run", hosts), contextlib.redirect_stderr(io.StringIO()):
            rounds.run([_PLAN[0], numa], 5, pathlib.Path(tempfile.mkdtemp()), True, kept=_block(1))
        self.assertEqual([job.topology.cpus for job in hosts.jobs], [8])


if __name__ == "__main__":
    unittest.main()
