// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// REGION_READ and REGION_WRITE.
#include <gtest/gtest.h>
#include <linux/pci_regs.h>

#include "tests/unit/vfio_user_server_fixture.h"

namespace pvsched {
namespace {

using vfio_user::RegionAccess;

class VfioUserRegionTest : public VfioUserServerTest {};

TEST_F(VfioUserRegionTest, Bar0AccessesReachTheDevice) {
  NegotiateAll();
  EXPECT_EQ(client_->Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  EXPECT_EQ(client_->Read64(PVSCHED_REG_MAGIC), uint64_t{PVSCHED_VERSION} << 32 | PVSCHED_MAGIC);
  EXPECT_EQ(client_->Read<uint8_t>(vfio_user::kBar0, 3), PVSCHED_MAGIC >> 24);
  PutRecord(memfd_.get(), 0x2000, 5, kNonce);
  EXPECT_EQ(client_->Register(5, 0x2000), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(sink_.offsets[5], 0x2000u);
}

TEST_F(VfioUserRegionTest, LongBar0ReadEqualsSeparateReads) {
  Negotiate();
  const auto reply = client_->Call(vfio_user::kRegionRead,
                                   VfioUserTestClient::AccessPayload(vfio_user::kBar0, 1, 4095));
  ASSERT_EQ(reply.payload.size(), sizeof(RegionAccess) + 4095);
  EXPECT_EQ(reply.As<uint32_t>(sizeof(RegionAccess) + PVSCHED_REG_VERSION - 1), PVSCHED_VERSION);
  EXPECT_EQ(reply.As<uint8_t>(sizeof(RegionAccess)), PVSCHED_MAGIC >> 8 & 0xff);
}

TEST_F(VfioUserRegionTest, Bar0WritesOfOddWidthHaveNoEffect) {
  NegotiateAll();
  const uint32_t status = client_->Read32(PVSCHED_REG_STATUS);
  for (const uint32_t count : {1u, 2u, 3u, 5u, 16u, 4096u}) {
    const auto reply = client_->Call(
        vfio_user::kRegionWrite,
        VfioUserTestClient::AccessPayload(vfio_user::kBar0, PVSCHED_REG_STATUS, count) +
            Bytes(count));
    EXPECT_EQ(reply.error(), 0);
    EXPECT_EQ(reply.payload.size(), sizeof(RegionAccess));
  }
  EXPECT_EQ(client_->Read32(PVSCHED_REG_STATUS), status);
}

TEST_F(VfioUserRegionTest, PostedWriteTakesEffectWithoutReply) {
  Negotiate();
  client_->Write32(PVSCHED_REG_VCPU_SELECT, 3);
  EXPECT_TRUE(client_->Quiet());
  EXPECT_EQ(client_->Read32(PVSCHED_REG_VCPU_SELECT), 3u);
}

TEST_F(VfioUserRegionTest, BarIsSizedByConfigurationSpace) {
  Negotiate();
  client_->Write<uint32_t>(vfio_user::kConfig, PCI_BASE_ADDRESS_0, 0xffffffff);
  EXPECT_EQ(client_->Read<uint32_t>(vfio_user::kConfig, PCI_BASE_ADDRESS_0), 0xfffff000u);
}

TEST_F(VfioUserRegionTest, ReadBeyondConfigurationSpaceReturnsOnes) {
  Negotiate();
  const auto reply = client_->Call(vfio_user::kRegionRead,
                                   VfioUserTestClient::AccessPayload(vfio_user::kConfig, 0, 4096));
  ASSERT_EQ(reply.error(), 0);
  ASSERT_EQ(reply.payload.size(), sizeof(RegionAccess) + 4096);
  EXPECT_EQ(reply.As<uint16_t>(sizeof(RegionAccess) + PCI_DEVICE_ID), PVSCHED_PCI_DEVICE_ID);
  EXPECT_EQ(reply.As<uint32_t>(sizeof(RegionAccess) + 0x100), 0xffffffffu);
}

// Some clients ignore the error flag, so well-formed accesses succeed.
TEST_F(VfioUserRegionTest, EmptyRegionsReadOnesAndIgnoreWrites) {
  Negotiate();
  for (const uint32_t region : {1, 2, 3, 4, 5, 6, 8}) {
    EXPECT_EQ(client_->Read<uint32_t>(region, 0), 0xffffffffu);
    EXPECT_EQ(
        Call(vfio_user::kRegionWrite, VfioUserTestClient::AccessPayload(region, 0, 4) + Bytes(4)),
        0);
  }
  EXPECT_EQ(client_->Read<uint32_t>(vfio_user::kBar0, PVSCHED_BAR0_SIZE), 0xffffffffu);
}

TEST_F(VfioUserRegionTest, MalformedAccessesAreRefused) {
  Negotiate();
  const auto read = [&](uint32_t region, uint64_t offset, uint32_t count) {
    return Call(vfio_user::kRegionRead, VfioUserTestClient::AccessPayload(region, offset, count));
  };
  const auto write = [&](uint32_t region, uint64_t offset, uint32_t count, size_t bytes) {
    return Call(vfio_user::kRegionWrite,
                VfioUserTestClient::AccessPayload(region, offset, count) + Bytes(bytes));
  };
  EXPECT_EQ(read(9, 0, 4), EINVAL);
  EXPECT_EQ(read(0, UINT64_MAX, 2), EINVAL) << "overflows";
  EXPECT_EQ(read(0, 0, 0), EINVAL);
  EXPECT_EQ(read(0, 0, (1 << 20) + 1), EINVAL);
  EXPECT_EQ(write(9, 0, 4, 4), EINVAL);
  EXPECT_EQ(write(0, UINT64_MAX - 2, 4, 4), EINVAL);
  EXPECT_EQ(write(0, 0, 0, 0), EINVAL);
  EXPECT_EQ(write(0, 0, 4, 3), EINVAL) << "short";
  EXPECT_EQ(write(0, 0, 4, 5), EINVAL) << "long";
  EXPECT_EQ(write(0, 0, UINT32_MAX, 4), EINVAL);
  EXPECT_TRUE(server_);
}

}  // namespace
}  // namespace pvsched
