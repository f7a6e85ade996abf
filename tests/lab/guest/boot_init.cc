// SPDX-License-Identifier: Apache-2.0
// The least a guest's first program can be: tells of itself by a write to I/O port
// 0x80, for pvsched-boot, and powers off. In the kernel's command line, after --:
//   reboot  resets the machine instead
//   clock   first says what the guest's own clocks showed at the write

#include <fcntl.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

constexpr uint16_t kPort = 0x80;
constexpr uint8_t kMark = 0x5a;
constexpr char kModule[] = "/boot_mark.ko";

sigjmp_buf no_port;

void OnFault(int) { siglongjmp(no_port, 1); }

// Where the processor does not permit it, as one that QEMU emulates, a module does it.
void Mark() {
  signal(SIGSEGV, OnFault);
  if (sigsetjmp(no_port, 1) == 0 && ioperm(kPort, 1, 1) == 0) {
    outb(kMark, kPort);
    return;
  }
  const int module = open(kModule, O_RDONLY | O_CLOEXEC);
  if (syscall(SYS_finit_module, module, "", 0) != 0) perror("boot-init: cannot write to port 0x80");
}

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Nothing tells a program the TSC's rate: measured, for half a second.
double TscPerSecond() {
  const double start = Seconds(CLOCK_MONOTONIC_RAW);
  const uint64_t start_tsc = __rdtsc();
  usleep(500000);
  const uint64_t end_tsc = __rdtsc();
  return static_cast<double>(end_tsc - start_tsc) / (Seconds(CLOCK_MONOTONIC_RAW) - start);
}

}  // namespace

int main(int argc, char** argv) {
  Mark();
  const uint64_t tsc = __rdtsc();
  const double boottime = Seconds(CLOCK_BOOTTIME);
  int how = RB_POWER_OFF;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "reboot") == 0) how = RB_AUTOBOOT;
    if (strcmp(argv[i], "clock") == 0) {
      // The TSC counts from when the host made the first vCPU.
      printf("boot-init: TSC %.3f ms, CLOCK_BOOTTIME %.3f ms\n",
             static_cast<double>(tsc) / TscPerSecond() * 1e3, boottime * 1e3);
      fflush(stdout);
      sleep(1);  // a serial port is slow
    }
  }
  reboot(how);
  perror("boot-init: reboot");
  return 1;
}
