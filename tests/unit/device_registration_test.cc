// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Registration and withdrawal of records by the guest, and reset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/device_fixture.h"

namespace pvsched {
namespace {

using ::testing::_;
using ::testing::Return;

class DeviceRegistrationTest : public DeviceTest {};

TEST_F(DeviceRegistrationTest, RegistrationPassesTheRecordToTheSink) {
  Negotiate();
  PutRecord(kBase + 0x300, 2);
  EXPECT_CALL(sink_, Register(2, RecordAt(0x300u))).WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(2, kBase + 0x300), PVSCHED_RESULT_OK);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), kBase + 0x300);
  Write32(PVSCHED_REG_VCPU_SELECT, 1);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), 0u);
}

// Each request also has all faults that are checked later.
TEST_F(DeviceRegistrationTest, BadRequestsFailWithTheFirstApplicableResult) {
  EXPECT_CALL(sink_, Register(_, _)).Times(0);
  const uint64_t unaligned_unmapped = 0x1001;
  EXPECT_EQ(Register(4, unaligned_unmapped), PVSCHED_RESULT_NOT_READY);
  Negotiate();
  EXPECT_EQ(Register(4, unaligned_unmapped), PVSCHED_RESULT_BAD_VCPU);
  EXPECT_EQ(Register(3, unaligned_unmapped), PVSCHED_RESULT_UNALIGNED);
  EXPECT_EQ(Register(3, 0x1000), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Register(3, kReadOnlyBase), PVSCHED_RESULT_READ_ONLY);
  EXPECT_EQ(Register(3, kBase), PVSCHED_RESULT_BAD_RECORD);
  ::testing::Mock::VerifyAndClearExpectations(&sink_);

  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(0, unaligned_unmapped), PVSCHED_RESULT_ALREADY);
  EXPECT_EQ(Register(3, kBase), PVSCHED_RESULT_IN_USE) << "checked before the vCPU id";
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
}

TEST_F(DeviceRegistrationTest, RequestsAfterFailedStatusAreNotReady) {
  Negotiate();
  PutRecord(kBase, 0);
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_FAILED);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_NOT_READY);
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_NOT_READY);
}

TEST_F(DeviceRegistrationTest, AliasOfARegisteredRecordIsInUse) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(1, kAliasBase), PVSCHED_RESULT_IN_USE);
}

TEST_F(DeviceRegistrationTest, WrongHeaderFieldIsABadRecord) {
  Negotiate();
  const auto register_with = [&](auto spoil) {
    PutRecord(kBase, 0);
    spoil(*memory_.At(kBase));
    return Register(0, kBase);
  };
  EXPECT_EQ(register_with([](auto& r) { r.magic ^= 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(register_with([](auto& r) { r.version += 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(register_with([](auto& r) { r.size = 128; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(register_with([](auto& r) { r.vcpu_id = 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), kNonce) << "shows the guest that memory is shared";
  EXPECT_EQ(register_with([](auto& r) { r.reserved1[0] = 1; }), PVSCHED_RESULT_OK)
      << "reserved fields are ignored";
}

TEST_F(DeviceRegistrationTest, NonceIsZeroWhenTheRecordWasNotRead) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  ASSERT_EQ(Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(Register(1, 0x1000), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), 0u);
}

TEST_F(DeviceRegistrationTest, RecordInATruncatedFileIsNotMapped) {
  Negotiate();
  PutRecord(kBase, 0);
  memory_.is_truncated = true;
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_NOT_MAPPED);
}

TEST_F(DeviceRegistrationTest, RecordMustEndWithinMemory) {
  Negotiate();
  PutRecord(kBase + kSize - 256, 0);
  EXPECT_EQ(Register(0, kBase + kSize - 256), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(1, kBase + kSize), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Register(1, UINT64_MAX - 255), PVSCHED_RESULT_NOT_MAPPED);
}

TEST_F(DeviceRegistrationTest, RecordThatTheHostRefusesIsNotRegistered) {
  Negotiate();
  PutRecord(kBase, 0);
  EXPECT_CALL(sink_, Register(0, _))
      .WillOnce(Return(absl::PermissionDeniedError("too many")))
      .WillOnce(Return(absl::DeadlineExceededError("no reply")))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_REFUSED);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_REFUSED], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_HOST_TIMEOUT], 1u);
}

TEST_F(DeviceRegistrationTest, VcpuCanRegisterAgainAfterWithdrawal) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(1)).WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Withdraw(1), PVSCHED_RESULT_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  PutRecord(kBase + 256, 1);
  EXPECT_EQ(Register(1, kBase + 256), PVSCHED_RESULT_OK);
}

TEST_F(DeviceRegistrationTest, WithdrawalCanBeRepeatedUntilTheHostConfirms) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(1))
      .Times(2)
      .WillOnce(Return(absl::DeadlineExceededError("no reply")))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Withdraw(1), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Withdraw(1), PVSCHED_RESULT_OK);
}

TEST_F(DeviceRegistrationTest, StatusZeroWithdrawsAllRecordsAndClearsRegisters) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, WithdrawAll()).WillOnce(Return(absl::OkStatus()));
  Write32(PVSCHED_REG_STATUS, 0);
  for (const uint64_t reg : {PVSCHED_REG_STATUS, PVSCHED_REG_RESULT, PVSCHED_REG_REGISTERED,
                             PVSCHED_REG_VCPU_SELECT, PVSCHED_REG_DRIVER_VERSION}) {
    EXPECT_EQ(Read32(reg), 0u) << reg;
  }
  EXPECT_EQ(Read64(PVSCHED_REG_DRIVER_FEATURES), 0u);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), 0u);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), 0u);
}

TEST_F(DeviceRegistrationTest, UnconfirmedResetReportsHostTimeout) {
  Negotiate();
  EXPECT_CALL(sink_, WithdrawAll()).WillRepeatedly(Return(absl::DeadlineExceededError("no reply")));
  Write32(PVSCHED_REG_STATUS, 0);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_FALSE(device_.Reset());
}

TEST_F(DeviceRegistrationTest, CountersCountFailuresByResult) {
  Register(0, kBase);
  Negotiate();
  Register(9, kBase);
  Register(0, kBase);
  Register(0, kBase);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_NOT_READY], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_BAD_VCPU], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_BAD_RECORD], 2u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_OK], 0u);
}

}  // namespace
}  // namespace pvsched
