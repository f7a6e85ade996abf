// SPDX-License-Identifier: Apache-2.0
// The kfunc actuator's watch over boosted vCPUs, with real programs; the module is not
// needed, as nobody is registered with it.
#include <fcntl.h>

#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/kfunc.h"
#include "host-policy/daemon/tunables.h"
#include "host-policy/loader/bpf_object.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"
#include "tests/native/pvschedd_fixture.h"

// Debian 13's header forgets to tell C++ that these are C functions.
extern "C" {
#include <sys/pidfd.h>
}

namespace pvsched {
namespace {

// The programs say that they have boosted somebody, and nothing more while they are
// watched. If nobody is boosted any more when the actuator looks, the watch must still
// end: else the next boost, of which nobody tells, would not end by time.
TEST(KernelActuatorTest, WatchEndsThoughTheBoostWasOverAtTheFirstLook) {
  auto vm = RunningVm(1);
  if (!vm.ok()) GTEST_SKIP() << vm.status().message();
  auto programs = BpfObject::Load("");
  ASSERT_TRUE(programs.ok()) << programs.status();
  ASSERT_TRUE((*programs)->SetTunables(0, ToPolicy(DefaultTunables())).ok());
  KfuncActuator actuator(**programs, UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  ASSERT_TRUE(actuator.Start(Actuator::kDefaultPriority).ok());
  const UniqueFd thread(pidfd_open((*vm)->tid(0), PIDFD_THREAD));
  ASSERT_TRUE(thread);
  (*programs)->ClearSlot(0);
  BpfObject::Binding binding;
  binding.thread_pidfd = thread.get();
  binding.record = {.memory = (*vm)->memory(), .offset = MiniVm::record_offset(0)};
  ASSERT_TRUE((*programs)->Bind(binding).ok());

  // What the programs do at a boost; the word then comes with a decision that boosts
  // nobody, as it does where the boost has ended in between.
  (*programs)->SetWatched(true);
  (*vm)->SetIntent(0, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0));
  ASSERT_TRUE(Eventually([&] { return (*programs)->slot(0).pending_grant != 0; }));
  EXPECT_FALSE(IsBoosted((*programs)->slot(0).pending_grant));
  EXPECT_TRUE(Eventually([&] { return !(*programs)->is_watched(); }));
  (*programs)->Unbind(thread.get());
  (*programs)->Fence();
}

}  // namespace
}  // namespace pvsched
