// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/guest_hooks_bench.h"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "pvsched_abi.h"
#include "tests/kernel_memory.h"
// Need the macros above.
#include "guest-driver/pvsched_publish.h"
#include "guest-driver/pvsched_task_word.h"

namespace pvsched {
namespace {

using Clock = std::chrono::steady_clock;

// The fields of task_struct that the hooks read.
struct Task {
  volatile __u32 policy;
  volatile __s32 prio;
  volatile __s32 static_prio;
  __u64 Word(__u32 flags) const { return pvsched_task_word(policy, prio, static_prio, flags); }
};

void PinTo(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(0, sizeof(cpus), &cpus);
}

}  // namespace

double GuestHookNs() {
  constexpr int kLoops = 5'000'000;
  static pvsched_record record;
  const Task tasks[] = {{PVSCHED_POLICY_NORMAL, 120, 120}, {PVSCHED_POLICY_RR, 91, 120}};
  const auto start = Clock::now();
  for (int i = 0; i < kLoops; ++i) {
    const Task& next = tasks[i & 1];
    pvsched_publish(&record.waiting, pvsched_raise_waiting(READ_ONCE(record.waiting),
                                                           next.Word(PVSCHED_WAITING_VALID)));
    pvsched_publish_switch(&record, record.intent, next.Word(0), 0);
  }
  const std::chrono::duration<double, std::nano> took = Clock::now() - start;
  return took.count() / kLoops;
}

double WakeAndSwitchNs(int cpu) {
  constexpr int kLoops = 50'000;
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) return 0;
  std::thread other([&] {
    PinTo(cpu);
    char byte;
    while (read(there[0], &byte, 1) == 1) {
      if (write(back[1], &byte, 1) != 1) return;
    }
  });
  std::chrono::duration<double, std::nano> took{};
  std::thread self([&] {
    PinTo(cpu);
    char byte = 0;
    const auto start = Clock::now();
    for (int i = 0; i < kLoops; ++i) {
      if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) return;
    }
    took = Clock::now() - start;
  });
  self.join();
  close(there[1]);
  other.join();
  for (int fd : {there[0], back[0], back[1]}) close(fd);
  return took.count() / (2 * kLoops);  // a loop has two switches
}

}  // namespace pvsched
