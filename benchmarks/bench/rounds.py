# SPDX-License-Identifier: Apache-2.0
"""Measures a schedule on the host under test, on a fresh one where an emulated one died."""

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
_DEATHS = 2  # under one policy in one case, then it is given up there
_DIED = "deaths.json"  # of `raw`, so that a run that goes on knows
_IN_VAIN = 4  # deaths in a row without a block done


@dataclasses.dataclass
class Measured:
    raw: pathlib.Path
    emulated: bool = False
    deaths: dict = dataclasses.field(default_factory=dict)  # (suite, case, policy) -> how the host ended, each time
    trouble: str = ""  # why not all was measured
    is_stopped: bool = False  # by whoever runs it

    @property
    def given_up(self):
        """(suite, case, policy) -> why."""
        return {at: f"{len(ends)} times under it, {ends[-1]}" for at, ends in self.deaths.items()
                if len(ends) >= _DEATHS and at[2] != BASE}


def run(plan, seconds, raw, emulated, programs=None, kept=None):
    """What was measured is in `raw` at the end: round-N/SUITE/CASE/POLICY.

    `programs`: the kernel's schedulers that go along, name -> file of the build root.
    `kept`: what read() found of an earlier run of the same plan.
    """
    kept = kept or {}
    result, in_vain = Measured(raw, emulated, _deaths(kept)), 0
    while True:
        _restore(kept, raw)  # where it is safe, whatever ends this one
        left = [b.without(result.given_up) for b in plan]
        progress = _Progress(left, seconds, emulated)
        files = {f"/lab/out/{name}": data for name, data in kept.items()}
        files[_SCHEDULE] = "".join(b.line() + "\n" for b in left).encode()
        job = payload.Job(["bench-rounds", _SCHEDULE, str(seconds)], files, programs=programs or {})
        try:
            outcome = host.run(job, raw, progress, retries=0)
            if not outcome.status:
                return result
            # Such as a guest that does not start, which an emulated host brings about, too.
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
            # Less where its console is: the next host writes its own there.
            result.deaths.setdefault(progress.at, []).append(end.partition("; its console")[0])
            kept = {**kept, _DIED: json.dumps([[*at, ends] for at, ends in result.deaths.items()]).encode()}
        if in_vain == _IN_VAIN:
            _restore(kept, raw)
            result.trouble = f"{_IN_VAIN} times in a row, {end}"
            return result
        say(f"{end}. That is the emulator's failure: going on with the {done(kept)} of {len(plan)} blocks that "
            "are done, on a fresh host")


def _deaths(kept):
    try:
        return {tuple(at): ends for *at, ends in json.loads(kept.get(_DIED, b"[]"))}
    except ValueError:  # killed while it was written
        return {}


def done(kept):
    """How many blocks."""
    return sum(name.endswith("/done") for name in kept)


def read(raw):
    """What is in `raw`: name -> bytes."""
    return {str(path.relative_to(raw)): path.read_bytes() for path in raw.rglob("*") if path.is_file()}


def _restore(kept, raw):
    # Killed meanwhile, it leaves no block that is done but not whole.
    for name, data in sorted(kept.items(), key=lambda item: item[0].endswith("/done")):
        path = raw / name
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


class _Progress:
    """Passes the host's output on; tells what is measured, and how long the rest takes."""

    def __init__(self, plan, seconds, emulated):
        self.at = None  # (suite, case, policy)
        self._plan, self._seconds, self._emulated = plan, seconds, emulated
        self._rounds = max(b.round for b in plan)
        self._flat = [(b, policy) for b in plan for policy in b.order]
        self._begun = None  # (when, what was left then)
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
        """By what the measurements so far took, once there are some."""
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
