# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import sched_trace

_TRACE = """\
# tracer: nop
          <idle>-0       [000] d.h1.    10.000100: sched_wakeup: comm=CPU 0/KVM pid=77 prio=120 target_cpu=000
       stress-ng-50      [000] d..2.    10.000400: sched_switch: prev_comm=stress-ng prev_pid=50 prev_prio=120 \
prev_state=R ==> next_comm=CPU 0/KVM next_pid=77 next_prio=120
       CPU 0/KVM-77      [000] d..2.    10.000900: sched_switch: prev_comm=CPU 0/KVM prev_pid=77 prev_prio=120 \
prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
          <idle>-0       [001] d..2.    10.001000: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 \
prev_state=R ==> next_comm=a b=c next_pid=60 next_prio=98
"""


class SchedTraceTest(unittest.TestCase):
    def slices(self, text=_TRACE, **options):
        events = sched_trace.convert(text.splitlines(), **options)["traceEvents"]
        return [(e["pid"], e["tid"], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]

    def test_a_thread_of_the_vm_waits_and_then_runs(self):
        self.assertEqual(self.slices()[:3], [(2, 77, "waits for a CPU", 10000100, 300), (1, 0, "CPU 0/KVM", 10000400, 500),
                                             (2, 77, "runs", 10000400, 500)])

    def test_what_runs_at_the_end_ends_there_and_idle_is_no_slice(self):
        self.assertEqual(self.slices()[3:], [(1, 1, "a b=c", 10001000, 0)])

    def test_other_threads_have_no_track_unless_they_are_asked_for(self):
        preempted = _TRACE + ("   x-1  [000] d..2.    10.002000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 "
                              "prev_state=R ==> next_comm=stress-ng next_pid=50 next_prio=120\n")
        self.assertFalse([s for s in self.slices(preempted) if s[:2] == (2, 50)])
        self.assertIn((2, 50, "waits for a CPU", 10000400, 1600), self.slices(preempted, threads="stress-ng"))

    def test_tracks_have_names(self):
        events = sched_trace.convert(_TRACE.splitlines())["traceEvents"]
        names = {e["args"]["name"] for e in events if e["ph"] == "M"}
        self.assertEqual(names, {"CPUs", "VM's threads", "CPU 0", "CPU 1", "CPU 0/KVM (77)"})

    def test_text_without_events_makes_no_slice(self):
        self.assertEqual(self.slices("# tracer: nop\n"), [])


if __name__ == "__main__":
    unittest.main()
