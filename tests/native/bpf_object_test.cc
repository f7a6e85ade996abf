// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// BpfObject, with real programs.
#include "host-policy/loader/bpf_object.h"

#include <memory>
#include <utility>

#include "common/pidfd.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/tunables.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

// A caller that waits for other events too must not be kept from them.
TEST(BpfObjectTest, ConsumeIsBounded) {
  auto vm = RunningVm(1);
  if (!vm.ok()) GTEST_SKIP() << vm.status().message();
  (*vm)->SetPause(std::chrono::microseconds(0));
  auto bpf = BpfObject::Load("");
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  ASSERT_TRUE((*bpf)->SetTunables(0, ToPolicy(DefaultTunables())).ok());
  size_t events = 0;
  auto trace = (*bpf)->Trace([&](const pvs_trace&) { ++events; });
  (*bpf)->SetTracing(true);
  const UniqueFd thread(pidfd_open((*vm)->tid(0), PIDFD_THREAD));
  ASSERT_TRUE(thread);
  (*bpf)->ClearSlot(0);
  BpfObject::Binding binding;
  binding.thread_pidfd = thread.get();
  binding.record = {.memory = (*vm)->memory(), .offset = MiniVm::record_offset(0)};
  ASSERT_TRUE((*bpf)->Bind(binding).ok());
  // Each change of the priority word causes a decision.
  const uint64_t nice = pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0);
  for (size_t i = 0; i < 2 * BpfObject::Ring::kMostEvents; ++i) {
    const uint64_t word = i % 2 == 0 ? nice : kOrdinary;
    (*vm)->SetIntent(0, word);
    ASSERT_TRUE(Eventually([&] { return ((*bpf)->slot(0).pending_grant != 0) == (word != 0); }));
  }
  (*bpf)->Unbind(thread.get());
  (*bpf)->Fence();
  trace->Consume();
  EXPECT_EQ(events, BpfObject::Ring::kMostEvents);
  // The rest is still there.
  trace->Consume();
  EXPECT_GT(events, BpfObject::Ring::kMostEvents);
}

}  // namespace
}  // namespace pvsched
