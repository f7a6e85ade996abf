// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "guest-driver/pvsched_task_word.h"
#include "host-policy/core/priority_word.h"
#include "pvsched_abi.h"

namespace {

constexpr int kNice0 = PVSCHED_PRIO_NICE_0;

uint64_t Fair(uint32_t policy, int nice) {
  return pvsched_task_word(policy, kNice0 + nice, kNice0 + nice, 0);
}

uint64_t Rt(uint32_t policy, int rt_prio) {
  return pvsched_task_word(policy, PVSCHED_PRIO_FAIR - 1 - rt_prio, kNice0, 0);
}

uint64_t Waiting(uint64_t word) {
  return word | uint64_t{PVSCHED_WAITING_VALID} << PVSCHED_WORD_FLAGS_SHIFT;
}

TEST(TaskWord, OfANormalTaskAtNiceZeroIsZero) { EXPECT_EQ(Fair(PVSCHED_POLICY_NORMAL, 0), 0u); }

TEST(TaskWord, OfAFairTaskHasItsPolicyAndNice) {
  EXPECT_EQ(Fair(PVSCHED_POLICY_NORMAL, -20), pvsched_word(PVSCHED_POLICY_NORMAL, -20, 0, 0));
  EXPECT_EQ(Fair(PVSCHED_POLICY_NORMAL, 19), pvsched_word(PVSCHED_POLICY_NORMAL, 19, 0, 0));
  EXPECT_EQ(Fair(PVSCHED_POLICY_BATCH, 5), pvsched_word(PVSCHED_POLICY_BATCH, 5, 0, 0));
  EXPECT_EQ(Fair(PVSCHED_POLICY_EXT, -3), pvsched_word(PVSCHED_POLICY_EXT, -3, 0, 0));
}

TEST(TaskWord, OfAnIdleTaskHasNoNice) {
  EXPECT_EQ(Fair(PVSCHED_POLICY_IDLE, 7), pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0));
}

TEST(TaskWord, OfAnRtTaskHasItsPriority) {
  EXPECT_EQ(Rt(PVSCHED_POLICY_FIFO, 1), pvsched_word(PVSCHED_POLICY_FIFO, 0, 1, 0));
  EXPECT_EQ(Rt(PVSCHED_POLICY_RR, 8), pvsched_word(PVSCHED_POLICY_RR, 0, 8, 0));
  EXPECT_EQ(Rt(PVSCHED_POLICY_FIFO, 99), pvsched_word(PVSCHED_POLICY_FIFO, 0, 99, 0));
}

TEST(TaskWord, OfADeadlineTaskHasItsPolicyOnly) {
  EXPECT_EQ(pvsched_task_word(PVSCHED_POLICY_DEADLINE, -1, kNice0, 0),
            pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0));
}

TEST(TaskWord, OfAPiBoostedTaskHasTheClassOfItsEffectivePriority) {
  EXPECT_EQ(pvsched_task_word(PVSCHED_POLICY_NORMAL, 49, kNice0 + 10, 0),
            pvsched_word(PVSCHED_POLICY_FIFO, 0, 50, 0));
  EXPECT_EQ(pvsched_task_word(PVSCHED_POLICY_RR, -1, kNice0, 0),
            pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0));
}

TEST(TaskWord, IsValidIfPolicyAndPriorityContradict) {
  EXPECT_EQ(pvsched_task_word(PVSCHED_POLICY_FIFO, kNice0, kNice0, 0), 0u);
  EXPECT_EQ(pvsched_task_word(77, kNice0, kNice0, 0), 0u);
  EXPECT_EQ(pvsched_task_word(PVSCHED_POLICY_FIFO, 99, kNice0, 0),
            pvsched_word(PVSCHED_POLICY_FIFO, 0, 1, 0));
}

// The driver's hooks have shortcuts for plain and for RT tasks.
TEST(TaskWord, ShortcutsGiveTheSameResult) {
  int plain = 0;
  for (const uint32_t policy : {0u, 1u, 2u, 3u, 5u, 6u, 7u, 77u}) {
    for (int prio = -1; prio < PVSCHED_PRIO_NICE_0 + 20; ++prio) {
      for (int static_prio = PVSCHED_PRIO_FAIR; static_prio < PVSCHED_PRIO_NICE_0 + 20;
           ++static_prio) {
        const uint64_t word = pvsched_task_word(policy, prio, static_prio, 1);
        if (pvsched_is_plain(policy, prio, static_prio)) {
          ++plain;
          ASSERT_EQ(word, pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, 1));
        } else if (prio >= 0 && prio < PVSCHED_PRIO_FAIR - 1) {
          ASSERT_EQ(word, pvsched_rt_word(policy, prio, 1));
        }
      }
    }
  }
  EXPECT_EQ(plain, 1);
}

TEST(TaskWord, HasAnRtPrioIfTheTaskIsRealTime) {
  for (int prio = -1; prio < PVSCHED_PRIO_NICE_0 + 20; ++prio) {
    const uint64_t word = pvsched_task_word(PVSCHED_POLICY_FIFO, prio, kNice0, 0);
    EXPECT_EQ(pvsched_has_rt_prio(word, prio) != 0, prio >= 0 && prio < PVSCHED_PRIO_FAIR - 1);
    // A word without real-time priority is that of housekeeping, whatever its priority is.
    EXPECT_FALSE(prio < PVSCHED_PRIO_FAIR - 1 && pvsched_has_rt_prio(0, prio)) << prio;
  }
}

TEST(TaskWord, KeepsFlags) {
  const uint64_t word = pvsched_task_word(PVSCHED_POLICY_RR, 91, kNice0, PVSCHED_INTENT_HARDIRQ);
  EXPECT_EQ(word, pvsched_word(PVSCHED_POLICY_RR, 0, 8, PVSCHED_INTENT_HARDIRQ));
}

TEST(TaskUrgency, FollowsTheOrderInWhichLinuxPicksTasks) {
  std::vector<uint64_t> ascending = {Fair(PVSCHED_POLICY_IDLE, 0)};
  for (int nice = 19; nice >= -20; --nice) {
    ascending.push_back(Fair(PVSCHED_POLICY_NORMAL, nice));
  }
  for (int rt_prio = 1; rt_prio <= 99; ++rt_prio) {
    ascending.push_back(Rt(PVSCHED_POLICY_FIFO, rt_prio));
  }
  ascending.push_back(pvsched_task_word(PVSCHED_POLICY_DEADLINE, -1, kNice0, 0));
  for (size_t i = 1; i < ascending.size(); ++i) {
    EXPECT_LT(pvsched_urgency(ascending[i - 1]), pvsched_urgency(ascending[i])) << "at " << i;
  }
}

TEST(TaskUrgency, IsEqualWithinAClassAndForAllFlags) {
  EXPECT_EQ(pvsched_urgency(Rt(PVSCHED_POLICY_FIFO, 8)), pvsched_urgency(Rt(PVSCHED_POLICY_RR, 8)));
  EXPECT_EQ(pvsched_urgency(Fair(PVSCHED_POLICY_NORMAL, 3)),
            pvsched_urgency(Fair(PVSCHED_POLICY_BATCH, 3)));
  EXPECT_EQ(pvsched_urgency(Waiting(Rt(PVSCHED_POLICY_RR, 8))),
            pvsched_urgency(Rt(PVSCHED_POLICY_RR, 8)));
}

TEST(RaiseWaiting, AcceptsAnyTaskIfNoTaskWaits) {
  const uint64_t idle = Waiting(Fair(PVSCHED_POLICY_IDLE, 0));
  EXPECT_EQ(pvsched_raise_waiting(0, idle), idle);
}

TEST(RaiseWaiting, AcceptsAMoreUrgentTask) {
  const uint64_t rr8 = Waiting(Rt(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(pvsched_raise_waiting(Waiting(Fair(PVSCHED_POLICY_NORMAL, 0)), rr8), rr8);
}

TEST(RaiseWaiting, KeepsATaskIfNoOtherWaits) {
  const uint64_t nice = Waiting(Fair(PVSCHED_POLICY_NORMAL, 19));
  EXPECT_EQ(pvsched_raise_waiting(nice, 0), nice);
  EXPECT_EQ(pvsched_raise_waiting(0, 0), 0u);
}

TEST(RaiseWaiting, KeepsATaskThatIsAtLeastAsUrgent) {
  const uint64_t rr8 = Waiting(Rt(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(pvsched_raise_waiting(rr8, Waiting(Fair(PVSCHED_POLICY_NORMAL, -20))), rr8);
  EXPECT_EQ(pvsched_raise_waiting(rr8, Waiting(Rt(PVSCHED_POLICY_FIFO, 8))), rr8);
}

TEST(Outranks, OnlyAMoreUrgentTaskChangesTheDemand) {
  const uint64_t plain = Waiting(Fair(PVSCHED_POLICY_NORMAL, 0));
  const uint64_t rr8 = Rt(PVSCHED_POLICY_RR, 8);
  EXPECT_FALSE(pvsched_outranks(plain, Fair(PVSCHED_POLICY_NORMAL, 0)));
  EXPECT_FALSE(pvsched_outranks(plain, rr8));
  EXPECT_FALSE(pvsched_outranks(Waiting(rr8), Rt(PVSCHED_POLICY_FIFO, 8)));
  EXPECT_TRUE(pvsched_outranks(plain, Fair(PVSCHED_POLICY_NORMAL, 19)));
  EXPECT_TRUE(pvsched_outranks(plain, Fair(PVSCHED_POLICY_IDLE, 0)));
  EXPECT_TRUE(pvsched_outranks(Waiting(rr8), Rt(PVSCHED_POLICY_RR, 7)));
}

TEST(Outranks, AllWordsAreComparedByTheirUrgency) {
  std::vector<uint64_t> words = {pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0)};
  for (const uint32_t policy : {PVSCHED_POLICY_FIFO, PVSCHED_POLICY_RR}) {
    for (const int prio : {1, 2, 98, 99}) words.push_back(Rt(policy, prio));
  }
  for (const uint32_t policy : {PVSCHED_POLICY_NORMAL, PVSCHED_POLICY_BATCH, PVSCHED_POLICY_IDLE}) {
    for (const int nice : {-20, -1, 0, 1, 19}) words.push_back(Fair(policy, nice));
  }
  for (const uint64_t waiting : words) {
    for (const uint64_t intent : words) {
      EXPECT_EQ(pvsched_outranks(Waiting(waiting), intent) != 0,
                pvsched_urgency(waiting) > pvsched_urgency(intent))
          << std::hex << waiting << ", " << intent;
    }
  }
}

TEST(Outranks, NoWaitingTaskChangesNothing) {
  EXPECT_FALSE(pvsched_outranks(0, Fair(PVSCHED_POLICY_NORMAL, 19)));
  EXPECT_FALSE(pvsched_outranks(0, Fair(PVSCHED_POLICY_IDLE, 0)));
}

TEST(Outranks, FlagsOfIntentDoNotMatter) {
  const uint64_t plain = Waiting(Fair(PVSCHED_POLICY_NORMAL, 0));
  const uint64_t softirq = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_SOFTIRQ);
  EXPECT_FALSE(pvsched_outranks(plain, softirq));
  EXPECT_TRUE(pvsched_outranks(Waiting(Rt(PVSCHED_POLICY_FIFO, 1)), softirq));
}

// What the host makes of the two words, with and without the waiting task, is the same
// unless the task outranks `intent`.
TEST(Outranks, AgreesWithTheHostsDemand) {
  const uint64_t idle = pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, PVSCHED_INTENT_IDLE);
  std::vector<uint64_t> words = {Fair(PVSCHED_POLICY_IDLE, 0), Fair(PVSCHED_POLICY_BATCH, 0),
                                 pvsched_task_word(PVSCHED_POLICY_DEADLINE, -1, kNice0, 0)};
  for (const int nice : {-20, -1, 0, 1, 19}) words.push_back(Fair(PVSCHED_POLICY_NORMAL, nice));
  for (const int rt_prio : {1, 50, 99}) words.push_back(Rt(PVSCHED_POLICY_FIFO, rt_prio));
  for (const uint64_t waiting : words) {
    for (const uint64_t intent : words) {
      EXPECT_EQ(pvsched_outranks(Waiting(waiting), intent) != 0,
                pvs_demand(intent, Waiting(waiting)) != intent);
    }
    EXPECT_EQ(pvsched_outranks(Waiting(waiting), idle) != 0,
              pvsched_urgency(pvs_demand(idle, Waiting(waiting))) > PVSCHED_URGENCY_NICE_0);
  }
}

uint64_t UnlessQueued(uint64_t word, bool is_alone, uint32_t turns = 0) {
  return pvsched_unless_queued(word, is_alone ? 1 : 0, turns);
}

TEST(LowTask, CountsAsNiceZeroUnlessItIsAlone) {
  for (const uint64_t low : {Fair(PVSCHED_POLICY_NORMAL, 1), Fair(PVSCHED_POLICY_BATCH, 19),
                             Fair(PVSCHED_POLICY_IDLE, 0)}) {
    EXPECT_EQ(UnlessQueued(low, true), low);
    EXPECT_EQ(UnlessQueued(low, false), 0u);
  }
}

TEST(LowTask, CountsAmongLowTasksAfterEnoughTurns) {
  const uint64_t low = Fair(PVSCHED_POLICY_NORMAL, 19);
  EXPECT_EQ(UnlessQueued(low, false, PVSCHED_LOW_TURNS - 1), 0u);
  EXPECT_EQ(UnlessQueued(low, false, PVSCHED_LOW_TURNS), low);
}

TEST(LowTask, KeepsItsFlags) {
  const uint64_t low = pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, PVSCHED_INTENT_HARDIRQ);
  EXPECT_EQ(UnlessQueued(low, false),
            pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_HARDIRQ));
}

TEST(LowTask, OtherTasksCountAsTheyAre) {
  for (const uint64_t word : {Fair(PVSCHED_POLICY_NORMAL, 0), Fair(PVSCHED_POLICY_NORMAL, -5),
                              Rt(PVSCHED_POLICY_RR, 8)}) {
    EXPECT_EQ(UnlessQueued(word, false), word);
  }
}

}  // namespace
