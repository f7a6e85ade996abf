# SPDX-License-Identifier: Apache-2.0

import os
import struct
import subprocess
import sys
import unittest

import machine

# A thread of its own, as an emulator has one for each emulated CPU.
_POLICIES = """
import os, threading
show = lambda: print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
show()
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""


class PunctualTest(unittest.TestCase):
    def test_only_the_first_thread_is_real_time(self):
        command = machine.punctual()
        if not command:
            self.skipTest("this machine gives nobody a real-time priority")
        done = subprocess.run([*command, sys.executable, "-c", _POLICIES], capture_output=True, check=True, text=True)
        self.assertEqual(done.stdout.split(), ["1", "0"])  # SCHED_FIFO, SCHED_OTHER


class AwakeTest(unittest.TestCase):
    def test_cpus_may_not_halt_meanwhile(self):
        def allowed():  # the latency that all together allow, in us
            with open("/dev/cpu_dma_latency", "rb", buffering=0) as latency:
                return struct.unpack("=i", latency.read(4))[0]

        before = allowed() if os.path.exists("/dev/cpu_dma_latency") else None
        with machine.awake() as is_awake:
            if not is_awake:
                self.skipTest("this machine lets nobody keep its CPUs awake")
            meanwhile = allowed()
        self.assertEqual(meanwhile, 0)
        self.assertEqual(allowed(), before)  # 0 if another lab runs


if __name__ == "__main__":
    unittest.main()
