# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Runs a schedule on the host under test, and continues on a fresh host if an emulated host dies."""

import collections
import dataclasses
import json
import pathlib
import time

import host
import payload
from bench import schedule
from bench.policies import BASE
from progress import clear_line, say
from settings import LabError

STOPPED = "it was stopped before its end"
_SCHEDULE = "/lab/schedule"
_DEATHS = 2  # host deaths under a policy in a case, until the policy is given up there
_DIED = "deaths.json"  # in `raw`, for a run that continues this one
_IN_VAIN = 4  # consecutive deaths without a new block, until the run ends


@dataclasses.dataclass
class Measured:
    raw: pathlib.Path
    emulated: bool = False
    deaths: dict = dataclasses.field(default_factory=dict)  # (suite, case, policy) -> the cause of each host death
    trouble: str = ""  # why the run is incomplete
    is_stopped: bool = False  # by the user

    @property
    def given_up(self):
        """(suite, case, policy) -> the reason."""
        return {at: f"the host died {len(ends)} times under it, the last time: {ends[-1]}"
                for at, ends in self.deaths.items()
                if len(ends) >= _DEATHS and at[2] != BASE}


def run(plan, seconds, raw, emulated, programs=None, kept=None):
    """Measures the plan; the files are in raw/round-N/SUITE/CASE/POLICY at the end.

    The cases of one topology share a host. `programs`: other schedulers, name -> file of the
    build root. `kept`: the result of read() for an earlier run of the same plan.
    """
    result = Measured(raw, emulated, _deaths(kept or {}))
    for topology in dict.fromkeys(b.case.topology for b in plan):
        part = [b for b in plan if b.case.topology == topology]
        if sum(_is_done(b, kept or {}) for b in part) < len(part):
            result = _run_on(topology, part, seconds, raw, emulated, programs, kept or {})
            kept = read(raw)
        if result.trouble:
            break
    return result


def _is_done(block, kept):
    return f"round-{block.round}/{block.case.suite}/{block.case.name}/done" in kept


def _run_on(topology, plan, seconds, raw, emulated, programs, kept):
    """Measures blocks of one topology."""
    result, in_vain = Measured(raw, emulated, _deaths(kept)), 0
    while True:
        _restore(kept, raw)  # so that it survives the end of this process
        left = [b.without(result.given_up) for b in plan]
        progress = _Progress(left, seconds, emulated)
        files = {f"/lab/out/{name}": data for name, data in kept.items()}
        files[_SCHEDULE] = "".join(b.line() + "\n" for b in left).encode()
        job = payload.Job(["bench-rounds", _SCHEDULE, str(seconds)], files, programs=programs or {},
                          topology=topology)
        try:
            outcome = host.run(job, raw, progress, retries=0)
            if not outcome.status:
                return result
            # For example, a guest does not start; emulation causes that, too.
            end, now = f"the measurement ended with exit status {outcome.status}: see above and {raw}", read(raw)
            if not emulated:
                result.trouble = end
                return result
        except host.EmulatorDied as death:
            end, now = f"the emulated host died: {death}", death.kept
        except (KeyboardInterrupt, SystemExit) as stop:
            _restore(max(kept, getattr(stop, "kept", {}), key=done), raw)
            result.trouble, result.is_stopped = STOPPED, True
            return result
        except LabError as error:
            _restore(max(kept, getattr(error, "kept", {}), key=done), raw)
            raise
        in_vain = 0 if done(now) > done(kept) else in_vain + 1
        kept = now if done(now) >= done(kept) else kept
        if progress.at:
            # Without the path of the console log, which the next host overwrites.
            result.deaths.setdefault(progress.at, []).append(end.partition("; its console")[0])
            kept = {**kept, _DIED: json.dumps([[*at, ends] for at, ends in result.deaths.items()]).encode()}
        if in_vain == _IN_VAIN:
            _restore(kept, raw)
            result.trouble = f"{_IN_VAIN} times in a row, {end}"
            return result
        say(f"{end}. The emulator failed: continuing on a fresh host; "
            f"{sum(_is_done(b, kept) for b in plan)} of {len(plan)} blocks are done")


def _deaths(kept):
    try:
        return {tuple(at): ends for *at, ends in json.loads(kept.get(_DIED, b"[]"))}
    except ValueError:  # the writer was killed
        return {}


def done(kept):
    """The number of complete blocks."""
    return sum(name.endswith("/done") for name in kept)


def read(raw):
    """The files in `raw`: name -> bytes."""
    return {str(path.relative_to(raw)): path.read_bytes() for path in raw.rglob("*") if path.is_file()}


def _restore(kept, raw):
    # `done` files come last: a process that is killed here leaves no incomplete block marked as done.
    for name, data in sorted(kept.items(), key=lambda item: item[0].endswith("/done")):
        path = raw / name
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


class _Progress:
    """Forwards the host's output, and prints the current measurement and the remaining time."""

    def __init__(self, plan, seconds, emulated):
        self.at = None  # (suite, case, policy)
        self._plan, self._seconds, self._emulated = plan, seconds, emulated
        self._rounds = max(b.round for b in plan)
        self._flat = [(b, policy) for b in plan for policy in b.order]
        self._begun = None  # (start, estimated remaining time at the start)
        self._rest = b""

    def __call__(self, data):
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            words = text.split()
            if words[:2] == ["bench:", "measuring"] and len(words) == 6:
                self._measuring(int(words[2]), *words[3:])
            else:
                clear_line()
                print(text, flush=True)

    def _measuring(self, n, suite, case, policy):
        self.at = (suite, case, policy)
        index = next((i for i, (b, p) in enumerate(self._flat)
                      if (b.round, b.case.suite, b.case.name, p) == (n, *self.at)), None)
        if index is None:
            return
        left = self._left_s(index)
        title = self._flat[index][0].case.title
        say(f"{index + 1} of {len(self._flat)}, round {n} of {self._rounds}: {suite}, {title}: {policy}; "
            f"{minutes(left)} left")

    def _left_s(self, index):
        """The estimate, scaled by the real duration of the measurements so far."""
        left = schedule.takes_s(self._remaining(index), self._seconds, self._emulated)
        if self._begun is None:
            self._begun = (time.monotonic(), left)
        when, then = self._begun
        planned = then - left
        return left * (time.monotonic() - when) / planned if planned > 120 else left

    def _remaining(self, index):
        per_block = collections.Counter(id(b) for b, _ in self._flat[index:])
        return [dataclasses.replace(b, order=b.order[-per_block[id(b)]:]) for b in self._plan if per_block[id(b)]]


def minutes(seconds):
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(seconds, 10):.0f} s"
