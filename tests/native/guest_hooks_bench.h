// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_
#define PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_

namespace pvsched {

// What the driver's own code costs at a wake-up and at the switch that follows,
// in ns: computing both words and publishing them. Without the kernel's dispatch
// of a tracepoint.
double GuestHookNs();

// A wake-up and a switch between two threads of this machine's kernel, in ns:
// messages through pipes, on CPU `cpu`.
double WakeAndSwitchNs(int cpu);

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_
