// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_INTERRUPT_H_
#define PVSCHED_HOST_POLICY_CTL_INTERRUPT_H_

#include <chrono>

namespace pvsched {

// From now on SIGINT, SIGTERM and SIGALRM end a blocking read, not the process.
void CatchInterrupts();
// Whether one has arrived.
bool WasInterrupted();

enum class WaitEnd {
  kTime,
  kReadable,
  kSignal,  // an interrupt, or a terminal that has another size
};

// Waits until `end`, for a signal, and for input on `fd` if it is not -1.
WaitEnd WaitForInput(int fd, std::chrono::steady_clock::time_point end);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_INTERRUPT_H_
