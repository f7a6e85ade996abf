// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// DMA_MAP and DMA_UNMAP.
#include <gtest/gtest.h>

#include "tests/unit/vfio_user_server_fixture.h"

namespace pvsched {
namespace {

class VfioUserDmaTest : public VfioUserServerTest {};

TEST_F(VfioUserDmaTest, OnlyTheExactRegionIsUnmapped) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, kMiB, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(0xfffc0000, 0x40000, 0, -1), 0) << "ROM has no fd";
  EXPECT_EQ(client_->DmaUnmap(0, 2 * kMiB), ENOENT);
  EXPECT_EQ(client_->DmaUnmap(4096, kMiB - 4096), ENOENT);
  const auto reply =
      client_->Call(vfio_user::kDmaUnmap, ToBytes(vfio_user::DmaUnmap{24, 0, 0, kMiB}));
  EXPECT_EQ(reply.error(), 0);
  EXPECT_EQ(reply.payload, ToBytes(vfio_user::DmaUnmap{24, 0, 0, kMiB})) << "repeats the request";
  EXPECT_EQ(client_->DmaUnmap(0, kMiB), ENOENT);
  EXPECT_EQ(client_->DmaUnmap(0xfffc0000, 0x40000), 0);
}

TEST_F(VfioUserDmaTest, UnmapAllRemovesEveryRegion) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(kMiB, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaUnmap(0, kMiB, vfio_user::kUnmapAll), EINVAL)
      << "unmap-all with an address";
  EXPECT_EQ(memory_.size(), 2u);
  EXPECT_EQ(client_->DmaUnmap(0, 0, vfio_user::kUnmapAll), 0);
  EXPECT_EQ(memory_.size(), 0u);
}

TEST_F(VfioUserDmaTest, BadMappingsAreAnsweredWithErrors) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get(), /*flags=*/4), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, 0, 0, fd.get()), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, (uint64_t{8} << 40) + 4096, 0, -1), EINVAL) << "> 8 TiB";
  EXPECT_EQ(client_->DmaMap(UINT64_MAX - 4095, 8192, 0, -1), EINVAL) << "overflows";
  EXPECT_EQ(client_->DmaMap(0, 8 * kMiB, 0, fd.get()), EINVAL) << "beyond the end of the file";
  EXPECT_EQ(client_->DmaUnmap(0, kMiB, /*flags=*/1), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), EEXIST);
  EXPECT_EQ(
      Call(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{31, 3, 0, 8 * kMiB, kMiB}), {fd.get()}),
      EINVAL);
  EXPECT_EQ(Call(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{32, 3, 0, 8 * kMiB, kMiB}),
                 {fd.get(), fd.get()}),
            EINVAL);
  EXPECT_EQ(memory_.size(), 1u);
}

TEST_F(VfioUserDmaTest, MappingsAboveTheMaximumAreRefused) {
  Negotiate();
  for (size_t i = 0; i < MemoryMap::kMaxRegions; ++i) {
    ASSERT_EQ(client_->DmaMap(i * 4096, 4096, 0, -1), 0);
  }
  EXPECT_EQ(client_->DmaMap(kMiB << 10, 4096, 0, -1), ENOSPC);
}

TEST_F(VfioUserDmaTest, UnmapWithdrawsRecordsAndMapRegistersThemAgain) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->DmaUnmap(0, 4 * kMiB), 0);
  EXPECT_TRUE(sink_.offsets.empty());
  // Firmware maps the same memory in pieces.
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, memfd_.get()), 0);
  EXPECT_EQ(client_->DmaMap(kMiB, 3 * kMiB, kMiB, memfd_.get()), 0);
  EXPECT_EQ(sink_.offsets.size(), 1u);
  EXPECT_EQ(client_->Read32(PVSCHED_REG_REGISTERED), 1u);
}

}  // namespace
}  // namespace pvsched
