// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// How the actuator kfunc watches boosted vCPUs, with the real BPF programs. No
// thread is registered with the module, so the module need not be loaded.
#include <fcntl.h>

#include "common/pidfd.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/boost_watch.h"
#include "host-policy/daemon/actuators/kfunc.h"
#include "host-policy/daemon/tunables.h"
#include "host-policy/loader/bpf_object.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

// The programs report a boost once, and nothing more while `watched` is set. If no vCPU
// is boosted when the actuator reads the report, it must clear `watched` even so. Else
// the programs would not report the next boost, and it would not end by time.
TEST(KfuncActuatorTest, WatchEndsThoughTheBoostIsOverWhenItIsReported) {
  auto vm = RunningVm(1);
  if (!vm.ok()) GTEST_SKIP() << vm.status().message();
  auto bpf = BpfObject::Load("");
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  ASSERT_TRUE((*bpf)->SetTunables(0, ToPolicy(DefaultTunables())).ok());
  KfuncActuator actuator(**bpf, UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  ASSERT_TRUE(actuator.Start(Actuator::kDefaultPriority).ok());
  const UniqueFd thread(pidfd_open((*vm)->tid(0), PIDFD_THREAD));
  ASSERT_TRUE(thread);
  (*bpf)->ClearSlot(0);
  BpfObject::Binding binding;
  binding.thread_pidfd = thread.get();
  binding.tid = (*vm)->tid(0);
  binding.record = {.memory = (*vm)->memory(), .offset = MiniVm::record_offset(0)};
  ASSERT_TRUE((*bpf)->Bind(binding).ok());

  // The programs set `watched` at a boost. The grant that follows boosts no vCPU, as
  // after a boost that has ended in between.
  (*bpf)->SetWatched(true);
  (*vm)->SetIntent(0, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0));
  ASSERT_TRUE(Eventually([&] { return (*bpf)->slot(0).pending_grant != 0; }));
  EXPECT_FALSE(IsBoosted((*bpf)->slot(0).pending_grant));
  EXPECT_TRUE(Eventually([&] { return !(*bpf)->is_watched(); }));
  (*bpf)->Unbind(thread.get());
  (*bpf)->Fence();
}

}  // namespace
}  // namespace pvsched
