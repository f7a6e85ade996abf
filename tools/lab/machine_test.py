# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import os
import struct
import subprocess
import sys
import unittest

import machine

# A second thread, like the vCPU threads of an emulator.
_POLICIES = """
import os, threading
show = lambda: print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
show()
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""


class RealTimePrefixTest(unittest.TestCase):
    def test_only_the_first_thread_is_real_time(self):
        command = machine.real_time_prefix()
        if not command:
            self.skipTest("this machine allows no real-time priority")
        done = subprocess.run([*command, sys.executable, "-c", _POLICIES], capture_output=True, check=True, text=True)
        self.assertEqual(done.stdout.split(), ["1", "0"])  # SCHED_FIFO, SCHED_OTHER


class NoIdleStatesTest(unittest.TestCase):
    def test_the_latency_limit_is_zero_inside_the_block(self):
        def limit_us():  # the minimum of all open files
            with open("/dev/cpu_dma_latency", "rb", buffering=0) as latency:
                return struct.unpack("=i", latency.read(4))[0]

        before = limit_us() if os.path.exists("/dev/cpu_dma_latency") else None
        with machine.no_idle_states() as is_held:
            if not is_held:
                self.skipTest("/dev/cpu_dma_latency does not open on this machine")
            inside = limit_us()
        self.assertEqual(inside, 0)
        self.assertEqual(limit_us(), before)  # 0 if another lab runs


if __name__ == "__main__":
    unittest.main()
