// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvschedctl's tunables and profiles, with a real pvschedd and a VM "test-vm".
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/config_file.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

class PvschedctlTunableTest : public PvscheddTest {
 protected:
  // The exit status; standard error goes to error_.
  int Run(const std::string& arguments) {
    const std::string file = daemon_.path("error");
    int status = -1;
    daemon_.Ctl(arguments + " 2>" + file, &status);
    std::ifstream stream(file);
    error_ = {std::istreambuf_iterator<char>(stream), {}};
    return status;
  }
  std::string Value(const std::string& arguments) {
    return daemon_.Ctl("tunable get " + arguments).value("value", "none");
  }
  void RestartWith(const std::string& text) {
    ASSERT_EQ(daemon_.Stop(SIGTERM), 0);
    std::ofstream(file_) << text;
    ASSERT_TRUE(daemon_.Start({"--config", file_}));
  }

  std::string error_;
  const std::string file_ = daemon_.path("pvsched.toml");
};

TEST_F(PvschedctlTunableTest, NameOfNoVmIsRefusedUnlessItIsForAFutureVm) {
  auto connection = Connect();
  for (const char* command : {"set budget 300", "get budget", "list", "reset"}) {
    EXPECT_EQ(Run(std::string("tunable ") + command + " --vm tset-vm"), 1) << command;
    EXPECT_THAT(error_, HasSubstr("no VM 'tset-vm' runs here")) << command;
  }
  EXPECT_EQ(Run("profile set untrusted --vm tset-vm"), 1);
  EXPECT_EQ(Run("tunable set budget 300 --vm test-vm"), 0);
  EXPECT_EQ(Run("tunable set budget 400 --vm tset-vm --future"), 0);
  EXPECT_EQ(Value("budget --vm tset-vm"), "400") << "the name is known now";
  EXPECT_EQ(Value("budget"), "700");
}

TEST_F(PvschedctlTunableTest, NameWithASpaceIsThatOfTheVm) {
  RestartWith("[vm.\"my vm\"]\nweight = 5\n");
  auto connection = Connect("my vm");
  EXPECT_EQ(Value("weight --vm 'my vm'"), "5");
  EXPECT_EQ(Run("tunable set budget 300 --vm 'my vm'"), 0) << error_;
  EXPECT_EQ(Value("budget --vm my_vm"), "300");
  EXPECT_EQ(daemon_.Ctl("stats --vm 'my vm'")["vms"], 1);
  EXPECT_EQ(Run("tunable set budget 300 --future --vm " + std::string(88, 'x')), 1);
  EXPECT_THAT(error_, HasSubstr("at most 87 bytes"));
}

TEST_F(PvschedctlTunableTest, ResetRestoresWhatTheFileSays) {
  RestartWith("[host]\nbudget = 600\n[vm.a]\nweight = 5\n");
  EXPECT_EQ(Run("tunable set budget 300"), 0);
  EXPECT_EQ(Run("tunable set window 2000"), 0);
  EXPECT_EQ(Run("tunable set weight 7 --vm a"), 0);
  EXPECT_EQ(Run("tunable reset budget"), 0);
  EXPECT_EQ(Value("budget"), "600");
  EXPECT_EQ(Value("window"), "2000");
  EXPECT_EQ(Run("tunable reset"), 0);
  EXPECT_EQ(Value("window"), "1000");
  EXPECT_EQ(Value("weight --vm a"), "7");
  EXPECT_EQ(Run("tunable reset --all"), 0);
  EXPECT_EQ(Value("weight --vm a"), "5");
}

TEST_F(PvschedctlTunableTest, ResetThatBreaksARuleIsRefusedAndChangesNothing) {
  EXPECT_EQ(Run("tunable set window 2000"), 0);
  EXPECT_EQ(Run("tunable set budget 1500"), 0);
  EXPECT_EQ(Run("tunable reset window"), 1);
  EXPECT_THAT(error_, HasSubstr("must not exceed window"));
  EXPECT_EQ(Value("window"), "2000");
}

TEST_F(PvschedctlTunableTest, SavedFileHasTheValuesInForceAndTheOtherKeysOfTheFile) {
  RestartWith("[pvschedd]\nagent-priority = 60\n[host]\nbudget = 600\n[scx]\nslice-max = 8000\n");
  EXPECT_EQ(Run("tunable set mode observe"), 0);
  EXPECT_EQ(Run("tunable set budget 300 --vm a.b --future"), 0);
  EXPECT_EQ(Run("profile set untrusted --uid root"), 0);
  const std::string saved = daemon_.path("saved.toml");
  EXPECT_EQ(Run("tunable save " + saved), 0) << error_;
  const auto config = LoadConfig(saved);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->service, (ServiceKeys{{"agent-priority", "60"}}));
  EXPECT_EQ(config->scx_params, (ScxParams{{"slice-max", 8000}}));
  EXPECT_EQ(config->tunables.Find({.uid = 0})->profile, "untrusted");
  EXPECT_EQ(config->tunables.Find({.vm = "a.b"})->values.size(), 1u);
  EXPECT_EQ(config->tunables.Find({})->values.size(), 2u);
  EXPECT_EQ(Run("tunable save " + saved), 1) << "an existing file is kept";
  EXPECT_THAT(error_, HasSubstr("--force"));
  EXPECT_EQ(Run("tunable save --force " + saved), 0) << error_;
  EXPECT_EQ(Run("tunable save --force /dev/full"), 1);
}

TEST_F(PvschedctlTunableTest, ProfileReplacesTheVmsOwnValuesDuringABoost) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  EXPECT_EQ(Run("tunable set max-rt-prio 5 --vm test-vm"), 0);
  ASSERT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 5); }));
  EXPECT_EQ(Run("profile set untrusted --vm test-vm"), 0) << error_;
  EXPECT_EQ(Value("max-rt-prio --vm test-vm"), "1");
  EXPECT_EQ(Value("max-rt-prio"), "8");
  EXPECT_TRUE(Eventually([&] { return !HasPolicy(0, PVSCHED_POLICY_RR, 5); }));
  EXPECT_EQ(Run("profile set colour --vm test-vm"), 1);
  EXPECT_THAT(error_, HasSubstr("the profiles are trusted, untrusted"));
}

TEST_F(PvschedctlTunableTest, ValueThatWouldNotHoldForTheRunningVmIsRefused) {
  RestartWith("[uid.0]\nprofile = \"untrusted\"\n[vm.other]\nuid = 12345\n");
  auto connection = Connect();
  EXPECT_EQ(Run("tunable set budget 300 --vm test-vm"), 1);
  EXPECT_THAT(error_, HasSubstr("[uid.0] overrides [vm.test-vm]"));
  EXPECT_EQ(Run("tunable set weight 300 --vm test-vm"), 0) << "the profile sets no weight";
  EXPECT_EQ(Run("tunable set budget 300 --uid root"), 0) << error_;
  EXPECT_EQ(Value("budget --vm test-vm"), "300");
  auto second = std::make_unique<ControlConnection>(daemon_.path("device.sock"));
  connection->Close();
  ASSERT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  ASSERT_EQ(second->Hello(getpid(), "other"), 0);
  EXPECT_EQ(Run("tunable set budget 301 --vm other"), 1);
  EXPECT_THAT(error_, HasSubstr("is for VMs of user 12345"));
}

}  // namespace
}  // namespace pvsched
