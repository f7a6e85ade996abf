// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// The order of the guest's writes and the host's reads on a real CPU. One thread
// is the guest and runs the driver's code, another thread is the host.
#include <atomic>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/kernel_memory.h"
// Needs the macros above.
#include "guest-driver/pvsched_publish.h"

namespace {

constexpr int kRounds = 500'000;

constexpr uint32_t kUrgent = 8;

const uint64_t kFairTask = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, 0);
const uint64_t kUrgentTask = pvsched_word(PVSCHED_POLICY_RR, 0, kUrgent, 0);
const uint64_t kUrgentWaits = pvsched_word(PVSCHED_POLICY_RR, 0, kUrgent, PVSCHED_WAITING_VALID);

// Widens the window between two accesses.
void Pause() {
  for (int i = 0; i < 10; ++i) __builtin_ia32_pause();
}

TEST(PublishOrder, HostSeesATaskThatStartsToRunInAtLeastOneField) {
  pvsched_record record = {};
  record.intent = kUrgentTask;
  record.waiting = kUrgentWaits;
  std::atomic<int> rounds = 0;

  // The vCPU always has urgent work. A fair task runs while an RT task waits (RT
  // throttling), then the RT task runs, then another RT task wakes up.
  std::thread guest([&] {
    while (rounds < kRounds) {
      pvsched_publish_switch(&record, record.intent, kFairTask, kUrgentWaits);
      Pause();
      pvsched_publish_switch(&record, record.intent, kUrgentTask, 0);
      Pause();
      pvsched_publish(&record.waiting, kUrgentWaits);
      ++rounds;
    }
  });
  int samples = 0, misses = 0;
  for (int before; (before = rounds) < kRounds;) {
    const uint64_t waiting = READ_ONCE(record.waiting);
    virt_rmb();
    Pause();
    const uint64_t intent = READ_ONCE(record.intent);
    // A whole round passed between the two loads, so they prove nothing.
    if (rounds != before) continue;
    ++samples;
    misses += pvsched_word_rt_prio(waiting) != kUrgent && pvsched_word_rt_prio(intent) != kUrgent;
  }
  guest.join();
  EXPECT_GT(samples, 0);
  EXPECT_EQ(misses, 0) << "of " << samples;
}

TEST(PublishRanUrgent, CountsAndHasTheLastWord) {
  pvsched_record record = {};
  pvsched_publish_ran_urgent(&record, pvsched_word(PVSCHED_POLICY_FIFO, 0, 50, 0));
  EXPECT_EQ(record.urgent_count, 1u);
  pvsched_publish_ran_urgent(&record, kUrgentTask);
  EXPECT_EQ(record.urgent_count, 2u);
  EXPECT_EQ(record.urgent_word, kUrgentTask);
  record.urgent_count = 0xffffffffu;
  pvsched_publish_ran_urgent(&record, kUrgentTask);
  EXPECT_EQ(record.urgent_count, 0u);
}

TEST(PublishAck, CopiesTheLastTicket) {
  pvsched_record record = {};
  for (const uint32_t ticket : {1u, 7u, 0xffffffffu, 0u}) {
    record.irq_ticket = ticket;
    pvsched_publish_ack(&record);
    EXPECT_EQ(record.irq_ack, ticket);
  }
}

}  // namespace
