// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "gtest/gtest.h"
#include "guest-driver/pvsched_task_word.h"
#include "host-policy/core/priority_word.h"
#include "pvsched_abi.h"

extern "C" size_t pvsched_record_size_in_c();

namespace {

using Bytes = std::array<uint8_t, PVSCHED_RECORD_SIZE>;

TEST(Abi, CAndCxxAgreeOnTheRecord) {
  EXPECT_EQ(pvsched_record_size_in_c(), sizeof(pvsched_record));
}

// Version 1.0 of the record has exactly these bytes.
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

TEST(Abi, PriorityWordKeepsEachField) {
  for (int nice = -20; nice <= 19; ++nice) {
    const uint64_t word = pvsched_word(PVSCHED_POLICY_BATCH, nice, 99, 0x81);
    EXPECT_EQ(pvsched_word_policy(word), uint32_t{PVSCHED_POLICY_BATCH});
    EXPECT_EQ(pvsched_word_nice(word), nice);
    EXPECT_EQ(pvsched_word_rt_prio(word), 99u);
    EXPECT_EQ(pvsched_word_flags(word), 0x81u);
    EXPECT_EQ(word >> 32, 0u);
  }
}

TEST(Abi, PriorityWordOfANormalTaskAtNiceZeroIsZero) {
  EXPECT_EQ(pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, 0), 0u);
}

// All valid priority words without flags, in ascending order of urgency; words of
// equal urgency share a group.
std::vector<std::vector<uint64_t>> ValidWordsByUrgency() {
  std::vector<std::vector<uint64_t>> groups = {{pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0)}};
  for (int nice = 19; nice >= -20; --nice) {
    groups.push_back({pvsched_word(PVSCHED_POLICY_NORMAL, nice, 0, 0),
                      pvsched_word(PVSCHED_POLICY_BATCH, nice, 0, 0)});
  }
  for (uint32_t rt_prio = 1; rt_prio <= 99; ++rt_prio) {
    groups.push_back({pvsched_word(PVSCHED_POLICY_FIFO, 0, rt_prio, 0),
                      pvsched_word(PVSCHED_POLICY_RR, 0, rt_prio, 0)});
  }
  groups.push_back({pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0)});
  return groups;
}

TEST(Urgency, OrdersAllClassesAsLinuxDoes) {
  uint32_t previous = 0;
  for (const std::vector<uint64_t>& group : ValidWordsByUrgency()) {
    const uint32_t urgency = pvsched_urgency(group[0]);
    EXPECT_GT(urgency, previous) << std::hex << group[0];
    for (const uint64_t word : group) EXPECT_EQ(pvsched_urgency(word), urgency) << std::hex << word;
    previous = urgency;
  }
}

TEST(Urgency, OfExtIsThatOfNormalWithTheSameNice) {
  for (int nice = -20; nice <= 19; ++nice) {
    EXPECT_EQ(pvsched_urgency(pvsched_word(PVSCHED_POLICY_EXT, nice, 0, 0)),
              pvsched_urgency(pvsched_word(PVSCHED_POLICY_NORMAL, nice, 0, 0)));
  }
}

TEST(Urgency, NamedValuesSeparateTheClasses) {
  for (const std::vector<uint64_t>& group : ValidWordsByUrgency()) {
    for (const uint64_t word : group) {
      const uint32_t policy = pvsched_word_policy(word);
      const bool is_rt_or_deadline = policy == PVSCHED_POLICY_FIFO || policy == PVSCHED_POLICY_RR ||
                                     policy == PVSCHED_POLICY_DEADLINE;
      EXPECT_EQ(pvsched_urgency(word) > PVSCHED_URGENCY_RT, is_rt_or_deadline) << std::hex << word;
    }
  }
  EXPECT_EQ(pvsched_urgency(0), uint32_t{PVSCHED_URGENCY_NICE_0});
  EXPECT_EQ(pvsched_urgency(pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0)),
            uint32_t{PVSCHED_URGENCY_IDLE});
  EXPECT_EQ(pvsched_urgency(pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0)),
            uint32_t{PVSCHED_URGENCY_DEADLINE});
}

TEST(Urgency, IgnoresFlags) {
  for (const std::vector<uint64_t>& group : ValidWordsByUrgency()) {
    for (uint64_t flags = 0; flags <= 0xff; ++flags) {
      ASSERT_EQ(pvsched_urgency(group[0] | flags << PVSCHED_WORD_FLAGS_SHIFT),
                pvsched_urgency(group[0]));
    }
  }
}

// The guest chooses what to publish in `waiting`, the host chooses between
// `intent` and `waiting`. For each pair both choose the more urgent.
TEST(Urgency, GuestAndHostChooseTheSameOfTwoPriorityWords) {
  const uint64_t valid = uint64_t{PVSCHED_WAITING_VALID} << PVSCHED_WORD_FLAGS_SHIFT;
  const std::vector<std::vector<uint64_t>> groups = ValidWordsByUrgency();
  for (const std::vector<uint64_t>& low : groups) {
    for (const std::vector<uint64_t>& high : groups) {
      for (const uint64_t a : low) {
        for (const uint64_t b : high) {
          const uint32_t urgency = std::max(pvsched_urgency(a), pvsched_urgency(b));
          ASSERT_EQ(pvsched_urgency(pvsched_raise_waiting(a | valid, b | valid)), urgency);
          ASSERT_EQ(pvsched_urgency(pvs_demand(a, b | valid)), urgency);
        }
      }
    }
  }
}

}  // namespace
