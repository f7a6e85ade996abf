// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// BpfObject, with real programs.
#include "host-policy/loader/bpf_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/pidfd.h"
#include "gmock/gmock.h"
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
  binding.tid = (*vm)->tid(0);
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

// KVM names each vCPU and its thread, once the thread has run it.
TEST(BpfObjectTest, SearchFindsEachVcpuAndItsThread) {
  auto vm = RunningVm(3);
  if (!vm.ok()) GTEST_SKIP() << vm.status().message();
  auto bpf = BpfObject::Load("");
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  const UniqueFd self(pidfd_open(getpid(), 0));
  std::vector<pvs_vcpu_found> found;
  ASSERT_TRUE(Eventually([&] {
    auto vcpus = (*bpf)->FindVcpus(self.get());
    if (!vcpus.ok()) return false;
    found = *std::move(vcpus);
    return found.size() == 3 && found[0].tid != 0 && found[1].tid != 0 && found[2].tid != 0;
  }));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(found[static_cast<size_t>(i)].vcpu_id, static_cast<uint32_t>(i));
    EXPECT_EQ(found[static_cast<size_t>(i)].tid, (*vm)->tid(i));
  }
}

TEST(BpfObjectTest, SearchOfAProcessThatIsNoVmmFindsNothing) {
  if (std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
  auto bpf = BpfObject::Load("");
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  // The names of a VMM's files do not make a VMM: the kernel's inodes do.
  const UniqueFd file(open("/tmp/kvm-vcpu:0", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  unlink("/tmp/kvm-vcpu:0");
  const UniqueFd memory(memfd_create("kvm-vcpu:0", MFD_CLOEXEC));
  const UniqueFd self(pidfd_open(getpid(), 0));
  const auto vcpus = (*bpf)->FindVcpus(self.get());
  ASSERT_TRUE(vcpus.ok()) << vcpus.status();
  EXPECT_TRUE(vcpus->empty());
}

// A program that finds a vCPU's slot held leaves its event to the holder.
TEST(BpfObjectTest, EventDuringADecisionIsJudgedAfterIt) {
  auto vm = RunningVm(1);
  if (!vm.ok()) GTEST_SKIP() << vm.status().message();
  auto bpf = BpfObject::Load(PVSCHED_POLICIES "/slow.bpf.o");
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  ASSERT_TRUE((*bpf)->SetTunables(0, ToPolicy(DefaultTunables())).ok());
  std::vector<uint32_t> decisions;
  auto trace = (*bpf)->Trace([&](const pvs_trace& entry) { decisions.push_back(entry.event); });
  (*bpf)->SetTracing(true);
  const UniqueFd thread(pidfd_open((*vm)->tid(0), PIDFD_THREAD));
  ASSERT_TRUE(thread);
  (*bpf)->ClearSlot(0);
  BpfObject::Binding binding;
  binding.thread_pidfd = thread.get();
  binding.tid = (*vm)->tid(0);
  binding.record = {.memory = (*vm)->memory(), .offset = MiniVm::record_offset(0)};
  ASSERT_TRUE((*bpf)->Bind(binding).ok());
  const uint32_t& busy = (*bpf)->slot(0).busy;
  const auto is_held = [&] { return (__atomic_load_n(&busy, __ATOMIC_SEQ_CST) & PVS_BUSY) != 0; };
  for (int i = 0; i < 20; ++i) {
    // The guest's change makes the next EXIT decide, which takes 50 ms.
    (*vm)->SetIntent(0, i % 2 == 0 ? kUrgent : kOrdinary);
    ASSERT_TRUE(Eventually(is_held));
    const uint32_t word = __atomic_load_n(&busy, __ATOMIC_SEQ_CST);
    // Returns at once: nothing waits for the holder.
    (*bpf)->RunTimer((*vm)->tid(0));
    if (!is_held() || (word ^ __atomic_load_n(&busy, __ATOMIC_SEQ_CST)) >= PVS_BUSY_GENERATION) {
      continue;  // the hold was another, shorter one
    }
    trace->Consume();
    decisions.clear();
    ASSERT_TRUE(Eventually([&] {
      trace->Consume();
      return std::count(decisions.begin(), decisions.end(), uint32_t{PVS_TIMER}) == 1;
    })) << "no decision followed the event";
    EXPECT_EQ((*bpf)->slot(0).lost, 0u);
    (*bpf)->Unbind(thread.get());
    (*bpf)->Fence();
    EXPECT_FALSE(is_held());
    return;
  }
  FAIL() << "no event came during a decision";
}

}  // namespace
}  // namespace pvsched
