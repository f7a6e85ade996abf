// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/interrupt.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <ctime>

namespace pvsched {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGALRM};

volatile sig_atomic_t g_interrupted = 0;

}  // namespace

void CatchInterrupts() {
  // Without SA_RESTART, so that a signal ends a blocking read.
  struct sigaction action = {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
  // Has a handler only to end ppoll().
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(SIGWINCH, &action, nullptr);
}

bool WasInterrupted() { return g_interrupted != 0; }

WaitEnd WaitForInput(int fd, std::chrono::steady_clock::time_point end) {
  using std::chrono::nanoseconds;
  // Blocked but in ppoll(), so that none arrives between the check and the wait.
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  for (const int signal : kSignals) sigaddset(&blocked, signal);
  sigaddset(&blocked, SIGWINCH);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  WaitEnd result = WaitEnd::kSignal;
  if (!WasInterrupted()) {
    const auto left = std::max(nanoseconds(0), nanoseconds(end - std::chrono::steady_clock::now()));
    const timespec timeout = {.tv_sec = left.count() / 1'000'000'000,
                              .tv_nsec = left.count() % 1'000'000'000};
    pollfd input = {.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ppoll(&input, 1, &timeout, &before);
    if (ready >= 0) result = ready == 0 ? WaitEnd::kTime : WaitEnd::kReadable;
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return result;
}

}  // namespace pvsched
