#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Converts a scheduling trace of the kernel's tracefs into a file for Perfetto's viewer.

    benchmarks/sched_trace.py eevdf.trace.gz >eevdf.json      # then open it in Perfetto

The input is tracefs' text, compressed by gzip or not, with the events sched_switch,
sched_wakeup and sched_wakeup_new; cases/boot-sched.sh records it.
The output is JSON in Chrome's trace format. It has one track for each CPU, which shows what
runs there, and one for each thread that the pattern --threads matches, which shows when the
thread runs and when it waits for a CPU.
"""

import argparse
import gzip
import json
import re
import sys

_EVENT = re.compile(r"\[(?P<cpu>\d+)\]\s+\S+\s+(?P<s>\d+)\.(?P<us>\d{6}): (?P<event>sched_\w+): (?P<rest>.*)")
_SWITCH = re.compile(r"prev_comm=(?P<prev>.*) prev_pid=(?P<prev_tid>\d+) prev_prio=\d+ prev_state=(?P<state>\S+) ==> "
                     r"next_comm=(?P<next>.*) next_pid=(?P<next_tid>\d+) next_prio=(?P<prio>\d+)")
_WAKEUP = re.compile(r"comm=(?P<comm>.*) pid=(?P<tid>\d+) prio=\d+")
_CPUS, _THREADS = 1, 2  # the groups of tracks
VM_THREADS = r"CPU \d+/KVM|qemu-.*|virtiofsd.*|vhost-.*"


def _slice(group, track, name, start, end, **details):
    return {"ph": "X", "pid": group, "tid": track, "name": name, "ts": start, "dur": end - start, "args": details}


class Converter:
    """Collects the events of one trace, line by line."""

    def __init__(self, threads=VM_THREADS):
        self._is_shown = re.compile(threads).fullmatch
        self.events = []
        self._running = {}  # CPU -> (comm, tid, priority, start)
        self._waiting = {}  # tid -> (comm, start)
        self._names = {}  # tid -> comm, of the threads shown
        self._last_us = 0

    def line(self, text):
        found = _EVENT.search(text)
        if not found:
            return
        now = self._last_us = int(found["s"]) * 10**6 + int(found["us"])
        if found["event"] == "sched_switch":
            if switch := _SWITCH.match(found["rest"]):
                self._switch(int(found["cpu"]), now, switch)
        elif found["event"] in ("sched_wakeup", "sched_wakeup_new"):
            if wakeup := _WAKEUP.match(found["rest"]):
                self._waiting.setdefault(int(wakeup["tid"]), (wakeup["comm"], now))

    def _switch(self, cpu, now, switch):
        self._end(cpu, now)
        if switch["state"].startswith("R") and switch["prev_tid"] != "0":  # preempted
            self._waiting[int(switch["prev_tid"])] = (switch["prev"], now)
        tid, comm = int(switch["next_tid"]), switch["next"]
        waited = self._waiting.pop(tid, None)
        if waited and self._is_shown(comm) and now > waited[1]:
            self._names[tid] = comm
            self.events.append(_slice(_THREADS, tid, "waits for a CPU", waited[1], now))
        if tid:  # 0: idle
            self._running[cpu] = (comm, tid, int(switch["prio"]), now)

    def _end(self, cpu, now):
        comm, tid, priority, start = self._running.pop(cpu, (None, 0, 0, 0))
        if comm is None:
            return
        self.events.append(_slice(_CPUS, cpu, comm, start, now, tid=tid, prio=priority))
        if self._is_shown(comm):
            self._names[tid] = comm
            self.events.append(_slice(_THREADS, tid, "runs", start, now, cpu=cpu))

    def trace(self):
        """The whole trace as an object for JSON."""
        for cpu in list(self._running):
            self._end(cpu, self._last_us)
        cpus = sorted({e["tid"] for e in self.events if e["pid"] == _CPUS})
        names = [{"ph": "M", "name": "process_name", "pid": _CPUS, "args": {"name": "CPUs"}},
                 {"ph": "M", "name": "process_name", "pid": _THREADS, "args": {"name": "VM's threads"}}]
        names += [_track(_CPUS, cpu, f"CPU {cpu}") for cpu in cpus]
        names += [_track(_THREADS, tid, f"{comm} ({tid})") for tid, comm in sorted(self._names.items())]
        return {"displayTimeUnit": "ms", "traceEvents": names + self.events}


def _track(group, track, name):
    return {"ph": "M", "name": "thread_name", "pid": group, "tid": track, "args": {"name": name}}


def convert(lines, threads=VM_THREADS):
    converter = Converter(threads)
    for text in lines:
        converter.line(text)
    return converter.trace()


def _opened(name):
    if name == "-":
        return sys.stdin
    return (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8", errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", metavar="TRACE", help="the input; - for stdin")
    parser.add_argument("--threads", default=VM_THREADS, metavar="REGEX",
                        help="names of threads that have a track (default: those of QEMU)")
    args = parser.parse_args()
    with _opened(args.trace) as lines:
        found = convert(lines, args.threads)
    if len(found["traceEvents"]) <= 2:
        print(f"sched_trace: {args.trace} has no sched_switch events", file=sys.stderr)
        return 1
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
