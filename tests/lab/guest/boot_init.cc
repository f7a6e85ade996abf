// SPDX-License-Identifier: Apache-2.0
// The least a guest's first program can be: tells of itself by a write to I/O port
// 0x80, for pvsched-boot, and powers off. In the kernel's command line, after --:
//   reboot  resets the machine instead
//   clock   first says what the guest's own clocks showed at the write

#include <fcntl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

constexpr off_t kPort = 0x80;
constexpr unsigned char kMark = 0x5a;

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
  // Not by ioperm() and outb(): QEMU's emulated SVM forgets the permission at a VM exit.
  mknod("/dev/port", S_IFCHR | 0600, makedev(1, 4));
  const int ports = open("/dev/port", O_WRONLY | O_CLOEXEC);
  const uint64_t tsc = __rdtsc();
  if (pwrite(ports, &kMark, 1, kPort) != 1) perror("boot-init: /dev/port");
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
