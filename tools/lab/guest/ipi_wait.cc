// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// ipi-wait SECONDS CALLS: an ordinary task computes on CPU 1. After SECONDS a SCHED_FIFO 10 task
// on CPU 0 sends CALLS IPIs to CPU 1, and waits for each answer without sleeping. Prints a line
// at the end.

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kPauseUs = 20'000;  // between two calls

std::atomic<bool> is_computing = false;
std::atomic<bool> is_over = false;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

void MoveToCpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Fail("ipi-wait: sched_setaffinity");
}

void Membarrier(int command) {
  if (syscall(SYS_membarrier, command, 0, 0) != 0) Fail("ipi-wait: membarrier");
}

void* Compute(void*) {
  MoveToCpu(1);
  is_computing = true;
  while (!is_over) {
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: ipi-wait SECONDS CALLS\n", stderr);
    return 2;
  }
  const int calls = atoi(argv[2]);
  pthread_t busy;
  if (pthread_create(&busy, nullptr, Compute, nullptr) != 0) Fail("ipi-wait: pthread_create");
  MoveToCpu(0);
  // This waits for CPU 1, as the calls do, but asleep.
  Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  while (!is_computing) usleep(kPauseUs);
  sleep(static_cast<unsigned>(atoi(argv[1])));
  const sched_param param = {.sched_priority = 10};
  if (sched_setscheduler(0, SCHED_FIFO, &param) != 0) Fail("ipi-wait: SCHED_FIFO");
  for (int i = 0; i < calls; ++i) {
    usleep(kPauseUs);
    // The kernel sends an IPI to each CPU that runs a thread of this process.
    Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
  printf("%d IPIs are answered\n", calls);
  is_over = true;
  pthread_join(busy, nullptr);
}
