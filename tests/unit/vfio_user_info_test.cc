// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Device, region and interrupt information.
#include <gtest/gtest.h>

#include "tests/unit/vfio_user_server_fixture.h"

namespace pvsched {
namespace {

using vfio_user::DeviceInfo;
using vfio_user::IrqInfo;
using vfio_user::RegionInfo;
using vfio_user::SetIrqs;

class VfioUserInfoTest : public VfioUserServerTest {};

TEST_F(VfioUserInfoTest, DeviceInfoMeetsQemusRequirements) {
  Negotiate();
  for (const uint32_t argsz : {16u, 4096u}) {
    const auto reply =
        client_->Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{argsz, 0, 0, 0}));
    ASSERT_EQ(reply.error(), 0);
    ASSERT_EQ(reply.payload.size(), sizeof(DeviceInfo));
    const auto info = reply.As<DeviceInfo>();
    EXPECT_EQ(info.argsz, 16u);
    EXPECT_EQ(info.flags, 3u);
    EXPECT_EQ(info.num_regions, 9u);
    EXPECT_EQ(info.num_irqs, 5u);
  }
  EXPECT_EQ(Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{15, 0, 0, 0})), EINVAL);
}

TEST_F(VfioUserInfoTest, OnlyBar0AndConfigurationSpaceHaveASize) {
  Negotiate();
  for (uint32_t index = 0; index < 9; ++index) {
    const auto reply =
        client_->Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, index, 0, 0, 0}));
    ASSERT_EQ(reply.error(), 0);
    ASSERT_EQ(reply.payload.size(), sizeof(RegionInfo));
    const auto info = reply.As<RegionInfo>();
    const uint64_t size = index == 0 ? 4096 : index == 7 ? 256 : 0;
    EXPECT_EQ(info.argsz, 32u);
    EXPECT_EQ(info.index, index);
    EXPECT_EQ(info.size, size);
    EXPECT_EQ(info.flags, size ? 3u : 0u) << "readable, writable, not mappable";
    EXPECT_EQ(info.cap_offset, 0u);
  }
}

TEST_F(VfioUserInfoTest, RegionInfoWithBadIndexOrArgszIsRefused) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, 9, 0, 0, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, UINT32_MAX, 0, 0, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{31, 0, 0, 0, 0, 0})), EINVAL);
  const auto reply =
      client_->Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{4096, 0, 0, 0, 0, 0}) + Bytes(64));
  EXPECT_EQ(reply.payload.size(), sizeof(RegionInfo)) << "without capabilities";
  EXPECT_EQ(reply.As<RegionInfo>().argsz, 32u);
}

TEST_F(VfioUserInfoTest, InterruptTypesHaveCountZero) {
  Negotiate();
  for (uint32_t index = 0; index < 5; ++index) {
    const auto reply = client_->Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{16, 0, index, 7}));
    ASSERT_EQ(reply.error(), 0);
    EXPECT_EQ(reply.As<IrqInfo>().count, 0u);
    EXPECT_EQ(reply.As<IrqInfo>().index, index);
  }
  EXPECT_EQ(Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{16, 0, 5, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{15, 0, 0, 0})), EINVAL);
}

struct SetIrqsCase {
  const char* name;
  SetIrqs request;
  size_t extra_bytes;
  size_t fds;
  int error;
};

class VfioUserSetIrqsTest : public VfioUserServerTest,
                            public ::testing::WithParamInterface<SetIrqsCase> {};

TEST_P(VfioUserSetIrqsTest, IsAcceptedOnlyToDisable) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4096);
  const SetIrqsCase& c = GetParam();
  EXPECT_EQ(Call(vfio_user::kSetIrqs, ToBytes(c.request) + Bytes(c.extra_bytes),
                 std::vector<int>(c.fds, fd.get())),
            c.error);
  EXPECT_TRUE(server_);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, VfioUserSetIrqsTest,
    ::testing::Values(SetIrqsCase{"ArgszTooSmall", {19, 0x21, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"Disable", {20, 0x21, 2, 0, 0}, 0, 0, 0},
                      SetIrqsCase{"DisableEvery", {20, 0x21, 4, 0, 0}, 0, 0, 0},
                      SetIrqsCase{"BadIndex", {20, 0x21, 5, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"NoData", {20, 0x20, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"NoAction", {20, 0x01, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"TwoKindsOfData", {20, 0x23, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"TwoActions", {20, 0x31, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"UnknownFlag", {20, 0x61, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"StartBeyondEnd", {20, 0x21, 0, 1, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"CountBeyondEnd", {20, 0x21, 0, 0, 1}, 0, 0, EINVAL},
                      SetIrqsCase{"CountOverflows", {20, 0x21, 0, 1, 0xffffffff}, 0, 0, EINVAL},
                      SetIrqsCase{"EnableByEventfd", {20, 0x24, 0, 0, 1}, 0, 1, EINVAL},
                      SetIrqsCase{"MoreFdsThanCount", {20, 0x24, 0, 0, 0}, 0, 1, EINVAL},
                      SetIrqsCase{"FdsWithNone", {20, 0x21, 0, 0, 0}, 0, 2, EINVAL},
                      SetIrqsCase{"FdsWithBool", {20, 0x22, 0, 0, 0}, 0, 1, EINVAL},
                      SetIrqsCase{"Bools", {21, 0x22, 0, 0, 1}, 1, 0, EINVAL},
                      SetIrqsCase{"BoolsMissing", {20, 0x22, 0, 0, 8}, 0, 0, EINVAL}),
    [](const auto& test_case) { return test_case.param.name; });

}  // namespace
}  // namespace pvsched
