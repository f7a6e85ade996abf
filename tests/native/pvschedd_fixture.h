// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_PVSCHEDD_FIXTURE_H_
#define PVSCHED_TESTS_NATIVE_PVSCHEDD_FIXTURE_H_

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"

namespace pvsched {

inline constexpr uint64_t kUrgent = static_cast<uint64_t>(PVSCHED_POLICY_RR) | (80u << 16);
inline constexpr uint64_t kOrdinary = 0;

inline constexpr uint32_t kOffCpu = PVSCHED_GRANT_HALTED | PVSCHED_GRANT_PREEMPTED;

inline uint32_t AllGrantFlags(MiniVm& vm, int vcpu) {
  return pvsched_word_flags(__atomic_load_n(&vm.record(vcpu).grant, __ATOMIC_RELAXED));
}

// Without the flags for a vCPU that is off CPU.
inline uint32_t GrantFlags(MiniVm& vm, int vcpu) { return AllGrantFlags(vm, vcpu) & ~kOffCpu; }

// Whether the daemon's loop waits for its next event. The first field of the file is the number
// of the system call in which the thread sleeps.
inline bool WaitsForAnEvent(pid_t pid) {
  int call = -1;
  std::ifstream("/proc/" + std::to_string(pid) + "/syscall") >> call;
  return call == SYS_epoll_wait || call == SYS_epoll_pwait || call == SYS_epoll_pwait2;
}

// The daemon's open descriptors after the last request. The daemon closes the descriptors of a
// request after it has replied.
inline size_t OpenDescriptors(pid_t pid) {
  EXPECT_TRUE(Eventually([pid] { return WaitsForAnEvent(pid); }));
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

// A running guest. The error says why this machine can run no guest or no pvschedd.
inline absl::StatusOr<std::unique_ptr<MiniVm>> RunningVm(int vcpus) {
  if (std::string why = WhyNoHost(); !why.empty()) return absl::UnavailableError(why);
  auto vm = MiniVm::Create(vcpus);
  if (!vm.ok()) {
    return absl::UnavailableError("no KVM guest can run here: " + vm.status().ToString());
  }
  (*vm)->Run();
  return vm;
}

// A real pvschedd and a real guest with two vCPUs.
class PvscheddTest : public testing::Test {
 protected:
  void SetUp() override {
    auto vm = RunningVm(2);
    if (!vm.ok()) GTEST_SKIP() << vm.status().message();
    vm_ = *std::move(vm);
    ASSERT_TRUE(daemon_.Start());
  }

  std::unique_ptr<ControlConnection> Connect(const std::string& name = "test-vm") {
    auto connection = std::make_unique<ControlConnection>(daemon_.path("device.sock"));
    EXPECT_TRUE(connection->connected());
    EXPECT_EQ(connection->Hello(getpid(), name), 0) << connection->reason();
    return connection;
  }

  std::unique_ptr<ControlConnection> ConnectAndBind() {
    auto connection = Connect();
    for (int i = 0; i < 2; ++i) {
      const auto id = static_cast<uint32_t>(i);
      EXPECT_EQ(connection->Register(id, vm_->memory(), MiniVm::record_offset(i)), 0)
          << connection->reason();
      EXPECT_EQ(connection->Thread(id, vm_->tid(i)), 0) << connection->reason();
    }
    return connection;
  }

  bool HasPolicy(int vcpu, uint32_t policy, uint32_t rt_prio) {
    auto params = GetSchedParams(vm_->tid(vcpu));
    return params.ok() && params->sched_policy == policy && params->sched_priority == rt_prio;
  }
  bool HasNice(int vcpu, int nice) {
    auto params = GetSchedParams(vm_->tid(vcpu));
    return params.ok() && params->sched_policy == PVSCHED_POLICY_NORMAL &&
           params->sched_nice == nice;
  }
  bool IsBoosted(int vcpu) { return HasPolicy(vcpu, PVSCHED_POLICY_RR, 8); }
  bool IsOrdinary(int vcpu) { return HasPolicy(vcpu, PVSCHED_POLICY_NORMAL, 0); }
  bool IsThrottled(int vcpu) { return GrantFlags(*vm_, vcpu) == PVSCHED_GRANT_THROTTLED; }

  // Makes vCPU 0 spin with urgent intent until its budget is used.
  bool SpinsUntilThrottled() {
    vm_->SetPause(std::chrono::microseconds(0));
    vm_->SetIntent(0, kUrgent);
    return Eventually([&] { return IsBoosted(0); }) && Eventually([&] { return IsThrottled(0); });
  }

  HostDaemon daemon_;
  std::unique_ptr<MiniVm> vm_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_PVSCHEDD_FIXTURE_H_
