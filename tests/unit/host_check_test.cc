// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/host_check.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

TEST(HostCheck, KernelsFrom613OnAreNewEnough) {
  EXPECT_TRUE(CheckKernelRelease("6.13.0").ok());
  EXPECT_TRUE(CheckKernelRelease("6.18.15+deb13-cloud-amd64").ok());
  EXPECT_TRUE(CheckKernelRelease("7.3.4+deb13-cloud-amd64").ok());
}

TEST(HostCheck, OlderKernelIsRefusedWithTheMinimum) {
  for (const char* release : {"6.12.107+deb13-amd64", "5.10.0-30-amd64"}) {
    const absl::Status status = CheckKernelRelease(release);
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_NE(status.message().find("6.13 or newer"), absl::string_view::npos) << status;
  }
}

TEST(HostCheck, UnreadableReleaseIsNamed) {
  EXPECT_NE(CheckKernelRelease("linux").message().find("'linux'"), absl::string_view::npos);
}

TEST(HostCheck, ProgramsMaskPreemptionFrom615On) {
  EXPECT_FALSE(CanMaskPreemption("6.13.0"));
  EXPECT_FALSE(CanMaskPreemption("6.14.11-generic"));
  EXPECT_TRUE(CanMaskPreemption("6.15.0"));
  EXPECT_TRUE(CanMaskPreemption("7.3.4+deb13-cloud-amd64"));
  EXPECT_FALSE(CanMaskPreemption("linux"));
}

// A directory in place of /sys/module. Without SetPreemptionTimer() kvm_intel is not loaded.
class UnseenInterruptsTest : public testing::Test {
 protected:
  // ctest runs tests as processes, several at once.
  void SetUp() override {
    modules_ =
        std::filesystem::path(testing::TempDir()) / ("pvsched-module-" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(modules_); }
  void SetPreemptionTimer(char value) {
    const std::filesystem::path parameters = modules_ / "kvm_intel" / "parameters";
    std::filesystem::create_directories(parameters);
    std::ofstream(parameters / "preemption_timer") << value << '\n';
  }
  std::filesystem::path modules_;
};

TEST_F(UnseenInterruptsTest, ReasonIsEmptyIfAllAreSeen) {
  EXPECT_EQ(WhyInterruptsAreUnseen(true, modules_), "");
  SetPreemptionTimer('N');
  EXPECT_EQ(WhyInterruptsAreUnseen(true, modules_), "");
}

TEST_F(UnseenInterruptsTest, PreemptionTimerIsNamedWithItsCure) {
  SetPreemptionTimer('Y');
  EXPECT_THAT(WhyInterruptsAreUnseen(true, modules_), testing::HasSubstr("preemption_timer=0"));
}

TEST_F(UnseenInterruptsTest, KernelWithoutAKickHookIsNamed) {
  EXPECT_THAT(WhyInterruptsAreUnseen(false, modules_), testing::HasSubstr("this kernel"));
}

}  // namespace
}  // namespace pvsched
