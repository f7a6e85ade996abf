// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What pvschedd does when its service has ended: exit, or restart without scx.
#include "host-policy/daemon/next_step.h"

#include <cerrno>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/selection.h"

namespace pvsched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kCommandLine = {"pvschedd", "--state-dir", "/run/x"};

TEST(NextStep, StoppedServiceExitsWithSuccess) {
  const NextStep next = DecideNextStep(RunResult::kStopped, kAllActuators, kCommandLine);
  EXPECT_EQ(next.exit_status, 0);
  EXPECT_THAT(next.command_line, IsEmpty());
}

TEST(NextStep, EjectedSchedulerRestartsWithTheOtherActuators) {
  const NextStep next = DecideNextStep(RunResult::kScxEjected, kAllActuators, kCommandLine);
  EXPECT_THAT(next.command_line,
              ElementsAre("pvschedd", "--state-dir", "/run/x", "--actuator", "kfunc,agent"));
}

TEST(NextStep, EjectedSchedulerRestartsWithTheActuatorsThatTheAdminListed) {
  const NextStep next = DecideNextStep(RunResult::kScxEjected, "scx,agent", kCommandLine);
  EXPECT_EQ(next.command_line.back(), "agent");
}

TEST(NextStep, EjectedSchedulerThatWasTheOnlyActuatorRestartsWithAllOthers) {
  const NextStep next = DecideNextStep(RunResult::kScxEjected, "scx", kCommandLine);
  EXPECT_EQ(next.command_line.back(), "kfunc,agent");
}

TEST(NextStep, RestartKeepsTheOptionBeforeABareDoubleDash) {
  const NextStep next = DecideNextStep(RunResult::kScxEjected, "scx,agent",
                                       {"pvschedd", "--state-dir", "/run/x", "--"});
  EXPECT_THAT(next.command_line,
              ElementsAre("pvschedd", "--state-dir", "/run/x", "--actuator", "agent"));
}

TEST(NextStep, RestartCannotRestartAgain) {
  const NextStep first = DecideNextStep(RunResult::kScxEjected, kAllActuators, kCommandLine);
  const NextStep second =
      DecideNextStep(RunResult::kScxEjected, first.command_line.back(), first.command_line);
  EXPECT_EQ(second.exit_status, 1);
  EXPECT_THAT(second.command_line, IsEmpty());
}

TEST(NextStep, ErrorAtStartUpExitsWhateverItsCode) {
  for (int error : {EAGAIN, EINTR, ECONNRESET, EBUSY, ENOENT}) {
    const NextStep next =
        DecideNextStep(absl::ErrnoToStatus(error, "signalfd"), kAllActuators, kCommandLine);
    EXPECT_EQ(next.exit_status, 1) << error;
    EXPECT_THAT(next.command_line, IsEmpty()) << error;
  }
}

TEST(ActuatorList, UnknownActuatorIsNamed) {
  EXPECT_TRUE(CheckActuators(kAllActuators).ok());
  EXPECT_THAT(CheckActuators("agent,fast").message(), testing::HasSubstr("'fast' is no actuator"));
}

}  // namespace
}  // namespace pvsched
