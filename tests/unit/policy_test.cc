// SPDX-License-Identifier: Apache-2.0
// Each test is a row of the default policy's table or a rule of the core, named
// by condition and outcome; the properties at the end hold over random events
// and hostile words.
#include "host-policy/core/policy.h"

#include <cstdint>
#include <deque>
#include <random>

#include "gtest/gtest.h"
#include "host-policy/core/default_policy.h"
#include "host-policy/daemon/tunables.h"

namespace {

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kOrdinary = 0;
const uint64_t kRr80 = pvsched_word(PVSCHED_POLICY_RR, 0, 80, 0);
const uint64_t kRr3 = pvsched_word(PVSCHED_POLICY_RR, 0, 3, 0);
const uint64_t kIdle = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_IDLE);
const uint64_t kSoftirq = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_SOFTIRQ);

class PolicyTest : public testing::Test {
 protected:
  // The event comes `after` the last one, all of it CPU time if `busy`.
  uint64_t On(uint32_t event, uint64_t intent, uint64_t waiting = 0, uint64_t after = kMs,
              bool busy = true) {
    now_ += after;
    if (busy) cpu_ += after;
    return Decide(Input(event, intent, waiting));
  }
  pvs_input Input(uint32_t event, uint64_t intent, uint64_t waiting = 0) const {
    return {.event = event,
            .critical = critical_,
            .now = now_,
            .cpu_ns = cpu_,
            .intent = intent,
            .waiting = waiting,
            .irq_ack = irq_ack_,
            .acks = acks_};
  }
  // As the programs do it.
  uint64_t Decide(const pvs_input& input) {
    pvs_view view = {};
    if (pvs_begin(&tunables_, &vcpu_, &input, &view) != 0) {
      pvs_finish(&tunables_, &vcpu_, pvs_default_policy(&view));
    }
    return vcpu_.grant;
  }
  bool Stands(uint32_t event, uint64_t cpu_ns, uint64_t intent, uint64_t waiting) {
    pvs_input input = Input(event, intent, waiting);
    input.cpu_ns = cpu_ns;
    return pvs_stands(&vcpu_, &input) != 0;
  }

  static uint64_t Boost(uint32_t policy, uint32_t rt_prio) {
    return pvsched_word(policy, 0, rt_prio, PVSCHED_GRANT_BOOSTED);
  }
  static uint64_t Waits(uint64_t word) {
    return word | uint64_t{PVSCHED_WAITING_VALID} << PVSCHED_WORD_FLAGS_SHIFT;
  }

  static uint64_t Lowered(uint32_t policy, int nice) {
    return pvsched_word(policy, nice, 0, PVSCHED_GRANT_LOWERED);
  }
  uint64_t Critical() const {
    return pvsched_word(PVSCHED_POLICY_RR, 0, tunables_.critical_rt_prio,
                        PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_CRITICAL);
  }

  pvs_tunables tunables_ = pvsched::ToPolicy(pvsched::DefaultTunables());
  pvs_vcpu vcpu_ = {};
  uint64_t now_ = 1000 * kMs;
  uint64_t cpu_ = 0;
  uint32_t critical_ = 0;
  uint32_t irq_ack_ = 0;
  uint32_t acks_ = 0;
};

TEST_F(PolicyTest, ExitWithUrgentTaskBoostsUpToTheCap) {
  EXPECT_EQ(On(PVS_EXIT, kRr80), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_BOOSTED});
  EXPECT_EQ(vcpu_.boosts, 1u);
}

TEST_F(PolicyTest, ExitWithUrgentTaskBelowTheCapGetsItsOwnPriority) {
  EXPECT_EQ(On(PVS_EXIT, kRr3), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, FifoBecomesRrUnlessTheCapAllowsFifo) {
  const uint64_t fifo = pvsched_word(PVSCHED_POLICY_FIFO, 0, 5, 0);
  EXPECT_EQ(On(PVS_EXIT, fifo), Boost(PVSCHED_POLICY_RR, 5));
  tunables_.max_policy = PVSCHED_POLICY_FIFO;
  EXPECT_EQ(On(PVS_EXIT, fifo), Boost(PVSCHED_POLICY_FIFO, 5));
}

TEST_F(PolicyTest, DeadlineGetsTheCap) {
  const uint64_t deadline = pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0);
  EXPECT_EQ(On(PVS_EXIT, deadline), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, ExitWithOrdinaryTaskEndsTheBoost) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_NORMAL});
}

TEST_F(PolicyTest, UrgentTaskThatWaitsCounts) {
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, Waits(kRr80)), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kIdle, Waits(kRr3)), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, WaitingWordWithoutItsFlagIsIgnored) {
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, kRr80), 0u);
}

TEST_F(PolicyTest, HigherOfRunningAndWaitingCounts) {
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_RR, 0, 2, 0), Waits(kRr3)),
            Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, IdleExitKeepsTheState) {
  const uint64_t boost = On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kIdle), boost);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_EXIT, kIdle), 0u);
}

TEST_F(PolicyTest, HaltSoonAfterUrgentWorkBoostsAhead) {
  On(PVS_EXIT, kRr3);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, HaltLongAfterUrgentWorkEndsTheBoost) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_HALT, kIdle, 0, tunables_.urgent_memory_ns + 1, false), 0u);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_NORMAL});
}

TEST_F(PolicyTest, HaltOfAGuestWithoutUrgentWorkDoesNotBoost) {
  EXPECT_EQ(On(PVS_HALT, kIdle), 0u);
}

TEST_F(PolicyTest, InjectBoostsOnlySoonAfterUrgentWork) {
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), 0u);
  On(PVS_EXIT, kRr3);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, InjectAndPreemptDoNotEndABoost) {
  On(PVS_EXIT, kRr80);
  now_ += tunables_.urgent_memory_ns;
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, PreemptWithUrgentTaskBoosts) {
  EXPECT_EQ(On(PVS_PREEMPT, kRr80), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, InterruptBoostsOnlySoonAfterUrgentWork) {
  EXPECT_EQ(On(PVS_EXIT, kSoftirq), 0u);
  On(PVS_EXIT, kRr3);
  EXPECT_EQ(On(PVS_EXIT, kSoftirq), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, OverBudgetIsThrottledThenRecovers) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, tunables_.budget_ns),
            pvsched_word(0, 0, 0, PVSCHED_GRANT_THROTTLED));
  EXPECT_EQ(vcpu_.throttles, 1u);
  EXPECT_EQ(vcpu_.boosted_ns, tunables_.budget_ns);
  // The throttle time is over, but the window still holds what was used.
  EXPECT_EQ(pvsched_word_flags(On(PVS_EXIT, kRr80, 0, tunables_.throttle_ns)),
            uint32_t{PVSCHED_GRANT_THROTTLED});
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 2 * tunables_.window_ns), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, VcpuRegisteredAnewPaysForWhatItUsedBeforeAndForNothingElse) {
  tunables_.budget_ns = 100 * kMs;
  tunables_.throttle_ns = 500 * kMs;
  On(PVS_EXIT, kRr80);
  ASSERT_EQ(On(PVS_EXIT, kRr80, 0, 60 * kMs), Boost(PVSCHED_POLICY_RR, 8));
  const pvs_vcpu old = vcpu_;
  vcpu_ = {};
  pvs_carry(&old, &vcpu_);
  // A new thread with much CPU time of its own, none of it boosted.
  cpu_ += 10000 * kMs;
  EXPECT_EQ(On(PVS_EXIT, kRr80), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 30 * kMs), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(pvsched_word_flags(On(PVS_EXIT, kRr80, 0, 20 * kMs)),
            uint32_t{PVSCHED_GRANT_THROTTLED});
  const pvs_vcpu throttled = vcpu_;
  vcpu_ = {};
  pvs_carry(&throttled, &vcpu_);
  EXPECT_EQ(pvsched_word_flags(On(PVS_EXIT, kRr80, 0, 400 * kMs)),
            uint32_t{PVSCHED_GRANT_THROTTLED});
}

TEST_F(PolicyTest, YieldingBeforeEachTickUsesBudgetAllTheSame) {
  for (uint64_t used = 0; used < tunables_.budget_ns; used += kMs / 2) {
    On(PVS_EXIT, kRr80, 0, kMs / 2);
    On(PVS_HALT, kRr80, 0, kMs / 100, false);
  }
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_THROTTLED});
}

TEST_F(PolicyTest, DecisionStandsUntilAWordTheEventOrTheCpuTimeChanges) {
  EXPECT_FALSE(Stands(PVS_EXIT, 0, kRr80, 0));
  On(PVS_EXIT, kRr80);
  EXPECT_TRUE(Stands(PVS_EXIT, cpu_, kRr80, 0));
  EXPECT_FALSE(Stands(PVS_INJECT, cpu_, kRr80, 0));
  EXPECT_FALSE(Stands(PVS_EXIT, cpu_ + 1, kRr80, 0));
  EXPECT_FALSE(Stands(PVS_EXIT, cpu_, kRr3, 0));
  EXPECT_FALSE(Stands(PVS_EXIT, cpu_, kRr80, Waits(kRr3)));
  critical_ = 1;
  EXPECT_FALSE(Stands(PVS_EXIT, cpu_, kRr80, 0));
}

TEST_F(PolicyTest, TimersDecisionNeverStands) {
  On(PVS_TIMER, kRr80);
  EXPECT_FALSE(Stands(PVS_TIMER, cpu_, kRr80, 0));
}

TEST_F(PolicyTest, WakeUpByAnInterruptAddsNothingToIt) {
  for (uint32_t event : {PVS_INJECT, PVS_KICK}) {
    On(event, kOrdinary);
    EXPECT_TRUE(Stands(PVS_WAKE, cpu_, kOrdinary, 0));
    EXPECT_FALSE(Stands(PVS_WAKE, cpu_, kRr3, 0));
  }
  On(PVS_HALT, kOrdinary);
  EXPECT_FALSE(Stands(PVS_WAKE, cpu_, kOrdinary, 0));
}

TEST_F(PolicyTest, WakeUpMayEndAThrottle) {
  On(PVS_EXIT, kRr80);
  On(PVS_KICK, kRr80, 0, tunables_.budget_ns);
  ASSERT_EQ(vcpu_.state, uint32_t{PVS_THROTTLED});
  EXPECT_FALSE(Stands(PVS_WAKE, cpu_, kRr80, 0));
}

TEST_F(PolicyTest, NiceTaskLowersTheThread) {
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0)),
            Lowered(PVSCHED_POLICY_NORMAL, 10));
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_NORMAL});
}

TEST_F(PolicyTest, IdlePolicyTaskLowersTheThreadToIdlePolicy) {
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0)),
            Lowered(PVSCHED_POLICY_IDLE, 0));
}

TEST_F(PolicyTest, WaitingOrdinaryTaskEndsALowering) {
  const uint64_t idle_policy = pvsched_word(PVSCHED_POLICY_IDLE, 0, 0, 0);
  On(PVS_EXIT, idle_policy);
  EXPECT_EQ(On(PVS_EXIT, idle_policy, Waits(kOrdinary)), 0u);
}

TEST_F(PolicyTest, InterruptOrWakeUpEndsALowering) {
  for (uint32_t event : {PVS_INJECT, PVS_KICK, PVS_WAKE}) {
    ASSERT_NE(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_NORMAL, 19, 0, 0)), 0u);
    EXPECT_EQ(On(event, pvsched_word(PVSCHED_POLICY_NORMAL, 19, 0, 0)), 0u) << event;
  }
}

TEST_F(PolicyTest, NiceBoostReachesTheAdminsLimit) {
  const uint64_t nice = pvsched_word(PVSCHED_POLICY_NORMAL, -15, 0, 0);
  EXPECT_EQ(On(PVS_EXIT, nice), 0u);
  tunables_.min_nice = -5;
  EXPECT_EQ(On(PVS_EXIT, nice), pvsched_word(PVSCHED_POLICY_NORMAL, -5, 0, PVSCHED_GRANT_BOOSTED));
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_BOOSTED});
}

TEST_F(PolicyTest, UrgentWorkWhereNoRealTimeIsAllowedGetsTheLowestNice) {
  tunables_.max_policy = PVSCHED_POLICY_NORMAL;
  tunables_.min_nice = -5;
  EXPECT_EQ(On(PVS_EXIT, kRr80), pvsched_word(PVSCHED_POLICY_NORMAL, -5, 0, PVSCHED_GRANT_BOOSTED));
}

TEST_F(PolicyTest, WakeWithUrgentTaskBoostsBeforeItRuns) {
  EXPECT_EQ(On(PVS_WAKE, kIdle, Waits(kRr3)), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, KickBoostsSoonAfterUrgentWork) {
  EXPECT_EQ(On(PVS_KICK, kOrdinary), 0u);
  On(PVS_EXIT, kRr3);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_KICK, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, PreemptedInACriticalSectionIsBoostedUntilItLeavesIt) {
  critical_ = 1;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), Critical());
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), Critical());
  critical_ = 0;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
}

TEST_F(PolicyTest, PreemptedInASoftirqIsBoosted) {
  EXPECT_EQ(On(PVS_PREEMPT, kSoftirq), Critical());
}

TEST_F(PolicyTest, IdleLoopIsNoCriticalSection) {
  critical_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kIdle), 0u);
}

TEST_F(PolicyTest, CriticalSectionsHaveABudgetOfTheirOwn) {
  critical_ = 1;
  On(PVS_PREEMPT, kOrdinary);
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.critical_budget_ns), 0u);
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), 0u);
  EXPECT_EQ(vcpu_.window.boost.used_ns, 0u);
  EXPECT_EQ(On(PVS_EXIT, kRr80), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary, 0, 2 * tunables_.window_ns, false),
            Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, UnacknowledgedInterruptKeepsItsBoostForAWhile) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.inject_hold_ns / 2), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.inject_hold_ns), 0u);
}

TEST_F(PolicyTest, InterruptsBoostIsHeldFromWhenTheVcpuHasACpu) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  On(PVS_PREEMPT, kOrdinary);
  On(PVS_INJECT, kOrdinary);
  now_ += 3 * tunables_.inject_hold_ns;
  pvs_enter(&vcpu_, now_);
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, tunables_.inject_hold_ns / 2), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, tunables_.inject_hold_ns), 0u);
}

TEST_F(PolicyTest, AcknowledgedInterruptIsNotHeldAnew) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  On(PVS_INJECT, kOrdinary);
  irq_ack_ = vcpu_.irq_ticket;
  pvs_enter(&vcpu_, now_);
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, 1000), 0u);
}

TEST_F(PolicyTest, AcknowledgementWithoutUrgentWorkEndsTheInterruptsBoost) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  On(PVS_INJECT, kOrdinary);
  irq_ack_ = vcpu_.irq_ticket;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, 1000), 0u);
}

TEST_F(PolicyTest, TimerEndsAHaltsBoostOnceUrgentWorkIsLongAgo) {
  On(PVS_EXIT, kRr3);
  ASSERT_NE(On(PVS_HALT, kIdle), 0u);
  now_ += tunables_.urgent_memory_ns;
  EXPECT_EQ(On(PVS_TIMER, kIdle, 0, kMs, false), 0u);
}

TEST_F(PolicyTest, LowerCapsHoldForAGrantThatIsKept) {
  On(PVS_EXIT, kRr80);
  tunables_.max_rt_prio = 2;
  EXPECT_EQ(On(PVS_EXIT, kIdle), Boost(PVSCHED_POLICY_RR, 2));
}

TEST_F(PolicyTest, OffGivesEveryThreadItsBaseline) {
  On(PVS_EXIT, kRr80);
  tunables_.mode = PVS_OFF;
  EXPECT_EQ(On(PVS_EXIT, kRr80), 0u);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_NORMAL});
}

TEST_F(PolicyTest, CapOfNormalAllowsNoBoost) {
  tunables_.max_policy = PVSCHED_POLICY_NORMAL;
  for (uint32_t event : {PVS_EXIT, PVS_HALT, PVS_INJECT, PVS_KICK, PVS_WAKE, PVS_PREEMPT}) {
    EXPECT_EQ(On(event, kRr80), 0u);
  }
}

TEST_F(PolicyTest, ImpossiblePrioritiesAreOrdinary) {
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_RR, 0, 0, 0)), 0u);
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_FIFO, 0, 100, 0)), 0u);
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(77, -128, 50, 0)), 0u);
}

// A hostile guest: any words, any events, any distances. No grant is above the
// caps, and in no window is more boosted CPU time used than the budget and one
// distance between events.
TEST_F(PolicyTest, RandomEventsNeverExceedCapsOrBudget) {
  std::mt19937_64 random(20240506);
  tunables_.budget_ns = 30 * kMs;
  tunables_.critical_budget_ns = 10 * kMs;
  tunables_.window_ns = 100 * kMs;
  tunables_.min_nice = -5;
  acks_ = 1;
  constexpr uint64_t kTick = 4 * kMs;
  struct Used {
    uint64_t at;
    uint64_t ns;
  };
  std::deque<Used> window;
  uint64_t in_window = 0;
  for (int i = 0; i < 500000; ++i) {
    const bool was_boosted = vcpu_.state == PVS_BOOSTED;
    const uint64_t after = random() % 4 == 0 ? random() % kTick : random() % 100000;
    const bool busy = random() % 8 != 0;
    const uint64_t intent = random() % 2 == 0 ? kRr80 : random();
    const uint32_t event = static_cast<uint32_t>(random() % 9);
    critical_ = static_cast<uint32_t>(random() % 3 == 0);
    irq_ack_ = static_cast<uint32_t>(random() % 2 == 0 ? vcpu_.irq_ticket : random());
    const uint64_t grant = On(event, intent, random(), after, busy);

    if (was_boosted && busy) {
      window.push_back({now_, after});
      in_window += after;
    }
    while (!window.empty() && window.front().at + tunables_.window_ns <= now_) {
      in_window -= window.front().ns;
      window.pop_front();
    }
    ASSERT_LE(in_window, tunables_.budget_ns + tunables_.critical_budget_ns + kTick)
        << "event " << i;
    ASSERT_LE(pvsched_word_rt_prio(grant), tunables_.max_rt_prio);
    const uint32_t flags = pvsched_word_flags(grant);
    if ((flags & PVSCHED_GRANT_BOOSTED) != 0) {
      ASSERT_TRUE(pvsched_word_policy(grant) == PVSCHED_POLICY_RR ||
                  pvsched_word_nice(grant) >= tunables_.min_nice);
    } else {
      ASSERT_LE(pvsched_urgency(grant), pvsched_urgency(0));
      ASSERT_EQ(pvs_without_flags(grant) != 0, (flags & PVSCHED_GRANT_LOWERED) != 0);
    }
    ASSERT_GE(pvsched_word_nice(grant), tunables_.min_nice);
    ASSERT_EQ((pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED) != 0, vcpu_.state == PVS_BOOSTED);
  }
  EXPECT_GT(vcpu_.throttles, 10u);
}

// A guest that is always urgent gets the share that the admin set, neither less nor
// more, however coarse the ticks at which its CPU time is seen; and in no window more
// than the budget and one tick.
TEST_F(PolicyTest, AlwaysUrgentGuestGetsItsBudgetsShareAtAnyTick) {
  for (const uint64_t budget : {50, 300, 700}) {
    for (const uint64_t tick_us : {1000, 4000, 10000, 24000}) {
      const uint64_t tick = tick_us * 1000;
      vcpu_ = {};
      tunables_.budget_ns = budget * kMs;
      std::deque<uint64_t> boosted_at;
      uint64_t total = 0;
      for (; total < 60 * tunables_.window_ns; total += tick) {
        const bool was_boosted = vcpu_.state == PVS_BOOSTED;
        On(PVS_EXIT, kRr80, 0, tick);
        if (was_boosted) boosted_at.push_back(now_);
        while (!boosted_at.empty() && boosted_at.front() + tunables_.window_ns <= now_) {
          boosted_at.pop_front();
        }
        ASSERT_LE(boosted_at.size() * tick, tunables_.budget_ns + tick);
      }
      const double share = static_cast<double>(vcpu_.boosted_ns) / static_cast<double>(total);
      const double configured =
          static_cast<double>(tunables_.budget_ns) / static_cast<double>(tunables_.window_ns);
      EXPECT_NEAR(share / configured, 1.0, 0.1)
          << "a budget of " << budget << " ms, ticks of " << tick_us << " us";
    }
  }
}

TEST_F(PolicyTest, WhatWasUsedBeyondTheBudgetIsCarriedOver) {
  const uint64_t throttled = pvsched_word(0, 0, 0, PVSCHED_GRANT_THROTTLED);
  tunables_.budget_ns = 50 * kMs;
  On(PVS_EXIT, kRr80);
  // Not looked at for long.
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 90 * kMs), throttled);
  // All of it has left the window; but of the next 50 ms it has had most.
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, tunables_.window_ns * 9 / 8, false),
            Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 20 * kMs), throttled);
}

TEST_F(PolicyTest, SmallerBudgetIsNotPaidForWithWhatTheOldOneAllowed) {
  On(PVS_EXIT, kRr80);
  On(PVS_EXIT, kRr80, 0, tunables_.budget_ns);
  tunables_.budget_ns = 50 * kMs;
  EXPECT_NE(On(PVS_EXIT, kRr80, 0, kMs), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 2 * tunables_.window_ns), Boost(PVSCHED_POLICY_RR, 8));
}

}  // namespace
