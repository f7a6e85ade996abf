// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The policy in the real BPF programs: boosts and lowerings, tunables, critical
// sections, policies that replace the default one, and what pvschedctl shows.

#include <sched.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using PolicyNativeTest = PvscheddTest;

// An ordinary thread that keeps a CPU busy, so that other threads of it are preempted.
class BusyCpu {
 public:
  explicit BusyCpu(int cpu)
      : thread_([this, cpu] {
          cpu_set_t cpus;
          CPU_ZERO(&cpus);
          CPU_SET(cpu, &cpus);
          sched_setaffinity(0, sizeof(cpus), &cpus);
          while (!stopping_) {
          }
        }) {}
  ~BusyCpu() {
    stopping_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST_F(PolicyNativeTest, NiceIntentLowersItsThreadUntilItEnds) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0));
  EXPECT_TRUE(Eventually([&] { return HasNice(0, 10); }));
  vm_->SetIntent(0, pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0));
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_IDLE, 0); }));
  vm_->SetIntent(0, kOrdinary);
  EXPECT_TRUE(Eventually([&] { return HasNice(0, 0); }));
}

// The policy runs in the first exit after the guest's store. So no exit ends with an
// intent that has no grant yet.
TEST_F(PolicyNativeTest, IntentIsInForceAtTheNextExit) {
  std::atomic<int> urgent_exits = 0;
  std::atomic<int> without_grant = 0;
  auto vm = MiniVm::Create(1);
  ASSERT_TRUE(vm.ok());
  (*vm)->SetOnExit([&](int vcpu) {
    const pvsched_record& record = (*vm)->record(vcpu);
    const bool is_urgent =
        pvsched_word_policy(__atomic_load_n(&record.intent, __ATOMIC_RELAXED)) == PVSCHED_POLICY_RR;
    const bool is_boosted = (pvsched_word_flags(__atomic_load_n(&record.grant, __ATOMIC_RELAXED)) &
                             PVSCHED_GRANT_BOOSTED) != 0;
    urgent_exits += is_urgent ? 1 : 0;
    without_grant += is_urgent != is_boosted ? 1 : 0;
  });
  (*vm)->Run();
  daemon_.Ctl("tunable set budget 1000");
  auto connection = Connect();
  ASSERT_EQ(connection->Register(0, (*vm)->memory(), MiniVm::record_offset(0)), 0);
  ASSERT_EQ(connection->Thread(0, (*vm)->tid(0)), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  without_grant = 0;
  for (int i = 0; i < 100; ++i) {
    (*vm)->SetIntent(0, i % 2 == 0 ? kUrgent : kOrdinary);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  (*vm)->Stop();
  EXPECT_GT(urgent_exits, 100);
  // An event during another event of the vCPU is dropped. The next event follows.
  EXPECT_LE(without_grant, urgent_exits / 100) << "of " << urgent_exits;
}

TEST_F(PolicyNativeTest, GrantShowsWhyTheVcpuDoesNotRun) {
  std::atomic<int> exits = 0;
  std::atomic<int> wrong = 0;
  auto vm = MiniVm::Create(1);
  ASSERT_TRUE(vm.ok());
  (*vm)->SetOnExit([&](int vcpu) {
    ++exits;
    wrong += (AllGrantFlags(**vm, vcpu) & kOffCpu) != 0 ? 1 : 0;
  });
  (*vm)->Run();
  auto connection = Connect();
  ASSERT_EQ(connection->Register(0, (*vm)->memory(), MiniVm::record_offset(0)), 0);
  ASSERT_EQ(connection->Thread(0, (*vm)->tid(0)), 0);
  EXPECT_TRUE(Eventually([&] { return AllGrantFlags(**vm, 0) == PVSCHED_GRANT_HALTED; }));
  // The flag stays while a grant comes and ends, even during a sleep.
  for (int i = 0; i < 20; ++i) {
    (*vm)->SetIntent(0, i % 2 == 0 ? kUrgent : kOrdinary);
    const uint32_t boosted = i % 2 == 0 ? PVSCHED_GRANT_BOOSTED : 0;
    EXPECT_TRUE(
        Eventually([&] { return AllGrantFlags(**vm, 0) == (boosted | PVSCHED_GRANT_HALTED); }));
  }
  // The vCPU does not sleep, and another thread shares its CPU.
  (*vm)->SetPause(std::chrono::microseconds(0));
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  ASSERT_EQ(sched_setaffinity((*vm)->tid(0), sizeof(cpus), &cpus), 0);
  {
    BusyCpu busy(0);
    EXPECT_TRUE(Eventually([&] { return AllGrantFlags(**vm, 0) == PVSCHED_GRANT_PREEMPTED; }));
  }
  (*vm)->Stop();
  EXPECT_GT(exits, 100);
  // A kernel can drop a tracepoint's event.
  EXPECT_LE(wrong, exits / 100) << "of " << exits << " exits, in each of which the vCPU runs";
}

TEST_F(PolicyNativeTest, BaselineOfALoweredThreadIsRestoredWhenPvscheddStops) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0));
  ASSERT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_IDLE, 0); }));
  EXPECT_EQ(daemon_.Stop(SIGTERM), 0);
  EXPECT_TRUE(HasNice(0, 0));
}

TEST_F(PolicyNativeTest, ChangedCapAppliesDuringABoost) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  daemon_.Ctl("tunable set max-rt-prio 3");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 3); }));
  daemon_.Ctl("tunable set max-rt-prio 5 --vm test-vm");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 5); }));
  daemon_.Ctl("tunable set mode observe");
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vcpu list")[0]["state"] == "boosted"; }));
  daemon_.Ctl("tunable set mode off");
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vcpu list")[0]["state"] == "normal"; }));
}

TEST_F(PolicyNativeTest, BadTunableIsAUsageErrorAndARefusalIsNot) {
  int status = 0;
  daemon_.Ctl("tunable set max-rt-prio 99 2>/dev/null", &status);
  EXPECT_EQ(status, 2);
  daemon_.Ctl("tunable set budget 1001 2>/dev/null", &status);
  EXPECT_EQ(status, 1);
  daemon_.Ctl("tunable set colour 1 2>/dev/null", &status);
  EXPECT_EQ(status, 2);
  daemon_.Ctl("tunable set '\xff' 1 2>/dev/null", &status);
  EXPECT_EQ(status, 2);
  const nlohmann::json budget = daemon_.Ctl("tunable get budget", &status);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(budget["value"], "700");
}

TEST_F(PolicyNativeTest, ConfigurationFileSetsValuesOfHostAndVm) {
  daemon_.Stop(SIGTERM);
  const std::string file = daemon_.path("pvsched.toml");
  std::ofstream(file) << "[host]\nmax-rt-prio = 4\n[vm.other]\nuid = 12345\nmax-rt-prio = 6\n"
                         "[vm.test-vm]\nmax-rt-prio = 2\n";
  ASSERT_TRUE(daemon_.Start({"--config", file}));
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 2); }));
  connection->Close();
  ASSERT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  // [vm.other] is for another user, so a VM of that name gets the host's values.
  auto other = Connect("other");
  ASSERT_EQ(other->Register(0, vm_->memory(), MiniVm::record_offset(0)), 0);
  ASSERT_EQ(other->Thread(0, vm_->tid(0)), 0);
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 4); }));
  unlink(file.c_str());
}

// vCPU 0 computes, and another thread shares its CPU. vCPU 1 sleeps in each of its loops.
TEST_F(PolicyNativeTest, VcpuInACriticalSectionIsBoostedWhileAnotherVcpuWaits) {
  auto created = MiniVm::Create(2);
  ASSERT_TRUE(created.ok());
  vm_ = *std::move(created);
  vm_->SetPause(std::chrono::microseconds(0));
  vm_->SetOnExit([](int vcpu) {
    if (vcpu == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  vm_->Run();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  ASSERT_EQ(sched_setaffinity(vm_->tid(0), sizeof(cpus), &cpus), 0);
  BusyCpu busy(0);
  daemon_.Ctl("tunable set critical-rt-prio 3");
  daemon_.Ctl("tunable set critical-budget 900");
  auto connection = Connect();
  for (const uint32_t i : {0u, 1u}) {
    const int vcpu = static_cast<int>(i);
    const uint64_t count = MiniVm::preempt_count_offset(vcpu);
    ASSERT_EQ(connection->PreemptCount(i, vm_->memory(), count, 0xffff), 0);
    ASSERT_EQ(connection->Register(i, vm_->memory(), MiniVm::record_offset(vcpu),
                                   PVSCHED_F_PREEMPT_COUNT),
              0);
    ASSERT_EQ(connection->Thread(i, vm_->tid(vcpu)), 0);
  }
  const auto boosts = [&] { return daemon_.Ctl("stats")["vcpus"][0]["boosts"].get<uint64_t>(); };
  const auto set_count = [&](int vcpu, uint32_t count) {
    __atomic_store_n(&vm_->preempt_count(vcpu), count, __ATOMIC_SEQ_CST);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  };
  set_count(0, 1);
  EXPECT_EQ(boosts(), 0u) << "no vCPU waits";
  set_count(0, 0x80000000u);
  set_count(1, 1);
  EXPECT_EQ(boosts(), 0u) << "bits outside the mask do not count";
  set_count(0, 1);
  EXPECT_TRUE(Eventually(
      [&] { return GrantFlags(*vm_, 0) == (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_CRITICAL); }));
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 3); }));
  set_count(1, 0);
  set_count(0, 0);
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0) && GrantFlags(*vm_, 0) == 0; }));
}

TEST_F(PolicyNativeTest, BadPreemptCountIsRefused) {
  auto connection = Connect();
  EXPECT_EQ(connection->PreemptCount(0, vm_->memory(), 0x2002, ~0u), EINVAL);
  EXPECT_EQ(connection->PreemptCount(0, vm_->memory(), uint64_t{1} << 50, ~0u), EINVAL);
  EXPECT_EQ(connection->PreemptCount(0, -1, 0x2000, ~0u), EINVAL);
}

TEST_F(PolicyNativeTest, LoadedPolicyReplacesTheDefaultUntilAReset) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/critical_only.bpf.o");
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
  daemon_.Ctl("tunable set weight 400");
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/by_weight.bpf.o");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 3); }));
  daemon_.Ctl("policy reset");
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0); }));
}

TEST_F(PolicyNativeTest, PolicyOfTheTutorialWorksAsDocumented) {
  auto connection = ConnectAndBind();
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/taught.bpf.o");
  vm_->SetIntent(0, kUrgent);
  vm_->SetIntent(1, kUrgent);
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 5); }));
  EXPECT_TRUE(IsOrdinary(1));
  daemon_.Ctl("policy reset");
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0) && IsBoosted(1); }));
}

// Each policy has its own constants, whatever policy was loaded before.
TEST_F(PolicyNativeTest, PolicyMayHaveATableOfConstants) {
  auto connection = ConnectAndBind();
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/critical_only.bpf.o");
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/by_table.bpf.o");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 2); }));
  EXPECT_TRUE(Eventually([&] { return HasPolicy(1, PVSCHED_POLICY_RR, 7); }));
  daemon_.Ctl("policy reset");
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0) && IsOrdinary(1); }));
}

// Also where two policies have variables and maps of one name.
TEST_F(PolicyNativeTest, PolicyBeginsWithItsOwnState) {
  auto connection = ConnectAndBind();
  for (int i = 0; i < 2; ++i) {
    daemon_.Ctl("policy load " PVSCHED_POLICIES "/first_state.bpf.o");
    EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 2); }));
    daemon_.Ctl("policy load " PVSCHED_POLICIES "/second_state.bpf.o");
    EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 7); }));
  }
}

TEST_F(PolicyNativeTest, RefusedPolicyLeavesTheOldOneInUse) {
  auto connection = ConnectAndBind();
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/critical_only.bpf.o");
  int status = 0;
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/refused.bpf.o 2>/dev/null", &status);
  EXPECT_EQ(status, 1);
  daemon_.Ctl(std::string("policy load ") + PVSCHEDD_PATH + " 2>/dev/null", &status);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(daemon_.Ctl("policy show")["policy"], PVSCHED_POLICIES "/critical_only.bpf.o");
  vm_->SetIntent(0, kUrgent);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(IsOrdinary(0));
}

// As a path in another mount namespace does.
TEST_F(PolicyNativeTest, PolicyWhosePathLeadsElsewhereForPvscheddIsLoaded) {
  int status = -1;
  daemon_.Ctl("policy load /proc/self/fd/9 9<" PVSCHED_POLICIES "/by_weight.bpf.o", &status);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(daemon_.Ctl("policy show")["policy"], "/proc/self/fd/9");
}

TEST_F(PolicyNativeTest, PolicyCannotExceedTheCaps) {
  auto connection = ConnectAndBind();
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/greedy.bpf.o");
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0); }));
  vm_->SetPause(std::chrono::microseconds(0));
  EXPECT_TRUE(Eventually([&] { return GrantFlags(*vm_, 0) == PVSCHED_GRANT_THROTTLED; }));
}

TEST_F(PolicyNativeTest, BoostOfASleepingThreadEndsByTime) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  // The thread sleeps from now on, for longer than urgent-memory.
  vm_->SetIntent(0, pvsched_word(0, 0, 0, PVSCHED_INTENT_IDLE));
  vm_->SetPause(std::chrono::seconds(4));
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
}

TEST_F(PolicyNativeTest, TraceIsWrittenForPerfetto) {
  auto connection = ConnectAndBind();
  // The programs of the newest policy must trace, not those of the first one.
  daemon_.Ctl("policy load " PVSCHED_POLICIES "/by_weight.bpf.o");
  daemon_.Ctl("policy reset");
  const std::string file = daemon_.path("trace.json");
  std::thread tracer([&] { daemon_.Ctl("trace --seconds 1 --output " + file + " 2>/dev/null"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  tracer.join();
  std::ifstream stream(file);
  const nlohmann::json trace = nlohmann::json::parse(stream, nullptr, false);
  ASSERT_TRUE(trace.contains("traceEvents"));
  bool found = false;
  for (const auto& event : trace["traceEvents"]) {
    found |= event["ph"] == "B" && event["name"] == "boosted to rr 8" &&
             event["tid"] == vm_->tid(0) &&
             event["args"]["reason"].get<std::string>().find("runs rr 80") != std::string::npos;
  }
  EXPECT_TRUE(found) << trace.dump(1);
  unlink(file.c_str());
}

TEST_F(PolicyNativeTest, StatsCountBoostsAndWakeUps) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  EXPECT_TRUE(Eventually([&] {
    const nlohmann::json vcpu = daemon_.Ctl("stats")["vcpus"][0];
    uint64_t boosted = 0;
    for (const auto& count : vcpu["wakeup_us"]["boosted"]) boosted += count.get<uint64_t>();
    return vcpu["boosts"].get<uint64_t>() >= 1 && vcpu["boosted_ns"].get<uint64_t>() > 0 &&
           boosted > 0;
  }));
  EXPECT_GE(daemon_.Ctl("stats")["actuator"]["calls"].get<uint64_t>(), 1u);
}

}  // namespace
}  // namespace pvsched
