// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// counted-vm MODE [--served] [--rr PRIORITY]: a VM of one vCPU whose guest is urgent, for the
// measurements of benchmarks/switch_cost.py.
//   idle        the vCPU never runs; ends by a signal
//   wake COUNT  wakes the vCPU's thread COUNT times, and prints the median time from the
//               wake-up to the thread's run, in seconds
// --served registers the vCPU with pvschedd; --rr makes its thread SCHED_RR.

#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/paths.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"

namespace pvsched {
namespace {

constexpr uint64_t kUrgent = static_cast<uint64_t>(PVSCHED_POLICY_RR) | (8u << 16);
constexpr useconds_t kIdleUs = 1000;  // before each wake-up: the thread must sleep by then
constexpr int kWarmUps = 20;

struct Options {
  bool is_idle = false;
  int wakes = 0;
  bool is_served = false;
  int rr = 0;  // 0: SCHED_OTHER
};

int64_t Nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "counted-vm: %s\n", what.c_str());
  exit(1);
}

// The vCPU's thread sleeps in `wake` after each exit.
class CountedVm {
 public:
  explicit CountedVm(const Options& options) {
    auto vm = MiniVm::Create(1);
    if (!vm.ok()) Die(std::string(vm.status().message()));
    vm_ = *std::move(vm);
    vm_->SetPause(std::chrono::microseconds(0));
    vm_->SetIntent(0, kUrgent);
    vm_->SetOnExit([this](int) {
      Wait(wake_);
      ran_at_ = Nanoseconds();
      Signal(ran_);
    });
    vm_->Run();
    if (options.is_served) Register();
    const sched_param param = {.sched_priority = options.rr};
    if (options.rr > 0 && sched_setscheduler(vm_->tid(0), SCHED_RR, &param) != 0) Die("SCHED_RR");
  }

  // Returns the time from the wake-up to the thread's run.
  int64_t WakeNs() {
    usleep(kIdleUs);
    const int64_t woken_at = Nanoseconds();
    Signal(wake_);
    Wait(ran_);
    return ran_at_ - woken_at;
  }

 private:
  void Register() {
    device_ = std::make_unique<ControlConnection>(std::string(kDefaultDeviceSocket));
    if (!device_->connected() || device_->Hello(getpid(), "counted") != 0 ||
        device_->Register(0, vm_->memory(), MiniVm::record_offset(0)) != 0 ||
        device_->Thread(0, vm_->tid(0)) != 0) {
      Die("pvschedd refuses the vCPU: " + device_->reason());
    }
  }

  static void Wait(int event) {
    uint64_t count;
    if (read(event, &count, sizeof(count)) != sizeof(count)) Die("eventfd");
  }
  static void Signal(int event) {
    const uint64_t one = 1;
    if (write(event, &one, sizeof(one)) != sizeof(one)) Die("eventfd");
  }

  const int wake_ = eventfd(0, EFD_CLOEXEC);
  const int ran_ = eventfd(0, EFD_CLOEXEC);
  std::atomic<int64_t> ran_at_ = 0;
  std::unique_ptr<ControlConnection> device_;
  std::unique_ptr<MiniVm> vm_;
};

bool Parse(int argc, char** argv, Options& options) {
  if (argc < 2) return false;
  int i = 2;
  if (strcmp(argv[1], "idle") == 0) {
    options.is_idle = true;
  } else if (strcmp(argv[1], "wake") == 0 && argc > 2) {
    options.wakes = atoi(argv[i++]);
  }
  for (; i < argc; ++i) {
    if (strcmp(argv[i], "--served") == 0) {
      options.is_served = true;
    } else if (strcmp(argv[i], "--rr") == 0 && i + 1 < argc) {
      options.rr = atoi(argv[++i]);
    } else {
      return false;
    }
  }
  return options.is_idle || options.wakes > 0;
}

// The threads of the VM end with the process: they may sleep forever.
[[noreturn]] void Run(const Options& options) {
  CountedVm vm(options);
  for (int i = 0; i < kWarmUps; ++i) vm.WakeNs();
  if (options.is_idle) {
    printf("ready\n");
    fflush(stdout);
    while (true) pause();
  }
  std::vector<int64_t> times;
  for (int i = 0; i < options.wakes; ++i) times.push_back(vm.WakeNs());
  std::sort(times.begin(), times.end());
  printf("%.9f\n", static_cast<double>(times[times.size() / 2]) * 1e-9);
  fflush(stdout);
  _exit(0);
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) {
  pvsched::Options options;
  if (!pvsched::Parse(argc, argv, options)) {
    fprintf(stderr, "usage: counted-vm idle|wake COUNT [--served] [--rr PRIORITY]\n");
    return 2;
  }
  pvsched::Run(options);
}
