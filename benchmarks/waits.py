#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The longest waits of vCPUs and their causes, from the traces of cases/waits.sh.

    python3 benchmarks/waits.py build/lab/out [COUNT]

A wait lasts from the time at which a vCPU's timer is due until its thread runs. Its parts:
    timer      until the host's timer expires
    wake       until the thread is queued
    queue      until it runs, if it slept when the timer expired
    preempted  until it runs, if it was preempted before
    stall      the longest time in which no event happened on its CPU, not even a tick
A wait's cause is its greatest part; it is `stall` if the stall is more than half of the wait.
"""

import collections
import dataclasses
import json
import pathlib
import re
import sys

COUNT = 10  # waits of each round
_STALL_S = 0.008  # two ticks: a busy CPU has an event at each
_LINE = re.compile(r"^.*-(\d+) +\[(\d+)\] \S+ +(\d+\.\d+): (\w+): (.*)$")
_TIMERS = ("apic_timer_fn",)


@dataclasses.dataclass
class Wait:
    tid: int
    due_at: float  # s
    ran_at: float = 0.0
    parts: dict = dataclasses.field(default_factory=dict)  # name -> s
    cpu: int = 0  # on which it ran
    before: str = ""  # the task that the vCPU replaced there

    @property
    def length(self):
        return self.ran_at - self.due_at

    @property
    def cause(self):
        if self.parts.get("stall", 0) > max(self.length / 2, _STALL_S):
            return "stall"
        return max((name for name in self.parts if name != "stall"), key=self.parts.get, default="none")


@dataclasses.dataclass
class _Vcpu:
    is_running: bool = False
    is_preempted: bool = False
    wait: Wait = None
    expired_at: float = 0.0
    queued_at: float = 0.0


class _Trace:
    """Follows the vCPUs through the events of a trace."""

    def __init__(self, tids):
        self.vcpus = {tid: _Vcpu() for tid in tids}
        self.waits = []
        self._timers = {}  # hrtimer -> (tid, due time)
        self._events = collections.defaultdict(list)  # CPU -> times

    def add(self, line):
        found = _LINE.match(line)
        if not found:
            return
        pid, cpu, now, event, text = int(found[1]), int(found[2]), float(found[3]), found[4], found[5]
        self._events[cpu].append(now)
        handler = getattr(self, f"_{event}", None)
        if handler:
            handler(pid, cpu, now, dict(re.findall(r"(\w+)=(\S+)", text)))

    def _hrtimer_start(self, pid, _cpu, _now, fields):
        if fields["function"] in _TIMERS and pid in self.vcpus:
            self._timers[fields["hrtimer"]] = pid, int(fields["expires"]) / 1e9

    def _hrtimer_expire_entry(self, _pid, _cpu, now, fields):
        tid, due_at = self._timers.pop(fields["hrtimer"], (None, 0))
        vcpu = self.vcpus.get(tid)
        if vcpu is None or vcpu.is_running or vcpu.wait:
            return
        vcpu.wait = Wait(tid, due_at, parts={"timer": max(now - due_at, 0)})
        vcpu.expired_at = vcpu.queued_at = now

    def _sched_wakeup(self, _pid, _cpu, now, fields):
        vcpu = self.vcpus.get(int(fields["pid"]))
        if vcpu and vcpu.wait and not vcpu.is_preempted:
            vcpu.wait.parts["wake"] = now - vcpu.expired_at
            vcpu.queued_at = now

    def _sched_switch(self, _pid, cpu, now, fields):
        left, entered = self.vcpus.get(int(fields["prev_pid"])), self.vcpus.get(int(fields["next_pid"]))
        if left:
            left.is_running, left.is_preempted = False, fields["prev_state"].startswith("R")
        if entered:
            self._enter(entered, cpu, now, fields)

    def _enter(self, vcpu, cpu, now, fields):
        wait, was_preempted = vcpu.wait, vcpu.is_preempted
        vcpu.is_running, vcpu.is_preempted, vcpu.wait = True, False, None
        if not wait:
            return
        wait.parts["preempted" if was_preempted else "queue"] = now - vcpu.queued_at
        wait.ran_at, wait.cpu, wait.before = now, cpu, f"{fields['prev_comm']} (prio {fields['prev_prio']})"
        self.waits.append(wait)

    def longest(self, count):
        found = sorted(self.waits, key=lambda w: w.length, reverse=True)[:count]
        for wait in found:
            inside = [wait.due_at, *(t for t in self._events[wait.cpu] if wait.due_at < t < wait.ran_at), wait.ran_at]
            wait.parts["stall"] = max(b - a for a, b in zip(inside, inside[1:]))
        return found


def read(lines, tids, count=COUNT):
    """(the longest waits, the number of all waits)"""
    trace = _Trace(tids)
    for line in lines:
        trace.add(line)
    return trace.longest(count), len(trace.waits)


def _show(wait):
    parts = ", ".join(f"{name} {1000 * part:.1f}" for name, part in wait.parts.items() if part >= 0.0001)
    return f"    {1000 * wait.length:8.1f} ms  {wait.cause:<10} {parts}; vCPU thread {wait.tid} after {wait.before}"


def main(folder, count=COUNT):
    causes = collections.defaultdict(collections.Counter)
    rounds = sorted(pathlib.Path(folder).glob("round-*/trace"))
    if not rounds:
        print(f"waits: {folder} has no traces: run ./lab exec benchmarks/cases/waits.sh first", file=sys.stderr)
        return 1
    for trace in rounds:
        policy = re.sub(r"^round-\d+-", "", trace.parent.name)
        tids = [int(tid) for tid in (trace.parent / "vcpus").read_text().split()]
        with open(trace, encoding="utf-8", errors="replace") as lines:
            longest, number = read(lines, tids, count)
        print(f"{trace.parent.name}: the longest of {number} waits")
        for wait in longest:
            causes[policy][wait.cause] += 1
            print(_show(wait))
        (trace.parent / "waits.json").write_text(json.dumps(
            [{**dataclasses.asdict(w), "cause": w.cause, "length": w.length} for w in longest], indent=1) + "\n")
    for policy, found in causes.items():
        print(f"{policy}: " + ", ".join(f"{cause} {n}" for cause, n in found.most_common()))
    return 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python3 benchmarks/waits.py DIR [COUNT]")
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
