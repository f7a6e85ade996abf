// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Budgets and throttles of the policy core, and properties that hold for any guest.

#include <cstdint>
#include <deque>
#include <random>

#include "gtest/gtest.h"
#include "host-policy/core/policy.h"
#include "tests/unit/policy_fixture.h"

namespace pvsched {
namespace {

TEST_F(PolicyTest, OverBudgetIsThrottledThenRecovers) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, tunables_.budget_ns),
            pvsched_word(0, 0, 0, PVSCHED_GRANT_THROTTLED));
  EXPECT_EQ(vcpu_.throttles, 1u);
  EXPECT_EQ(vcpu_.boosted_ns, tunables_.budget_ns);
  // The throttle's time is over, but the window still holds the use.
  EXPECT_EQ(pvsched_word_flags(On(PVS_EXIT, kRr80, 0, tunables_.throttle_ns)),
            uint32_t{PVSCHED_GRANT_THROTTLED});
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 2 * tunables_.window_ns), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, NewRegistrationCarriesOnlyTheUseOfItsBudgets) {
  tunables_.budget_ns = 100 * kMs;
  tunables_.throttle_ns = 500 * kMs;
  On(PVS_EXIT, kRr80);
  ASSERT_EQ(On(PVS_EXIT, kRr80, 0, 60 * kMs), Boost(PVSCHED_POLICY_RR, 8));
  const pvs_vcpu old = vcpu_;
  vcpu_ = {};
  pvs_carry(&old, &vcpu_);
  // The new thread has used CPU time of its own, none of it boosted.
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

TEST_F(PolicyTest, SleepBeforeEachTickStillUsesBudget) {
  for (uint64_t used = 0; used < tunables_.budget_ns; used += kMs / 2) {
    On(PVS_EXIT, kRr80, 0, kMs / 2);
    On(PVS_HALT, kRr80, 0, kMs / 100, false);
  }
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_THROTTLED});
}

TEST_F(PolicyTest, CriticalSectionsHaveTheirOwnBudget) {
  critical_ = 1;
  awaited_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), Critical());
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.critical_budget_ns), 0u);
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), 0u);
  EXPECT_EQ(vcpu_.window.boost.used_ns, 0u);
  EXPECT_EQ(On(PVS_EXIT, kRr80), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary, 0, 2 * tunables_.window_ns, false),
            Boost(PVSCHED_POLICY_RR, 8));
}

// Property, for a hostile guest with any priority words, events and intervals: no grant is
// above the caps, and no window holds more boosted CPU time than the budget and one interval
// between events.
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
    const uint32_t event = static_cast<uint32_t>(random() % 11);
    awaited_ = static_cast<uint32_t>(random() % 2);
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

// Property: a guest that is always urgent gets the share of its budget, at any length of the
// tick that charges its CPU time. No window holds more than the budget and one tick.
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

TEST_F(PolicyTest, ExcessOverTheBudgetIsADebt) {
  const uint64_t throttled = pvsched_word(0, 0, 0, PVSCHED_GRANT_THROTTLED);
  tunables_.budget_ns = 50 * kMs;
  On(PVS_EXIT, kRr80);
  // No event for long.
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 90 * kMs), throttled);
  // The use has left the window, but most of the next 50 ms pays off the debt.
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, tunables_.window_ns * 9 / 8, false),
            Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 20 * kMs), throttled);
}

TEST_F(PolicyTest, LowerBudgetLimitsTheOldDebt) {
  On(PVS_EXIT, kRr80);
  On(PVS_EXIT, kRr80, 0, tunables_.budget_ns);
  tunables_.budget_ns = 50 * kMs;
  EXPECT_NE(On(PVS_EXIT, kRr80, 0, kMs), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kRr80, 0, 2 * tunables_.window_ns), Boost(PVSCHED_POLICY_RR, 8));
}

}  // namespace
}  // namespace pvsched
