// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// What `waiting` shows while the running task of a vCPU inherits a priority, and afterwards.
#include <cstdint>

#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/kernel_memory.h"
// Needs the macros above.
#include "guest-driver/pvsched_inherit.h"

namespace {

const uint64_t kOrdinary = 0;
const uint64_t kNothing = 0;

uint64_t Fifo(uint32_t rt_prio) { return pvsched_word(PVSCHED_POLICY_FIFO, 0, rt_prio, 0); }
uint64_t Waiting(uint32_t rt_prio) {
  return pvsched_word(PVSCHED_POLICY_FIFO, 0, rt_prio, PVSCHED_WAITING_VALID);
}

// A vCPU that runs an ordinary task.
class InheritTest : public testing::Test {
 protected:
  void Lend(uint32_t rt_prio) {
    waiting_ = pvsched_lend(&inheritance_, waiting_, intent_, Waiting(rt_prio));
  }
  void GiveBack(uint64_t own = kOrdinary) {
    waiting_ = pvsched_give_back(&inheritance_, waiting_, own);
  }
  // As the hook of wake-ups.
  void WakeUp(uint32_t rt_prio) {
    if (pvsched_outranks(Waiting(rt_prio), intent_)) {
      waiting_ = pvsched_raise_waiting(waiting_, Waiting(rt_prio));
    } else {
      pvsched_wait_behind(&inheritance_, Waiting(rt_prio));
    }
  }
  // As the hooks of interrupts: the vCPU publishes its running task's priority.
  void Interrupt(uint32_t rt_prio) { intent_ = Fifo(rt_prio); }

  pvsched_inheritance inheritance_ = {};
  uint64_t intent_ = kOrdinary;
  uint64_t waiting_ = kNothing;
};

TEST_F(InheritTest, ShowsFromTheLockToTheUnlock) {
  Lend(20);
  EXPECT_EQ(waiting_, Waiting(20));
  GiveBack();
  EXPECT_EQ(waiting_, kNothing);
}

TEST_F(InheritTest, FollowsTheMostUrgentWaiter) {
  Lend(20);
  Lend(30);
  EXPECT_EQ(waiting_, Waiting(30));
  Lend(20);
  EXPECT_EQ(waiting_, Waiting(20));
  GiveBack();
  EXPECT_EQ(waiting_, kNothing);
}

TEST_F(InheritTest, StoresNothingIfTheRunningTaskIsAsUrgent) {
  intent_ = Fifo(50);
  Lend(20);
  EXPECT_EQ(waiting_, kNothing);
}

TEST_F(InheritTest, KeepsWhatWaitedBefore) {
  waiting_ = Waiting(5);
  Lend(20);
  EXPECT_EQ(waiting_, Waiting(20));
  GiveBack();
  EXPECT_EQ(waiting_, Waiting(5));
}

TEST_F(InheritTest, TaskThatWokeUpBehindShowsAtTheEnd) {
  Lend(20);
  Interrupt(20);
  WakeUp(10);
  WakeUp(5);
  EXPECT_EQ(waiting_, Waiting(20));
  GiveBack();
  EXPECT_EQ(waiting_, Waiting(10));
}

TEST_F(InheritTest, TaskThatWokeUpAboveStays) {
  Lend(20);
  Interrupt(20);
  WakeUp(30);
  EXPECT_EQ(waiting_, Waiting(30));
  Lend(25);
  EXPECT_EQ(waiting_, Waiting(30));
  GiveBack();
  EXPECT_EQ(waiting_, Waiting(30));
}

TEST_F(InheritTest, LessUrgentTaskBehindIsNotShown) {
  Lend(20);
  Interrupt(20);
  WakeUp(5);
  GiveBack(Fifo(8));
  EXPECT_EQ(waiting_, kNothing);
}

TEST_F(InheritTest, AnEarlierInheritanceLeavesNothing) {
  Lend(20);
  Interrupt(20);
  WakeUp(10);
  GiveBack();
  intent_ = kOrdinary;
  waiting_ = kNothing;  // a switch
  WakeUp(7);
  waiting_ = kNothing;  // a switch
  Lend(20);
  GiveBack();
  EXPECT_EQ(waiting_, kNothing);
}

// The driver was loaded meanwhile.
TEST_F(InheritTest, EndWithoutAKnownStartKeepsWhatWaits) {
  waiting_ = Waiting(5);
  GiveBack();
  EXPECT_EQ(waiting_, Waiting(5));
}

}  // namespace
