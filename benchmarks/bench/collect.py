# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""From the raw files of a run to samples, curves and missing measurements."""

import json
import math
import statistics

import latency
from bench import native
from bench.policies import POLICIES
from settings import LabError

_BUCKETS = 400  # of a curve
_FOR_A_THOUSANDTH = 1000  # wake-ups; with fewer, p99.9 is the maximum
_LOWER, _HIGHER, _NEITHER = "lower", "higher", "neither"


def folder(raw, n, suite, case, policy):
    return raw / f"round-{n}" / suite / case / policy


class Latency:
    """One measurement of the suite latency, read from its folder."""

    def __init__(self, path):
        self.path = path
        self.host = latency.Distribution.from_cyclictest(path / "host.json")
        guests = sorted(path.glob("g*.json"))
        if not guests:
            raise LabError(f"{path} holds no guest's latency")
        self.guest = latency.merged([latency.Distribution.from_cyclictest(g) for g in guests])
        self.cpu_s, self.window_s = numbers(path / "guest_cpu", 2)  # CPU time of the vCPUs, elapsed time
        self.rates = latency.work_done(path / "work") if (path / "work").exists() else {}

    @property
    def cpus(self):
        """How many CPUs the vCPUs used on average."""
        return self.cpu_s / self.window_s

    def sides(self):
        return ("guest", self.guest), ("host", self.host)


def numbers(path, count):
    try:
        found = [float(word) for word in path.read_text().split()]
    except (OSError, ValueError) as error:
        raise LabError(f"{path} is not a number: {error}") from error
    if len(found) != count or not all(map(math.isfinite, found)):
        raise LabError(f"{path} does not have {count} number{'s' * (count > 1)}")
    return found


def number(path):
    return numbers(path, 1)[0]


class Collection:
    """The measurements of a run, in the shape of results.json."""

    def __init__(self, raw, plan, seconds, policies):
        self.samples, self.missing, self.again = [], [], []
        self._raw, self._seconds, self.policies = raw, seconds, policies
        self._distributions = {}  # (suite, case, side, policy) -> of each round
        for block in plan:
            self._block(block)

    @property
    def curves(self):
        return [{"suite": suite, "case": case, "side": side, "policy": policy,
                 "histogram": {str(us): n for us, n in latency.merged(rounds).bucketed(_BUCKETS).items()}}
                for (suite, case, side, policy), rounds in self._distributions.items()]

    def lacks(self, suite, case, policy, why):
        entry = {"suite": suite, "case": case, "policy": policy, "why": why}
        if entry not in self.missing:
            self.missing.append(entry)

    def tried(self, suite, case, policy, why):
        """A failed try before the measurement succeeded."""
        self.again.append({"suite": suite, "case": case, "policy": policy, "why": why})

    def _block(self, block):
        case = block.case
        for policy in sorted(block.order, key=self.policies.index):
            path = folder(self._raw, block.round, case.suite, case.name, policy)
            if (path / "missing").exists():
                why = (path / "missing").read_text().strip()
                self.lacks(case.suite, case.title, policy, f"round {block.round}: {why}")
                continue
            if not (path.parent / "done").exists() or not path.exists():
                continue  # run.py reports why the run ended early or gave the policy up
            try:
                # list(): a damaged file must drop all figures of its measurement.
                for metric, unit, better, value in list(_READERS[case.suite](self, case, policy, path)):
                    self._add(case.suite, case.title, policy, block.round, metric, unit, better, value)
            except _DAMAGED as error:
                self.lacks(case.suite, case.title, policy, f"round {block.round}: {_damage(path, error)}")
                continue
            for why in _lines(path / "tries"):
                self.tried(case.suite, case.title, policy, why)

    def _add(self, suite, case, policy, n, metric, unit, better, value):
        self.samples.append({"suite": suite, "case": case, "policy": policy, "round": n, "metric": metric,
                             "unit": unit, "better": better, "value": round(value, 6)})

    def _latency(self, case, policy, path):
        measured = Latency(path)
        for side, distribution in measured.sides():
            yield f"{side} average", "us", _LOWER, distribution.average()
            for name, value in distribution.figures().items():
                if name != "p99.9" or distribution.total >= _FOR_A_THOUSANDTH:
                    yield f"{side} {name}", "us", _LOWER, value
        # cyclictest skips cycles while a wake-up is late: a guest that stalls has fewer samples.
        yield "guest wake-ups a second", "1", _HIGHER, measured.guest.total / self._seconds
        if measured.rates:
            yield "load's work", "bogo-ops/s", _HIGHER, latency.work_figure(measured.rates)
        # A guest that waits less does more work: neither direction is better.
        yield "vCPUs took", "CPUs", _NEITHER, measured.cpus
        yield "CPU time a wake-up", "us", _LOWER, 1e6 * measured.cpu_s / measured.guest.total
        for side, distribution in measured.sides():  # last, so that the measurement is complete
            self._distributions.setdefault((case.suite, case.title, side, policy), []).append(distribution)

    def _numa(self, case, policy, path):
        guest = latency.merged([latency.Distribution.from_cyclictest(g) for g in sorted(path.glob("g*.json"))])
        for name, value in guest.figures().items():
            if name != "p99.9" or guest.total >= _FOR_A_THOUSANDTH:
                yield f"guest {name}", "us", _LOWER, value
        yield "guest wake-ups a second", "1", _HIGHER, guest.total / self._seconds
        switches, moved, other = numbers(path / "switches", 3)
        yield "switches onto another CPU than the last", "%", _LOWER, 100 * moved / switches
        yield "switches onto the other node", "%", _LOWER, 100 * other / switches
        shares = sorted(map(float, _lines(path / "shares")))
        # 100 %: all busy tasks have the same share.
        yield "least share of a busy task, of the greatest", "%", _HIGHER, 100 * shares[0] / shares[-1]

    def _overhead(self, case, policy, path):
        yield "hackbench", "s", _LOWER, number(path / "hackbench")
        if not (path / "counts.json").exists():
            return
        counts = _json(path / "counts.json")
        wakeups = latency.Distribution.from_cyclictest(path / "g1.json").total
        yield "CPU time a wake-up", "us", _LOWER, 1e6 * counts.pop("cpu_s") / wakeups
        for name, count in counts.items():
            yield f"{_COUNTS[name]} a wake-up", "1", _LOWER, count / wakeups
        for program in _json(path / "programs.json", []):
            if program.get("name", "").startswith("pvs_") and program.get("run_cnt"):
                yield f"program {program['name']}", "ns", _LOWER, program["run_time_ns"] / program["run_cnt"]
        for name, kib in _json(path / "memory.json", {}).items():
            yield _MEMORY[name], "KiB", _LOWER, kib

    def _boot(self, case, policy, path):
        try:
            runs = _json(path / "boot.json")["commands"][0]["runs"]
            for step, title in _STEPS.items():
                yield title, "ms", _LOWER, statistics.fmean(run["ms"][step] for run in runs)
            for kind, title in (("exits", "exits"), ("exits_to_vmm", "exits to the VMM")):
                yield title, "1", _LOWER, statistics.fmean(run[kind]["total"] for run in runs)
        except (KeyError, IndexError, TypeError, statistics.StatisticsError) as error:
            raise LabError(f"{path}/boot.json is not what pvsched-boot writes: {error!r}") from error

    def native(self, top, wanted, rounds):
        """Adds the measurements on this machine's own kernel."""
        for n in range(1, rounds + 1):
            for part in native.parts(wanted):
                path = top / f"round-{n}" / f"{part}.json"
                if not path.exists():
                    why = path.with_suffix(".missing")
                    self.lacks(*native.cases_of(part), native.POLICY,
                               why.read_text().strip() if why.exists() else "it was not measured")
                    continue
                try:
                    figures = list(native.figures(part, _json(path)))
                except _DAMAGED as error:
                    self.lacks(*native.cases_of(part), native.POLICY, f"round {n}: {_damage(path, error)}")
                    continue
                for suite, case, metric, unit, better, values in figures:
                    for policy, value in values.items():
                        self._add(suite, case, policy, n, metric, unit, better, value)

    def unwanted(self, cases):
        """Adds the reasons why cases do not measure all policies; `cases`: of this run."""
        for case in cases:
            for policy in self.policies:
                if not case.measures(policy):
                    self.lacks(case.suite, case.title, policy, case.why_not)


_DAMAGED = (LabError, LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError)


def _damage(path, error):
    return str(error) if isinstance(error, LabError) else f"{path} has unexpected contents: {error!r}"


def _lines(path):
    return path.read_text(errors="replace").splitlines() if path.exists() else []


_READERS = {"latency": Collection._latency, "overhead": Collection._overhead, "boot": Collection._boot,
            "numa": Collection._numa}
_COUNTS = {"exits": "exits", "irq_injections": "interrupts", "halt_wakeup": "ends of a halt",
           "host_state_reload": "reloads of host state"}
_STEPS = {"exec_to_vcpu_runs": "exec to the first vCPU's run", "exec_to_userspace": "exec to user space",
          "exec_to_end": "exec to the end"}
_MEMORY = {"pvschedd": "pvschedd's memory", "device": "memory of a VM's device", "maps": "memory of the BPF maps"}


def _json(path, default=None):
    if default is not None and not path.exists():
        return default
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LabError(f"{path} is no JSON: {error}") from error


def titles(policies):
    return {name: POLICIES[name].title for name in policies}
