# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import waits

_START = "       CPU 0/KVM-77      [000] d..2.     {0}: hrtimer_start: hrtimer=00000000aa function=apic_timer_fn expires={1} " \
         "softexpires={1} mode=ABS"
_EXPIRE = "          <idle>-0       [001] d.h2.     {0}: hrtimer_expire_entry: hrtimer=00000000aa function=apic_timer_fn now=1"
_WAKEUP = "          <idle>-0       [001] dNh4.     {0}: sched_wakeup: comm=CPU 0/KVM pid=77 prio=120 target_cpu=001"
_TICK = "       stress-ng-50      [001] d.h2.     {0}: hrtimer_expire_entry: hrtimer=00000000bb function=tick_nohz_handler now=1"
_LEAVE = "       CPU 0/KVM-77      [001] d..2.     {0}: sched_switch: prev_comm=CPU 0/KVM prev_pid=77 prev_prio=120 " \
         "prev_state={1} ==> next_comm=stress-ng next_pid=50 next_prio=120"
_ENTER = "       stress-ng-50      [001] d..2.     {0}: sched_switch: prev_comm=stress-ng prev_pid=50 prev_prio=120 " \
         "prev_state=R+ ==> next_comm=CPU 0/KVM next_pid=77 next_prio=120"


def _line(pattern, at, *more):
    return pattern.format(f"{at:.6f}", *more)


def _ticks(*times):
    return [_line(_TICK, at) for at in times]


def _one(*lines):
    found, number = waits.read(lines, [77])
    assert (len(found), number) == (1, 1)
    return found[0]


class WaitsTest(unittest.TestCase):
    def test_late_timer(self):
        wait = _one(_line(_START, 1.0, 1010000000), _line(_LEAVE, 1.001, "S"), *_ticks(1.014, 1.018, 1.022),
                    _line(_EXPIRE, 1.025), _line(_WAKEUP, 1.0251), _line(_ENTER, 1.026))
        self.assertEqual(wait.cause, "timer")
        self.assertAlmostEqual(wait.parts["timer"], 0.015)
        self.assertAlmostEqual(wait.length, 0.016)
        self.assertEqual(wait.before, "stress-ng (prio 120)")

    def test_queued_after_the_wakeup(self):
        wait = _one(_line(_START, 1.0, 1010000000), _line(_LEAVE, 1.001, "S"), _line(_EXPIRE, 1.01), _line(_WAKEUP, 1.011),
                    *_ticks(1.014, 1.018, 1.022, 1.026), _line(_ENTER, 1.03))
        self.assertEqual(wait.cause, "queue")
        self.assertAlmostEqual(wait.parts["wake"], 0.001)
        self.assertAlmostEqual(wait.parts["queue"], 0.019)

    def test_preempted_when_the_timer_expired(self):
        wait = _one(_line(_START, 1.0, 1010000000), _line(_LEAVE, 1.001, "R+"), _line(_EXPIRE, 1.01), *_ticks(1.014, 1.018),
                    _line(_ENTER, 1.02))
        self.assertEqual(wait.cause, "preempted")
        self.assertAlmostEqual(wait.parts["preempted"], 0.01)

    def test_cpu_without_an_event_stalls(self):
        wait = _one(_line(_START, 1.0, 1010000000), _line(_LEAVE, 1.001, "S"), _line(_EXPIRE, 1.01), _line(_WAKEUP, 1.011),
                    _line(_ENTER, 1.06))
        self.assertEqual(wait.cause, "stall")
        self.assertAlmostEqual(wait.parts["stall"], 0.049)

    def test_timer_of_a_running_vcpu_is_no_wait(self):
        found, number = waits.read([_line(_ENTER, 0.9), _line(_START, 1.0, 1010000000), _line(_EXPIRE, 1.01),
                                    _line(_LEAVE, 1.02, "S")], [77])
        self.assertEqual((found, number), ([], 0))

    def test_longest_come_first(self):
        lines = []
        for n, length in enumerate((0.002, 0.006, 0.004)):
            due = 1 + n
            lines += [_line(_START, due - 0.5, due * 10**9), _line(_LEAVE, due - 0.4, "S"), _line(_EXPIRE, due),
                      _line(_WAKEUP, due), _line(_ENTER, due + length)]
        found, number = waits.read(lines, [77], count=2)
        self.assertEqual([round(1000 * wait.length) for wait in found], [6, 4])
        self.assertEqual(number, 3)


if __name__ == "__main__":
    unittest.main()
