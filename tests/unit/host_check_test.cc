// SPDX-License-Identifier: Apache-2.0
#include "host-policy/loader/host_check.h"

#include "gtest/gtest.h"

namespace pvsched {
namespace {

TEST(HostCheck, KernelsFrom613OnAreNewEnough) {
  EXPECT_TRUE(CheckKernelRelease("6.13.0").ok());
  EXPECT_TRUE(CheckKernelRelease("6.18.15+deb13-cloud-amd64").ok());
  EXPECT_TRUE(CheckKernelRelease("7.3.4+deb13-cloud-amd64").ok());
}

TEST(HostCheck, OlderKernelIsToldWhatIsNeeded) {
  for (const char* release : {"6.12.107+deb13-amd64", "5.10.0-30-amd64"}) {
    const absl::Status status = CheckKernelRelease(release);
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_NE(status.message().find("6.13 or newer"), absl::string_view::npos) << status;
  }
}

TEST(HostCheck, UnreadableReleaseIsNamed) {
  EXPECT_NE(CheckKernelRelease("linux").message().find("'linux'"), absl::string_view::npos);
}

}  // namespace
}  // namespace pvsched
