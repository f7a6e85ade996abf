// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// lock-inversion: an ordinary task on CPU 1 holds a lock with priority inheritance and
// computes. When the host has preempted vCPU 1 for a while, a SCHED_FIFO 10 task on CPU 0
// waits for the lock. The holder releases the lock as soon as a task waits, and computes
// until it is killed. Prints a line when the other task has the lock.

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr char kStateOfCpu1[] = "/sys/devices/system/cpu/cpu1/pvsched/state";

// The driver shows the host's state of vCPU 1, which is "preempted" for a moment now and then.
constexpr int kPollsPreempted = 25;
constexpr int kPollUs = 20'000;

pthread_mutex_t lock;
std::atomic<bool> is_held = false;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

void MoveToCpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Fail("lock-inversion: sched_setaffinity");
}

bool IsCpu1Preempted() {
  char state[64] = "";
  FILE* const file = fopen(kStateOfCpu1, "r");
  if (file == nullptr || fgets(state, sizeof(state), file) == nullptr) Fail(kStateOfCpu1);
  fclose(file);
  return strstr(state, "preempted") != nullptr;
}

void* Wait(void*) {
  const sched_param param = {.sched_priority = 10};
  if (sched_setscheduler(0, SCHED_FIFO, &param) != 0) Fail("lock-inversion: SCHED_FIFO");
  for (int polls = 0; polls < kPollsPreempted; usleep(kPollUs)) {
    polls = is_held && IsCpu1Preempted() ? polls + 1 : 0;
  }
  pthread_mutex_lock(&lock);
  puts("the urgent task has the lock");
  fflush(stdout);
  pthread_mutex_unlock(&lock);
  return nullptr;
}

// The kernel sets the bit in the lock's first word.
bool HasWaiter() {
  return (__atomic_load_n(&lock.__data.__lock, __ATOMIC_RELAXED) & FUTEX_WAITERS) != 0;
}

}  // namespace

int main() {
  pthread_mutexattr_t attributes;
  pthread_t waiter;
  if (pthread_mutexattr_init(&attributes) != 0 ||
      pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) != 0 ||
      pthread_mutex_init(&lock, &attributes) != 0) {
    Fail("lock-inversion: no lock with priority inheritance");
  }
  MoveToCpu(0);  // the other thread inherits it
  if (pthread_create(&waiter, nullptr, Wait, nullptr) != 0) Fail("lock-inversion: pthread_create");
  MoveToCpu(1);
  pthread_mutex_lock(&lock);
  is_held = true;
  while (!HasWaiter()) {
  }
  pthread_mutex_unlock(&lock);
  for (volatile bool forever = true; forever;) {
  }
}
