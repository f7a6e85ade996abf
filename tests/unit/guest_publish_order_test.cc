// SPDX-License-Identifier: Apache-2.0
//
// The order in which the guest writes and the host reads, on a real CPU: one
// thread is the guest and runs the driver's own code, another is the host.
#include <atomic>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/kernel_memory.h"
// After what it needs of the kernel.
#include "guest-driver/pvsched_publish.h"

namespace {

constexpr int kRounds = 500'000;

constexpr uint32_t kUrgent = 8;

const uint64_t kFairTask = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, 0);
const uint64_t kUrgentTask = pvsched_word(PVSCHED_POLICY_RR, 0, kUrgent, 0);
const uint64_t kUrgentWaits = pvsched_word(PVSCHED_POLICY_RR, 0, kUrgent, PVSCHED_WAITING_VALID);

// So that the other thread gets to see what is between two accesses.
void Dawdle() {
  for (int i = 0; i < 10; ++i) __builtin_ia32_pause();
}

TEST(PublishOrder, TaskThatStartsToRunIsSeenInAtLeastOneWord) {
  pvsched_record record = {};
  record.intent = kUrgentTask;
  record.waiting = kUrgentWaits;
  std::atomic<int> rounds = 0;

  // There is urgent work all the time: a fair task gets its turn while it
  // waits (the kernel throttles real-time ones), it runs, more of it is woken.
  std::thread guest([&] {
    while (rounds < kRounds) {
      pvsched_publish_switch(&record, kFairTask, kUrgentWaits);
      Dawdle();
      pvsched_publish_switch(&record, kUrgentTask, 0);
      Dawdle();
      pvsched_publish(&record.waiting, kUrgentWaits);
      ++rounds;
    }
  });
  int looks = 0, misses = 0;
  for (int before; (before = rounds) < kRounds;) {
    const uint64_t waiting = READ_ONCE(record.waiting);
    virt_rmb();
    Dawdle();
    const uint64_t intent = READ_ONCE(record.intent);
    // Two loads so far apart that the task was moved back in between say
    // nothing.
    if (rounds != before) continue;
    ++looks;
    misses += pvsched_word_rt_prio(waiting) != kUrgent && pvsched_word_rt_prio(intent) != kUrgent;
  }
  guest.join();
  EXPECT_GT(looks, 0);
  EXPECT_EQ(misses, 0) << "of " << looks;
}

TEST(PublishAck, AcknowledgesTheLastTicket) {
  pvsched_record record = {};
  for (const uint32_t ticket : {1u, 7u, 0xffffffffu, 0u}) {
    record.irq_ticket = ticket;
    pvsched_publish_ack(&record);
    EXPECT_EQ(record.irq_ack, ticket);
  }
}

}  // namespace
