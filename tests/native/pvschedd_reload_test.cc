// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// SIGHUP: the real pvschedd reads its configuration file again.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PvscheddReloadTest : public PvscheddTest {
 protected:
  void SetUp() override {
    auto vm = RunningVm(2);
    if (!vm.ok()) GTEST_SKIP() << vm.status().message();
    vm_ = *std::move(vm);
    Write("[host]\nmax-rt-prio = 8\n");
    ASSERT_TRUE(daemon_.Start({"--config", file_}, log_));
  }

  void Write(const std::string& text) { std::ofstream(file_) << text; }
  // Returns once pvschedd has read this text.
  void Reload(const std::string& text) {
    const std::string before = Log();
    Write(text);
    kill(daemon_.pid(), SIGHUP);
    EXPECT_TRUE(Eventually([&] { return Log() != before; })) << "no log line after SIGHUP";
  }
  std::string Log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string Tunable(const std::string& name) {
    return daemon_.Ctl("tunable get " + name).value("value", "none");
  }

  const std::string file_ = daemon_.path("pvsched.toml");
  const std::string log_ = daemon_.path("log");
};

TEST_F(PvscheddReloadTest, TunablesOfTheFileApplyDuringABoost) {
  auto connection = ConnectAndBind();
  vm_->SetIntent(0, kUrgent);
  ASSERT_TRUE(Eventually([&] { return IsBoosted(0); }));
  Reload("[host]\nmax-rt-prio = 3\n");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 3); }));
  Reload("[host]\nmax-rt-prio = 3\n[vm.test-vm]\nmax-rt-prio = 5\n");
  EXPECT_TRUE(Eventually([&] { return HasPolicy(0, PVSCHED_POLICY_RR, 5); }));
}

TEST_F(PvscheddReloadTest, FaultyFileChangesNothingAndIsLogged) {
  Reload("[host]\nmax-rt-prio = 3\n");
  EXPECT_EQ(Tunable("max-rt-prio"), "3");
  Reload("[host]\nmax-rt-prio = 4\nbudget = -1\n");
  EXPECT_TRUE(Eventually([&] { return Log().find("pvsched.toml:3: [host] budget") != Log().npos; }))
      << Log();
  EXPECT_EQ(Tunable("max-rt-prio"), "3");
  EXPECT_EQ(daemon_.Stop(SIGTERM), 0);
}

// A vCPU as urgent as the actuator's thread could keep it off the CPU, and no budget would hold.
TEST_F(PvscheddReloadTest, CapStaysBelowTheThreadThatRuns) {
  int status = 0;
  daemon_.Ctl("tunable set max-rt-prio 49 2>/dev/null", &status);
  EXPECT_EQ(status, 1);
  Reload("[pvschedd]\nagent-priority = 70\n[host]\nmax-rt-prio = 60\n");
  EXPECT_TRUE(Eventually([&] { return Log().find("(60) must be below") != Log().npos; })) << Log();
  EXPECT_EQ(Tunable("max-rt-prio"), "8");
}

TEST_F(PvscheddReloadTest, KeyThatNeedsARestartIsNamedAndItsOptionIsNot) {
  Reload(
      "[pvschedd]\nagent-priority = 60\nactuator = \"scx\"\n[scx]\nslice-max = 8000\n"
      "[host]\nbudget = 300\n");
  ASSERT_TRUE(Eventually([&] { return Tunable("budget") == "300"; }));
  ASSERT_TRUE(Eventually([&] { return Log().find("in force") != Log().npos; }));
  EXPECT_THAT(Log(), HasSubstr("[pvschedd] agent-priority = 60 needs a restart"));
  EXPECT_THAT(Log(), HasSubstr("[scx] slice-max = 8000 needs a restart"));
  // The command line of the test has --actuator.
  EXPECT_THAT(Log(), Not(HasSubstr("actuator = ")));
}

}  // namespace
}  // namespace pvsched
