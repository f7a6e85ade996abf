// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// boot-init: the first program of a guest that pvsched-boot measures. It writes the mark,
// 0x5a, to I/O port 0x80 and powers off. Arguments, after -- on the kernel's command line:
//   reboot  reset the machine instead
//   clock   first print the guest's clocks at the mark

#include <fcntl.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
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
constexpr char kMarkModule[] = "/boot_mark.ko";
constexpr char kModuleTsc[] = "/sys/module/boot_mark/parameters/tsc";

sigjmp_buf no_port;

void OnFault(int) { siglongjmp(no_port, 1); }

// The TSC that the module read at the mark. The module's load ends much later.
uint64_t ModuleTsc() {
  mkdir("/sys", 0755);
  mount("sysfs", "/sys", "sysfs", 0, nullptr);
  unsigned long long tsc = 0;
  FILE* file = fopen(kModuleTsc, "re");
  if (file == nullptr || fscanf(file, "%llu", &tsc) != 1)
    perror("boot-init: cannot read the mark's TSC");
  if (file != nullptr) fclose(file);
  return tsc;
}

// Writes the mark and returns the TSC at that moment. If a program may not write to the
// port, as under QEMU's emulation, a module writes the mark and the result is 0.
uint64_t WriteMark() {
  signal(SIGSEGV, OnFault);
  if (sigsetjmp(no_port, 1) == 0 && ioperm(kPort, 1, 1) == 0) {
    outb(kMark, kPort);
    return __rdtsc();
  }
  const int module = open(kMarkModule, O_RDONLY | O_CLOEXEC);
  if (syscall(SYS_finit_module, module, "", 0) != 0) perror("boot-init: cannot write to port 0x80");
  return 0;
}

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Sample {
  double seconds;
  double tsc;
};

// Both clocks at one moment: the narrowest of several samples.
Sample SampleClocks() {
  Sample best = {};
  double narrowest = 0;
  for (int i = 0; i < 100; ++i) {
    const double before = Seconds(CLOCK_MONOTONIC_RAW);
    const uint64_t tsc = __rdtsc();
    const double width = Seconds(CLOCK_MONOTONIC_RAW) - before;
    if (i > 0 && width >= narrowest) continue;
    narrowest = width;
    best = {.seconds = before + width / 2, .tsc = static_cast<double>(tsc)};
  }
  return best;
}

// Measures the TSC's rate for a second, because user space cannot query it.
double TscPerSecond() {
  const Sample start = SampleClocks();
  sleep(1);
  const Sample end = SampleClocks();
  return (end.tsc - start.tsc) / (end.seconds - start.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t tsc = WriteMark();
  const double boottime = Seconds(CLOCK_BOOTTIME);
  int how = RB_POWER_OFF;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "reboot") == 0) how = RB_AUTOBOOT;
    if (strcmp(argv[i], "clock") == 0) {
      printf("boot-init: TSC %.3f ms, CLOCK_BOOTTIME %.3f ms\n",
             static_cast<double>(tsc != 0 ? tsc : ModuleTsc()) / TscPerSecond() * 1e3,
             boottime * 1e3);
      fflush(stdout);
      sleep(1);  // until the serial port has sent the line
    }
  }
  reboot(how);
  perror("boot-init: reboot");
  return 1;
}
