// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The real pvschedd and its BPF programs, with the KVM of this machine.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/kmod/pvsched_host.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"
#include "tests/native/program_cost.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

TEST_F(PvscheddTest, UrgentIntentBoostsItsThreadWithinTheCapUntilItEnds) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0); }));
  EXPECT_TRUE(IsOrdinary(1));
  const uint64_t grant = __atomic_load_n(&vm_->record(0).grant, __ATOMIC_RELAXED);
  EXPECT_EQ(pvsched_word_policy(grant), uint32_t{PVSCHED_POLICY_RR});
  EXPECT_EQ(pvsched_word_rt_prio(grant), 8u);
  EXPECT_EQ(GrantFlags(*vm_, 0), uint32_t{PVSCHED_GRANT_BOOSTED});
  // A halt within urgent-memory boosts. So the boost ends only after that time.
  vm_->SetIntent(0, kOrdinary);
  EXPECT_TRUE(Eventually([&] { return GrantFlags(*vm_, 0) == 0 && IsOrdinary(0); }));
}

TEST_F(PvscheddTest, ThreadThatABoostedThreadStartsInheritsNoBoost) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  auto params = GetSchedParams(vm_->tid(0));
  ASSERT_TRUE(params.ok());
  EXPECT_NE(params->sched_flags & SCHED_FLAG_RESET_ON_FORK, 0u);
}

TEST_F(PvscheddTest, BaselineIsRestoredWhenPvscheddStops) {
  sched_attr baseline = {};
  baseline.size = sizeof(baseline);
  baseline.sched_policy = SCHED_BATCH;
  baseline.sched_nice = 3;
  ASSERT_TRUE(SetSchedParams(vm_->tid(0), baseline).ok());
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  EXPECT_EQ(daemon_.Stop(SIGTERM), 0);
  auto params = GetSchedParams(vm_->tid(0));
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->sched_policy, uint32_t{SCHED_BATCH});
  EXPECT_EQ(params->sched_nice, 3);
}

TEST_F(PvscheddTest, SighupAndSigpipeEndNeitherPvscheddNorABoost) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  kill(daemon_.pid(), SIGPIPE);
  kill(daemon_.pid(), SIGHUP);
  EXPECT_EQ(daemon_.Ctl("vm list").size(), 1u);
  EXPECT_EQ(daemon_.Stop(SIGTERM), 0);
  EXPECT_TRUE(IsOrdinary(0));
}

TEST_F(PvscheddTest, RestartAfterSigkillRestoresTheBaseline) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  EXPECT_EQ(daemon_.Stop(SIGKILL), 128 + SIGKILL);
  EXPECT_TRUE(IsBoosted(0));
  ASSERT_TRUE(daemon_.Start());
  EXPECT_TRUE(IsOrdinary(0));
}

TEST_F(PvscheddTest, RestartKeepsParametersThatAnAdminHasSetSince) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  daemon_.Stop(SIGKILL);
  sched_attr admins = {};
  admins.size = sizeof(admins);
  admins.sched_policy = SCHED_FIFO;
  admins.sched_priority = 3;
  ASSERT_TRUE(SetSchedParams(vm_->tid(0), admins).ok());
  ASSERT_TRUE(daemon_.Start());
  EXPECT_TRUE(HasPolicy(0, SCHED_FIFO, 3));
}

TEST_F(PvscheddTest, ParametersThatAnAdminSetsDuringABoostAreTheNewBaseline) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  sched_attr admins = {};
  admins.size = sizeof(admins);
  admins.sched_policy = SCHED_FIFO;
  admins.sched_priority = 3;
  ASSERT_TRUE(SetSchedParams(vm_->tid(0), admins).ok());
  connection->Close();
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  EXPECT_TRUE(HasPolicy(0, SCHED_FIFO, 3));
}

TEST_F(PvscheddTest, BaselineIsRestoredWhenTheDeviceDisconnects) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  connection->Close();
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
}

TEST_F(PvscheddTest, HostDoesNotWriteAWithdrawnRecord) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  ASSERT_EQ(connection->Withdraw(0), 0);
  // The guest may use the page for other data now, which must not change.
  __atomic_store_n(&vm_->record(0).grant, 0x5555, __ATOMIC_SEQ_CST);
  vm_->SetIntent(0, kOrdinary);
  const uint64_t exits = vm_->exits(0);
  ASSERT_TRUE(Eventually([&] { return vm_->exits(0) > exits + 100; }));
  EXPECT_EQ(__atomic_load_n(&vm_->record(0).grant, __ATOMIC_SEQ_CST), 0x5555u);
  EXPECT_TRUE(IsOrdinary(0));
}

TEST_F(PvscheddTest, SpinningBoostedVcpuIsThrottledAndRecovers) {
  auto connection = ConnectAndBind();
  ASSERT_TRUE(SpinsUntilThrottled());
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0); }));
  EXPECT_GE(vm_->record(0).throttle_count, 1u);
}

TEST_F(PvscheddTest, ListsShowAppliedParametersAndBaseline) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(1, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(1); }));
  const nlohmann::json vms = daemon_.Ctl("vm list");
  ASSERT_EQ(vms.size(), 1u);
  EXPECT_EQ(vms[0]["vm"], "test-vm");
  EXPECT_EQ(vms[0]["pid"], getpid());
  EXPECT_EQ(vms[0]["vcpus"], 2);
  EXPECT_EQ(vms[0]["bound"], 2);
  const nlohmann::json vcpus = daemon_.Ctl("vcpu list");
  ASSERT_EQ(vcpus.size(), 2u);
  EXPECT_EQ(vcpus[0]["state"], "normal");
  EXPECT_EQ(vcpus[1]["state"], "boosted");
  EXPECT_EQ(vcpus[1]["tid"], vm_->tid(1));
  EXPECT_EQ(vcpus[1]["applied"]["policy"], "rr");
  EXPECT_EQ(vcpus[1]["applied"]["rt_prio"], 8);
  EXPECT_EQ(vcpus[1]["baseline"]["policy"], "normal");
}

// A child has the VMM's descriptors, but none of its threads.
TEST_F(PvscheddTest, ThreadOfAnotherProcessIsRefused) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  {
    ControlConnection connection(daemon_.path("device.sock"));
    ASSERT_EQ(connection.Hello(child, "child"), 0) << connection.reason();
    ASSERT_EQ(connection.Register(0, vm_->memory(), MiniVm::record_offset(0)), 0);
    EXPECT_EQ(connection.Thread(0, vm_->tid(0)), EPERM);
    EXPECT_NE(connection.reason().find("not a thread of the VMM"), std::string::npos);
    EXPECT_TRUE(daemon_.Ctl("vcpu list")[0]["tid"].is_null());
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(PvscheddTest, ThreadIsFoundWithoutTheVmmsHelp) {
  auto connection = Connect();
  for (uint32_t i = 0; i < 2; ++i) {
    ASSERT_EQ(connection->Register(i, vm_->memory(), MiniVm::record_offset(static_cast<int>(i))),
              0);
  }
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vm list")[0]["bound"] == 2; }));
  const nlohmann::json vcpus = daemon_.Ctl("vcpu list");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(vcpus[static_cast<size_t>(i)]["tid"], vm_->tid(i));
  EXPECT_EQ(connection->Thread(0, vm_->tid(0)), 0) << "the VMM names the same thread";
}

TEST_F(PvscheddTest, VcpuThatTheVmLacksIsRefused) {
  auto connection = Connect();
  EXPECT_EQ(connection->Register(2, vm_->memory(), MiniVm::record_offset(0)), ENOENT);
  EXPECT_NE(connection->reason().find("no vCPU with APIC id 2: it has 2 vCPUs, up to APIC id 1"),
            std::string::npos)
      << connection->reason();
  EXPECT_EQ(daemon_.Ctl("vcpu list").size(), 0u);
}

TEST_F(PvscheddTest, ThreadCannotBeBoundToTwoVcpus) {
  auto connection = Connect();
  for (uint32_t i = 0; i < 2; ++i) {
    ASSERT_EQ(connection->Register(i, vm_->memory(), MiniVm::record_offset(0)), 0);
  }
  EXPECT_EQ(connection->Thread(0, vm_->tid(0)), 0);
  EXPECT_EQ(connection->Thread(1, vm_->tid(0)), EEXIST);
}

TEST_F(PvscheddTest, BadRegistrationIsRefusedAndLeavesNoState) {
  auto connection = Connect();
  EXPECT_EQ(connection->Register(0, vm_->memory(), 0x4001), EINVAL);
  EXPECT_EQ(connection->Register(0, vm_->memory(), uint64_t{1} << 40), EINVAL);
  EXPECT_EQ(connection->Register(0, vm_->memory(), ~uint64_t{0} << 8), EINVAL);
  EXPECT_EQ(connection->Register(0, -1, 0x4000), EINVAL);
  const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(connection->Register(0, file.get(), 0), EINVAL);
  EXPECT_NE(connection->reason().find("memory-backend-memfd"), std::string::npos);
  EXPECT_EQ(connection->Hello(getpid(), "again"), EEXIST);
  EXPECT_EQ(daemon_.Ctl("vcpu list").size(), 0u);
  EXPECT_EQ(connection->Register(0, vm_->memory(), 0x4000), 0);
  EXPECT_EQ(connection->Register(0, vm_->memory(), 0x4100), EEXIST);
}

TEST_F(PvscheddTest, MalformedMessageEndsTheConnection) {
  for (const std::string& garbage :
       {std::string("x"), std::string(128, '\0'), std::string(4096, '\xff')}) {
    ControlConnection connection(daemon_.path("device.sock"));
    ASSERT_EQ(send(connection.fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(garbage.size()));
    char byte;
    EXPECT_EQ(recv(connection.fd(), &byte, 1, 0), 0);
  }
  EXPECT_EQ(Connect()->Register(0, vm_->memory(), 0x4000), 0);
}

TEST_F(PvscheddTest, DeviceCannotRegisterAVmmOfAnotherUser) {
  ASSERT_EQ(chmod(daemon_.path("device.sock").c_str(), 0666), 0);
  ASSERT_EQ(chmod(daemon_.path("").c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) _exit(99);
    ControlConnection connection(daemon_.path("device.sock"));
    _exit(connection.Hello(getppid(), "stolen"));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

TEST_F(PvscheddTest, ManyRegistrationsLeakNoDescriptor) {
  auto connection = ConnectAndBind();
  const size_t before = OpenDescriptors(daemon_.pid());
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(connection->Withdraw(0), 0);
    ASSERT_EQ(connection->Register(0, vm_->memory(), MiniVm::record_offset(0)), 0);
    ASSERT_EQ(connection->Thread(0, vm_->tid(0)), 0);
  }
  EXPECT_EQ(OpenDescriptors(daemon_.pid()), before);
}

TEST_F(PvscheddTest, IdleDaemonDoesNotWakeUpAndStaysSmall) {
  auto connection = Connect();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const uint64_t before = StatusField(daemon_.pid(), "voluntary_ctxt_switches");
  std::this_thread::sleep_for(std::chrono::seconds(2));
  EXPECT_EQ(StatusField(daemon_.pid(), "voluntary_ctxt_switches"), before);
  const uint64_t rss_kib = StatusField(daemon_.pid(), "VmRSS");
  printf("pvschedd VmRSS %lu KiB\n", rss_kib);
  if (!PVSCHED_IS_SANITIZED) {
    EXPECT_LE(rss_kib, 30u * 1024);
  }
}

TEST_F(PvscheddTest, SecondDaemonIsRefused) {
  const std::string command =
      std::string(PVSCHEDD_PATH) + " --state-dir " + daemon_.path("") + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  char line[512] = "";
  EXPECT_NE(fgets(line, sizeof(line), pipe), nullptr);
  EXPECT_EQ(WEXITSTATUS(pclose(pipe)), 1);
  EXPECT_NE(std::string(line).find("another pvschedd runs"), std::string::npos) << line;
}

TEST_F(PvscheddTest, FirstActuatorThatWorksIsChosen) {
  HostDaemon other;
  ASSERT_TRUE(other.Start({"--actuator", "kfunc,agent"}));
  const bool has_module = std::filesystem::exists("/dev/" PVSCHED_HOST_DEVICE);
  EXPECT_EQ(other.Ctl("scheduler status")["actuator"], has_module ? "kfunc" : "agent");
}

TEST_F(PvscheddTest, UnknownActuatorIsNamed) {
  const std::string command = std::string(PVSCHEDD_PATH) + " --actuator agent,fast 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  char line[512] = "";
  EXPECT_NE(fgets(line, sizeof(line), pipe), nullptr);
  EXPECT_EQ(WEXITSTATUS(pclose(pipe)), 2);
  EXPECT_NE(std::string(line).find("'fast' is no actuator"), std::string::npos) << line;
}

// Prints each program's cost, as the kernel accounts it. Asserts only that
// programs ran.
TEST_F(PvscheddTest, ProgramCostIsAccounted) {
  const UniqueFd stats = AccountProgramCosts();
  ASSERT_TRUE(stats) << "the kernel does not account BPF run time";
  auto connection = ConnectAndBind();
  vm_->SetPause(std::chrono::microseconds(0));
  vm_->SetIntent(0, kUrgent);
  const uint64_t exits = vm_->exits(0);
  ASSERT_TRUE(Eventually([&] { return vm_->exits(0) > exits + 20000; }));
  const auto costs = ProgramCosts();
  for (const auto& [name, cost] : costs) {
    printf("%-16s %8lu runs, mean %.0f ns\n", name.c_str(), cost.runs, cost.mean_ns());
  }
  EXPECT_GE(costs.size(), 2u);
}

}  // namespace
}  // namespace pvsched
