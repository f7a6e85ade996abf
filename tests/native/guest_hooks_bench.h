// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_
#define PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_

namespace pvsched {

// Cost of the driver's code at a wake-up and the following switch, in ns: computing
// and publishing both priority words. Excludes the kernel's tracepoint dispatch.
double GuestHookNs();

// Cost of a wake-up and a switch in this machine's kernel, in ns. Two threads on
// CPU `cpu` exchange messages through pipes.
double WakeAndSwitchNs(int cpu);

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_GUEST_HOOKS_BENCH_H_
