// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Records while memory is removed and added, and the preempt count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <random>

#include "tests/unit/device_fixture.h"

namespace pvsched {
namespace {

using ::testing::_;
using ::testing::InSequence;
using ::testing::Return;

class DeviceMemoryTest : public DeviceTest {};

TEST_F(DeviceMemoryTest, RecordsAreWithdrawnWithTheirMemoryAndRegisteredAgain) {
  Negotiate();
  PutRecord(kBase, 0);
  PutRecord(kBase + 256, 1);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1, kBase + 256), PVSCHED_RESULT_OK);
  {
    InSequence sequence;
    EXPECT_CALL(sink_, Withdraw(1)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(sink_, Register(1, RecordAt(256u))).WillOnce(Return(absl::OkStatus()));
  }
  device_.OnMemoryRemoving(kBase + 256, kSize);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.OnMemoryAdded();
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 2u);
}

TEST_F(DeviceMemoryTest, RemovalOfOtherMemoryWithdrawsNothing) {
  Negotiate();
  PutRecord(kBase + 256, 0);
  ASSERT_EQ(Register(0, kBase + 256), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(_)).Times(0);
  device_.OnMemoryRemoving(0, kBase + 256);
  device_.OnMemoryRemoving(kBase + 512, UINT64_MAX);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
}

TEST_F(DeviceMemoryTest, RecordIsNotRegisteredAgainInOtherMemory) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  device_.OnMemoryRemoving(0, UINT64_MAX);
  EXPECT_CALL(sink_, Register(_, _)).Times(0);
  memory_.is_present = false;
  device_.OnMemoryAdded();
  memory_.is_present = true;
  PutRecord(kBase, 0, kNonce + 1);
  device_.OnMemoryAdded();
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

// For any accesses, REGISTERED is the number of records that the sink has, and
// the sink gets none without FEATURES_OK.
TEST_F(DeviceMemoryTest, RandomAccessesKeepRegisteredCountEqualToTheSinks) {
  std::map<uint32_t, uint64_t> offsets;  // of the sink's records, by APIC id
  ON_CALL(sink_, Register(_, _))
      .WillByDefault([&](uint32_t vcpu_id, const RecordSink::Registration& registration) {
        EXPECT_TRUE(Read32(PVSCHED_REG_STATUS) & PVSCHED_STATUS_FEATURES_OK);
        EXPECT_TRUE(offsets.emplace(vcpu_id, registration.record.offset).second);
        return absl::OkStatus();
      });
  ON_CALL(sink_, Withdraw(_)).WillByDefault([&](uint32_t vcpu_id) {
    offsets.erase(vcpu_id);
    return absl::OkStatus();
  });
  ON_CALL(sink_, WithdrawAll()).WillByDefault([&] {
    offsets.clear();
    return absl::OkStatus();
  });
  for (uint32_t id = 0; id < 4; ++id) PutRecord(kBase + uint64_t{id} * PVSCHED_RECORD_SIZE, id);

  std::mt19937_64 random(1);
  const uint64_t values[] = {0,           1,       2,           3,
                             kReady,      kBase,   kBase + 256, kBase + 512,
                             kBase + 768, 0x10000, UINT64_MAX,  PVSCHED_VERSION};
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t value = values[random() % std::size(values)];
    switch (random() % 16) {
      case 0:
        device_.WriteBar0(random() % 0x60, random() % 10, random());
        break;
      case 1:
        if (random() % 8 == 0) device_.OnMemoryRemoving(kBase, 512);
        break;
      case 2:
        device_.OnMemoryAdded();
        break;
      case 3:
        if (random() % 16 == 0) device_.Reset();
        break;
      default:
        if (random() % 2) {
          device_.WriteBar0(0x18 + random() % 12 * 4, 4, value);
        } else {
          device_.WriteBar0(0x08 + random() % 10 * 8, 8, value);
        }
    }
    ASSERT_EQ(Read32(PVSCHED_REG_REGISTERED), offsets.size()) << "step " << i;
  }
}

TEST_F(DeviceMemoryTest, PreemptCountIsPassedWhenNegotiated) {
  Negotiate(kFeatures);
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = kBase + 0x804;
  memory_.At(kBase)->preempt_count_mask = 0x7fffffff;
  EXPECT_CALL(sink_, Register(0, RecordAt(0u)))
      .WillOnce([](uint32_t, const RecordSink::Registration& registration) {
        EXPECT_EQ(registration.features, kFeatures);
        EXPECT_EQ(registration.preempt_count.fd, FakeMemory::kFd);
        EXPECT_EQ(registration.preempt_count.offset, 0x804u);
        EXPECT_EQ(registration.preempt_count.length, sizeof(uint32_t));
        EXPECT_EQ(registration.preempt_count_mask, 0x7fffffffu);
        return absl::OkStatus();
      });
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
}

TEST_F(DeviceMemoryTest, RemovalOfTheCurrentPreemptCountWithdrawsTheRecord) {
  Negotiate(kFeatures);
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = kBase + 0x800;
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  device_.OnMemoryRemoving(kBase, 256);
  memory_.At(kBase)->preempt_count_addr = kBase + 0xc00;
  device_.OnMemoryAdded();
  ASSERT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.OnMemoryRemoving(kBase + 0x800, 4);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.OnMemoryRemoving(kBase + 0xc00, 4);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

TEST_F(DeviceMemoryTest, PreemptCountIsIgnoredWhenNotNegotiated) {
  Negotiate();
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = 0x1003;
  EXPECT_CALL(sink_, Register(0, RecordAt(0u)))
      .WillOnce([](uint32_t, const RecordSink::Registration& registration) {
        EXPECT_FALSE(registration.preempt_count.is_set());
        return absl::OkStatus();
      });
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
}

TEST_F(DeviceMemoryTest, UnmappedPreemptCountIsABadRecord) {
  Negotiate(kFeatures);
  for (const uint64_t address : {uint64_t{0x1000}, kBase + 0x802, kReadOnlyBase, ~uint64_t{3}}) {
    PutRecord(kBase, 0);
    memory_.At(kBase)->preempt_count_addr = address;
    EXPECT_CALL(sink_, Register(_, _)).Times(0);
    EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_BAD_RECORD) << address;
  }
}

}  // namespace
}  // namespace pvsched
