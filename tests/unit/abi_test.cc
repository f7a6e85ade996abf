// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "gtest/gtest.h"
#include "pvsched_abi.h"

extern "C" unsigned long pvsched_record_size_in_c();

namespace {

using Bytes = std::array<uint8_t, PVSCHED_RECORD_SIZE>;

TEST(Abi, CAndCxxAgreeOnTheRecord) {
  EXPECT_EQ(pvsched_record_size_in_c(), sizeof(pvsched_record));
}

// A record that differs from these bytes is not version 1.0.
TEST(Abi, RecordMatchesGoldenBytes) {
  pvsched_record record{};
  record.magic = PVSCHED_MAGIC;
  record.version = 1;
  record.size = PVSCHED_RECORD_SIZE;
  record.vcpu_id = 0x01020304;
  record.nonce = 0x1112131415161718;
  record.preempt_count_addr = 0x2122232425262728;
  record.preempt_count_mask = 0x7fffffff;
  record.intent = pvsched_word(PVSCHED_POLICY_RR, 0, 8, PVSCHED_INTENT_HARDIRQ);
  record.waiting = pvsched_word(PVSCHED_POLICY_NORMAL, -20, 0, PVSCHED_WAITING_VALID);
  record.irq_ack = 0x31323334;
  record.grant = pvsched_word(PVSCHED_POLICY_FIFO, 0, 5, PVSCHED_GRANT_BOOSTED);
  record.irq_ticket = 0x41424344;
  record.throttle_count = 0x51525354;
  record.boosted_ns = 0x6162636465666768;

  Bytes golden{};
  auto put = [&golden](size_t offset, std::initializer_list<uint8_t> bytes) {
    for (uint8_t byte : bytes) golden[offset++] = byte;
  };
  put(0, {'P', 'V', 'C', 'D', 1, 0, 0, 1, 4, 3, 2, 1});
  put(16, {0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11});
  put(24, {0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0xff, 0xff, 0xff, 0x7f});
  put(64, {2, 0, 8, 0x02});
  put(72, {0, 0xec, 0, 0x01});
  put(80, {0x34, 0x33, 0x32, 0x31});
  put(128, {1, 0, 5, 0x01});
  put(136, {0x44, 0x43, 0x42, 0x41, 0x54, 0x53, 0x52, 0x51});
  put(144, {0x68, 0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x61});

  Bytes actual;
  std::memcpy(actual.data(), &record, sizeof(record));
  EXPECT_EQ(actual, golden);
}

TEST(Abi, WordGivesBackWhatWasPutIn) {
  for (int nice = -20; nice <= 19; ++nice) {
    const uint64_t word = pvsched_word(PVSCHED_POLICY_BATCH, nice, 99, 0x81);
    EXPECT_EQ(pvsched_word_policy(word), uint32_t{PVSCHED_POLICY_BATCH});
    EXPECT_EQ(pvsched_word_nice(word), nice);
    EXPECT_EQ(pvsched_word_rt_prio(word), 99u);
    EXPECT_EQ(pvsched_word_flags(word), 0x81u);
    EXPECT_EQ(word >> 32, 0u);
  }
}

TEST(Abi, ZeroWordIsAnOrdinaryTask) { EXPECT_EQ(pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, 0), 0u); }

}  // namespace
