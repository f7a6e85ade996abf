// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The actuator agent, where the kernel refuses a change of parameters.
#include "host-policy/daemon/actuators/agent.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/pidfd.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/daemon/tunables.h"
#include "tests/native/pvschedd_fixture.h"

namespace {
std::atomic<bool> refuse = false;
}  // namespace

// Replaces the C library's function.
extern "C" int sched_setattr(pid_t tid, sched_attr* params, unsigned int flags) noexcept {
  if (refuse) {
    errno = EPERM;
    return -1;
  }
  return static_cast<int>(syscall(SYS_sched_setattr, tid, params, flags));
}

namespace pvsched {
namespace {

class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    auto vm = RunningVm(1);
    if (!vm.ok()) GTEST_SKIP() << vm.status().message();
    vm_ = *std::move(vm);
    auto bpf = BpfObject::Load("");
    ASSERT_TRUE(bpf.ok()) << bpf.status();
    bpf_ = *std::move(bpf);
    ASSERT_TRUE(bpf_->SetTunables(0, ToPolicy(DefaultTunables())).ok());
    char directory[] = "/tmp/agent-test-XXXXXX";
    directory_ = mkdtemp(directory);
    auto baselines = BaselineStore::Open(directory_ + "/baseline");
    ASSERT_TRUE(baselines.ok()) << baselines.status();
    baselines_ = *std::move(baselines);

    agent_ = std::make_unique<AgentActuator>(*bpf_, *baselines_);
    ASSERT_TRUE(agent_->Start(Actuator::kDefaultPriority).ok());
    thread_ = UniqueFd(pidfd_open(vm_->tid(0), PIDFD_THREAD));
    ASSERT_TRUE(thread_);
    bpf_->ClearSlot(0);
    ASSERT_TRUE(agent_->Add(0, getpid(), vm_->tid(0), thread_.get()).ok());
    BpfObject::Binding binding;
    binding.thread_pidfd = thread_.get();
    binding.tid = vm_->tid(0);
    binding.record = {.memory = vm_->memory(), .offset = MiniVm::record_offset(0)};
    ASSERT_TRUE(bpf_->Bind(binding).ok());
  }

  void TearDown() override {
    refuse = false;
    agent_.reset();
    if (thread_) {
      bpf_->Unbind(thread_.get());
      bpf_->Fence();
    }
    unlink((directory_ + "/baseline").c_str());
    rmdir(directory_.c_str());
  }

  bool Has(uint32_t policy, uint32_t rt_prio) {
    auto params = GetSchedParams(vm_->tid(0));
    return params.ok() && params->sched_policy == policy && params->sched_priority == rt_prio;
  }

  std::string directory_;
  std::unique_ptr<MiniVm> vm_;
  std::unique_ptr<BpfObject> bpf_;
  std::unique_ptr<BaselineStore> baselines_;
  std::unique_ptr<AgentActuator> agent_;
  UniqueFd thread_;
};

TEST_F(AgentTest, RefusedBoostIsNotReportedAsApplied) {
  refuse = true;
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return agent_->counts().failures > 0; }));
  EXPECT_TRUE(Has(SCHED_OTHER, 0));
  EXPECT_EQ(agent_->applied(0).current.policy, uint32_t{SCHED_OTHER});
  EXPECT_EQ(baselines_->entry(0).is_applied, 0u);
}

TEST_F(AgentTest, RefusedEndOfABoostIsRetried) {
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return Has(SCHED_RR, 8); }));
  refuse = true;
  vm_->SetIntent(0, kOrdinary);
  ASSERT_TRUE(Eventually([&] { return agent_->counts().failures > 0; }));
  EXPECT_TRUE(Has(SCHED_RR, 8));
  EXPECT_EQ(agent_->applied(0).current.rt_prio, 8u);
  // No new intent follows: the actuator itself must retry.
  ASSERT_TRUE(Eventually([&] { return bpf_->slot(0).pending_grant == 0; }));
  refuse = false;
  EXPECT_TRUE(Eventually([&] { return Has(SCHED_OTHER, 0); }));
}

}  // namespace
}  // namespace pvsched
