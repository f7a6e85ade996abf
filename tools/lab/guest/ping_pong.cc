// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// ping-pong COUNT [PRIORITY]: two processes pass a byte back and forth through pipes COUNT
// times. Each round trip causes two wake-ups and two context switches. With PRIORITY the
// second process is SCHED_FIFO. Prints the duration in seconds.

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool Pass(int from, int to) {
  char byte;
  return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

}  // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? atol(argv[1]) : 0;
  if (count < 1 || argc > 3) {
    fprintf(stderr, "usage: ping-pong COUNT [PRIORITY]\n");
    return 2;
  }
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) {
    perror("ping-pong: pipe");
    return 1;
  }
  const pid_t other = fork();
  if (other < 0) {
    perror("ping-pong: fork");
    return 1;
  }
  if (other == 0) {
    const sched_param param = {.sched_priority = argc == 3 ? atoi(argv[2]) : 0};
    if (argc == 3 && sched_setscheduler(0, SCHED_FIFO, &param) != 0) {
      perror("ping-pong: SCHED_FIFO");
      _exit(1);
    }
    for (long i = 0; i < count; ++i) {
      if (!Pass(there[0], back[1])) _exit(1);
    }
    _exit(0);
  }
  // The child must hold the only write end, or read() would not see its exit.
  close(back[1]);
  close(there[0]);
  const double start = Now();
  char byte = 0;
  if (write(there[1], &byte, 1) != 1) return 1;
  for (long i = 1; i < count; ++i) {
    if (!Pass(back[0], there[1])) return 1;
  }
  if (read(back[0], &byte, 1) != 1) return 1;
  printf("%.6f\n", Now() - start);
  int status = 0;
  return waitpid(other, &status, 0) == other && status == 0 ? 0 : 1;
}
