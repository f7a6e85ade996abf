// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// How the driver finds out that the host no longer uses a record, and how often it looks
// for a lost device.
#include <cstdint>

#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/kernel_memory.h"
// Needs the macros above.
#include "guest-driver/pvsched_watch.h"

namespace {

constexpr uint32_t kDeviceId = uint32_t{PVSCHED_PCI_DEVICE_ID} << 16 | PVSCHED_PCI_VENDOR_ID;

class SampleTest : public testing::Test {
 protected:
  // As the driver does before each registration.
  void Register(uint64_t nonce) {
    record_ = {};
    record_.nonce = nonce;
  }
  uint32_t Sample() { return pvsched_sample_host_line(&last_, &record_); }

  pvsched_record record_ = {};
  pvsched_sample last_ = {};
};

TEST_F(SampleTest, CountsSamplesInWhichTheHostWroteNothing) {
  Register(1);
  EXPECT_EQ(Sample(), 1u);
  EXPECT_EQ(Sample(), 2u);
}

TEST_F(SampleTest, StopsToCountAtTheLimit) {
  Register(1);
  for (int i = 0; i < 2 * PVSCHED_SILENT_SAMPLES; ++i) Sample();
  EXPECT_EQ(Sample(), uint32_t{PVSCHED_SILENT_SAMPLES});
}

TEST_F(SampleTest, ATicketOrAGrantOfTheHostEndsTheCount) {
  Register(1);
  Sample();
  ++record_.irq_ticket;
  EXPECT_EQ(Sample(), 0u);
  EXPECT_EQ(Sample(), 1u);
  record_.grant = pvsched_word(PVSCHED_POLICY_RR, 0, 8, PVSCHED_GRANT_BOOSTED);
  EXPECT_EQ(Sample(), 0u);
  EXPECT_EQ(Sample(), 1u);
}

TEST_F(SampleTest, WordsOfTheGuestDoNotCount) {
  Register(1);
  Sample();
  record_.intent = pvsched_word(PVSCHED_POLICY_RR, 0, 8, 0);
  record_.waiting = record_.intent;
  ++record_.irq_ack;
  EXPECT_EQ(Sample(), 2u);
}

TEST_F(SampleTest, ARegistrationIsNoWriteOfTheHost) {
  Register(1);
  record_.irq_ticket = 7;
  EXPECT_EQ(Sample(), 0u);
  Register(2);
  EXPECT_EQ(Sample(), 1u);
}

TEST_F(SampleTest, AWriteRightAfterTheRegistrationCounts) {
  Register(1);
  record_.irq_ticket = 7;
  Sample();
  Register(2);
  record_.irq_ticket = 7;
  EXPECT_EQ(Sample(), 0u);
}

TEST(DeviceId, OnlyThePvschedDeviceIsWritten) {
  EXPECT_TRUE(pvsched_is_device_id(kDeviceId));
  EXPECT_FALSE(pvsched_is_device_id(~0u)) << "an empty slot";
  EXPECT_FALSE(pvsched_is_device_id(0));
  EXPECT_FALSE(pvsched_is_device_id(kDeviceId + 0x10000)) << "another device of this vendor";
}

TEST(ServedLater, IsARecordThatOnlyPvscheddDidNotAccept) {
  EXPECT_TRUE(pvsched_may_serve_later(PVSCHED_RESULT_REFUSED));
  EXPECT_TRUE(pvsched_may_serve_later(PVSCHED_RESULT_HOST_TIMEOUT));
  for (const pvsched_result result :
       {PVSCHED_RESULT_OK, PVSCHED_RESULT_NOT_READY, PVSCHED_RESULT_BAD_VCPU,
        PVSCHED_RESULT_NOT_MAPPED, PVSCHED_RESULT_READ_ONLY, PVSCHED_RESULT_BAD_RECORD}) {
    EXPECT_FALSE(pvsched_may_serve_later(result)) << result;
  }
}

TEST(RetryDelay, DoublesUpToItsLimit) {
  uint32_t delay_s = 0;
  for (const uint32_t wanted : {1u, 2u, 4u, 8u, 16u, 32u, 60u, 60u}) {
    delay_s = pvsched_retry_delay_s(delay_s, /*is_hung=*/0);
    EXPECT_EQ(delay_s, wanted);
  }
}

TEST(RetryDelay, IsLongAfterAHang) {
  uint32_t delay_s = 0;
  for (const uint32_t wanted : {60u, 120u, 240u, 480u, 600u, 600u}) {
    delay_s = pvsched_retry_delay_s(delay_s, /*is_hung=*/1);
    EXPECT_EQ(delay_s, wanted);
  }
  // The device is back, but does not serve the guest yet.
  EXPECT_EQ(pvsched_retry_delay_s(delay_s, /*is_hung=*/0), uint32_t{PVSCHED_RETRY_MAX_S});
}

}  // namespace
