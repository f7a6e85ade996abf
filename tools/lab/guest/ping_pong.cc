// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// ping-pong COUNT [--fifo PRIORITY] [--waiting TASKS]: two processes pass a byte back and
// forth through pipes COUNT times. Each round trip causes two wake-ups and two context
// switches. With --fifo the second process is SCHED_FIFO. Prints the duration in seconds.
// With --waiting, that many tasks of nice 19 compute meanwhile and wait for the CPU. Then
// the CPU time of the two processes is printed instead.

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

double Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool Pass(int from, int to) {
  char byte;
  return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

// Computes until it is killed, or its parent ends. Writes a byte to `started` first.
[[noreturn]] void Compute(int started) {
  const char byte = 0;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setpriority(PRIO_PROCESS, 0, 19) != 0 ||
      write(started, &byte, 1) != 1) {
    _exit(1);
  }
  for (volatile bool forever = true; forever;) {
  }
  _exit(0);
}

// Starts tasks that compute. Returns after all of them have run.
bool StartWaiting(int count, std::vector<pid_t>& tasks) {
  int started[2];
  if (pipe(started) != 0) return false;
  for (int i = 0; i < count; ++i) {
    const pid_t task = fork();
    if (task < 0) return false;
    if (task == 0) Compute(started[1]);
    tasks.push_back(task);
  }
  char byte;
  for (int i = 0; i < count; ++i) {
    if (read(started[0], &byte, 1) != 1) return false;
  }
  return true;
}

struct Options {
  long count = 0;
  int fifo = 0;  // 0: SCHED_OTHER
  int waiting = 0;
};

bool Parse(int argc, char** argv, Options& options) {
  if (argc < 2 || argc % 2 != 0) return false;
  options.count = atol(argv[1]);
  for (int i = 2; i < argc; i += 2) {
    int* const option = strcmp(argv[i], "--fifo") == 0      ? &options.fifo
                        : strcmp(argv[i], "--waiting") == 0 ? &options.waiting
                                                            : nullptr;
    if (option == nullptr) return false;
    *option = atoi(argv[i + 1]);
    if (*option < 1) return false;
  }
  return options.count > 0;
}

// The second process: passes each byte back, and leaves its CPU time in `cpu_s`.
bool PassBack(const Options& options, int from, int to, double* cpu_s) {
  const sched_param param = {.sched_priority = options.fifo};
  if (options.fifo > 0 && sched_setscheduler(0, SCHED_FIFO, &param) != 0) {
    perror("ping-pong: SCHED_FIFO");
    return false;
  }
  const double start = Now(CLOCK_PROCESS_CPUTIME_ID);
  for (long i = 0; i < options.count; ++i) {
    if (i + 1 == options.count) *cpu_s = Now(CLOCK_PROCESS_CPUTIME_ID) - start;
    if (!Pass(from, to)) return false;
  }
  return true;
}

// The first process. Returns its time by `clock`, or a negative number.
double Measure(const Options& options, int from, int to, clockid_t clock) {
  const double start = Now(clock);
  char byte = 0;
  if (write(to, &byte, 1) != 1) return -1;
  for (long i = 1; i < options.count; ++i) {
    if (!Pass(from, to)) return -1;
  }
  if (read(from, &byte, 1) != 1) return -1;
  return Now(clock) - start;
}

int Run(const Options& options, std::vector<pid_t>& tasks) {
  int there[2], back[2];
  auto* const cpu_s = static_cast<double*>(
      mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (cpu_s == MAP_FAILED || pipe(there) != 0 || pipe(back) != 0) {
    perror("ping-pong: pipe");
    return 1;
  }
  const pid_t other = fork();
  if (other < 0) {
    perror("ping-pong: fork");
    return 1;
  }
  // The child must hold the only write end, or read() would not see its exit.
  if (other == 0) _exit(PassBack(options, there[0], back[1], cpu_s) ? 0 : 1);
  close(back[1]);
  close(there[0]);
  if (options.waiting > 0 && !StartWaiting(options.waiting, tasks)) {
    perror("ping-pong: the waiting tasks");
    return 1;
  }
  const double time = Measure(options, back[0], there[1],
                              options.waiting > 0 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC);
  int status = 0;
  if (time < 0 || waitpid(other, &status, 0) != other || status != 0) return 1;
  printf("%.9f\n", options.waiting > 0 ? time + *cpu_s : time);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, options)) {
    fprintf(stderr, "usage: ping-pong COUNT [--fifo PRIORITY] [--waiting TASKS]\n");
    return 2;
  }
  std::vector<pid_t> tasks;
  const int status = Run(options, tasks);
  for (const pid_t task : tasks) kill(task, SIGKILL);
  for (const pid_t task : tasks) waitpid(task, nullptr, 0);
  return status;
}
