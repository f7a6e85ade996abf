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

// A directory in place of /sys/module. Without SetParameter() no KVM module is loaded.
class UnseenInterruptsTest : public testing::Test {
 protected:
  // ctest runs tests as processes, several at once.
  void SetUp() override {
    modules_ =
        std::filesystem::path(testing::TempDir()) / ("pvsched-module-" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(modules_); }
  void SetParameter(const std::string& module, const std::string& name, char value) {
    const std::filesystem::path parameters = modules_ / module / "parameters";
    std::filesystem::create_directories(parameters);
    std::ofstream(parameters / name) << value << '\n';
  }
  std::filesystem::path modules_;
};

TEST_F(UnseenInterruptsTest, NothingIsNamedIfAllAreSeen) {
  EXPECT_THAT(UnseenInterrupts(true, modules_), testing::IsEmpty());
  SetParameter("kvm_intel", "preemption_timer", 'N');
  SetParameter("kvm_intel", "enable_apicv", 'Y');
  SetParameter("kvm_intel", "enable_ipiv", 'N');
  SetParameter("kvm_intel", "enable_device_posted_irqs", 'N');
  EXPECT_THAT(UnseenInterrupts(true, modules_), testing::IsEmpty());
}

TEST_F(UnseenInterruptsTest, PreemptionTimerIsNamedWithItsCure) {
  SetParameter("kvm_intel", "preemption_timer", 'Y');
  EXPECT_THAT(UnseenInterrupts(true, modules_),
              testing::ElementsAre(testing::HasSubstr("preemption_timer=0")));
}

TEST_F(UnseenInterruptsTest, VirtualIpisOfIntelAreNamedWithTheirCure) {
  SetParameter("kvm_intel", "enable_ipiv", 'Y');
  EXPECT_THAT(UnseenInterrupts(true, modules_), testing::IsEmpty()) << "without APICv";
  SetParameter("kvm_intel", "enable_apicv", 'Y');
  EXPECT_THAT(UnseenInterrupts(true, modules_),
              testing::ElementsAre(testing::HasSubstr("enable_ipiv=0")));
  // AMD's processor exits to KVM if the target does not run.
  SetParameter("kvm_amd", "enable_ipiv", 'Y');
  EXPECT_THAT(UnseenInterrupts(true, modules_), testing::SizeIs(1));
}

TEST_F(UnseenInterruptsTest, InterruptsOfTheIommuAreNamedWithTheirCure) {
  SetParameter("kvm_amd", "enable_device_posted_irqs", 'Y');
  EXPECT_THAT(UnseenInterrupts(true, modules_),
              testing::ElementsAre(testing::HasSubstr("kvm_amd's enable_device_posted_irqs=0")));
}

TEST_F(UnseenInterruptsTest, KernelWithoutAKickHookIsNamed) {
  EXPECT_THAT(UnseenInterrupts(false, modules_),
              testing::ElementsAre(testing::HasSubstr("this kernel")));
}

}  // namespace
}  // namespace pvsched
