// SPDX-License-Identifier: Apache-2.0
// The least a guest's first program can be: tells of itself by a write to I/O port
// 0x80, for pvsched-boot, and powers off. In the kernel's command line, after --:
//   reboot  resets the machine instead
//   clock   first says what the guest's own clocks showed at the write

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
constexpr char kKfunc[] = "/boot_mark.ko";
constexpr char kModuleTsc[] = "/sys/module/boot_mark/parameters/tsc";

sigjmp_buf no_port;

void OnFault(int) { siglongjmp(no_port, 1); }

// What the module read as it wrote the mark: to load it takes long after that, too.
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

// Returns the TSC at the mark. Where the processor does not permit a program to write
// it, as one that QEMU emulates, a module does.
uint64_t Mark() {
  signal(SIGSEGV, OnFault);
  if (sigsetjmp(no_port, 1) == 0 && ioperm(kPort, 1, 1) == 0) {
    outb(kMark, kPort);
    return __rdtsc();
  }
  const int module = open(kKfunc, O_RDONLY | O_CLOEXEC);
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

// Both clocks at one moment: of several looks the one that nothing came between.
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

// Nothing tells a program the TSC's rate: measured, for a second.
double TscPerSecond() {
  const Sample start = SampleClocks();
  sleep(1);
  const Sample end = SampleClocks();
  return (end.tsc - start.tsc) / (end.seconds - start.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t tsc = Mark();
  const double boottime = Seconds(CLOCK_BOOTTIME);
  int how = RB_POWER_OFF;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "reboot") == 0) how = RB_AUTOBOOT;
    if (strcmp(argv[i], "clock") == 0) {
      printf("boot-init: TSC %.3f ms, CLOCK_BOOTTIME %.3f ms\n",
             static_cast<double>(tsc != 0 ? tsc : ModuleTsc()) / TscPerSecond() * 1e3,
             boottime * 1e3);
      fflush(stdout);
      sleep(1);  // a serial port is slow
    }
  }
  reboot(how);
  perror("boot-init: reboot");
  return 1;
}
