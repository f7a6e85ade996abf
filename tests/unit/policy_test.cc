// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Each test is a row of the default policy's table or a rule of the core.

#include "host-policy/core/policy.h"

#include <cstdint>
#include <random>

#include "gtest/gtest.h"
#include "host-policy/core/default_policy.h"
#include "tests/unit/policy_fixture.h"

namespace pvsched {
namespace {

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

TEST_F(PolicyTest, WaitingUrgentTaskBoosts) {
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, Waiting(kRr80)), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kIdle, Waiting(kRr3)), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, WaitingWithoutValidFlagIsIgnored) {
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, kRr80), 0u);
}

TEST_F(PolicyTest, MoreUrgentOfRunningAndWaitingIsTheDemand) {
  EXPECT_EQ(On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_RR, 0, 2, 0), Waiting(kRr3)),
            Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, IdleExitKeepsTheState) {
  const uint64_t boost = On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kIdle), boost);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_EXIT, kIdle), 0u);
}

TEST_F(PolicyTest, HaltSoonAfterUrgentWorkBoostsAhead) {
  On(PVS_EXIT, kRr80);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, BoostAheadIsAtMostWhatTheGuestAskedFor) {
  On(PVS_EXIT, kRr3);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 3));
  EXPECT_EQ(On(PVS_INJECT, kIdle), Boost(PVSCHED_POLICY_RR, 3));
  EXPECT_EQ(On(PVS_KICK, kIdle), Boost(PVSCHED_POLICY_RR, 3));
  EXPECT_EQ(On(PVS_EXIT, kSoftirq), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, BoostAheadHasTheHighestPriorityAskedForLately) {
  On(PVS_EXIT, kRr80);
  On(PVS_EXIT, kRr3);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 8));
  // The lower demand remains, and the higher one is forgotten.
  On(PVS_EXIT, kRr3, 0, tunables_.urgent_memory_ns, false);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, BoostAheadOfADeadlineTaskHasTheTunablesPriority) {
  On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, 0));
  On(PVS_EXIT, kOrdinary);
  tunables_.halt_rt_prio = 98;
  tunables_.max_rt_prio = 98;
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 98));
}

TEST_F(PolicyTest, HaltLongAfterUrgentWorkEndsTheBoost) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_HALT, kIdle, 0, tunables_.urgent_memory_ns + 1, false), 0u);
  EXPECT_EQ(vcpu_.state, uint32_t{PVS_NORMAL});
}

TEST_F(PolicyTest, UrgentTaskBetweenTwoEventsCountsAsUrgentWork) {
  RanUrgent(kRr3);
  EXPECT_EQ(On(PVS_HALT, kIdle), Boost(PVSCHED_POLICY_RR, 3));
  RanUrgent(kRr3);
  EXPECT_EQ(On(PVS_HALT, kIdle, 0, tunables_.urgent_memory_ns + 1, false),
            Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, UrgentTaskCountsOnceHoweverLongItIsInTheRecord) {
  RanUrgent(kRr80);
  On(PVS_HALT, kIdle);
  EXPECT_EQ(On(PVS_HALT, kIdle, 0, tunables_.urgent_memory_ns + 1, false), 0u);
}

TEST_F(PolicyTest, UrgentTaskOfNoRealTimePriorityDoesNotBoost) {
  const uint64_t beyond_99 = pvsched_word(PVSCHED_POLICY_RR, 0, 100, 0);
  const uint64_t nice = pvsched_word(PVSCHED_POLICY_NORMAL, -20, 0, 0);
  for (const uint64_t word : {kOrdinary, beyond_99, nice}) {
    RanUrgent(word);
    EXPECT_EQ(On(PVS_HALT, kIdle), 0u) << word;
  }
}

TEST_F(PolicyTest, HaltOfAGuestWithoutUrgentWorkDoesNotBoost) {
  EXPECT_EQ(On(PVS_HALT, kIdle), 0u);
}

TEST_F(PolicyTest, InjectBoostsOnlySoonAfterUrgentWork) {
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), 0u);
  On(PVS_EXIT, kRr80);
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
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_EXIT, kSoftirq), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, GrantIsValidUntilItsInputChanges) {
  EXPECT_FALSE(StillValid(PVS_EXIT, 0, kRr80, 0));
  On(PVS_EXIT, kRr80);
  EXPECT_TRUE(StillValid(PVS_EXIT, cpu_, kRr80, 0));
  EXPECT_FALSE(StillValid(PVS_INJECT, cpu_, kRr80, 0));
  EXPECT_FALSE(StillValid(PVS_EXIT, cpu_ + 1, kRr80, 0));
  EXPECT_FALSE(StillValid(PVS_EXIT, cpu_, kRr3, 0));
  EXPECT_FALSE(StillValid(PVS_EXIT, cpu_, kRr80, Waiting(kRr3)));
  critical_ = 1;
  EXPECT_FALSE(StillValid(PVS_EXIT, cpu_, kRr80, 0));
}

TEST_F(PolicyTest, TimerAlwaysNeedsADecision) {
  On(PVS_TIMER, kRr80);
  EXPECT_FALSE(StillValid(PVS_TIMER, cpu_, kRr80, 0));
}

TEST_F(PolicyTest, WakeUpByAnInterruptNeedsNoDecision) {
  for (uint32_t event : {PVS_INJECT, PVS_KICK}) {
    On(event, kOrdinary);
    EXPECT_TRUE(StillValid(PVS_WAKE, cpu_, kOrdinary, 0));
    EXPECT_FALSE(StillValid(PVS_WAKE, cpu_, kRr3, 0));
  }
  On(PVS_HALT, kOrdinary);
  EXPECT_FALSE(StillValid(PVS_WAKE, cpu_, kOrdinary, 0));
}

TEST_F(PolicyTest, WakeUpOfAThrottledVcpuNeedsADecision) {
  On(PVS_EXIT, kRr80);
  On(PVS_KICK, kRr80, 0, tunables_.budget_ns);
  ASSERT_EQ(vcpu_.state, uint32_t{PVS_THROTTLED});
  EXPECT_FALSE(StillValid(PVS_WAKE, cpu_, kRr80, 0));
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
  EXPECT_EQ(On(PVS_EXIT, idle_policy, Waiting(kOrdinary)), 0u);
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

TEST_F(PolicyTest, UrgentDemandUnderACapOfNormalGetsTheLowestNice) {
  tunables_.max_policy = PVSCHED_POLICY_NORMAL;
  tunables_.min_nice = -5;
  EXPECT_EQ(On(PVS_EXIT, kRr80), pvsched_word(PVSCHED_POLICY_NORMAL, -5, 0, PVSCHED_GRANT_BOOSTED));
}

TEST_F(PolicyTest, WakeUpWithWaitingUrgentTaskBoosts) {
  EXPECT_EQ(On(PVS_WAKE, kIdle, Waiting(kRr3)), Boost(PVSCHED_POLICY_RR, 3));
}

TEST_F(PolicyTest, KickBoostsSoonAfterUrgentWork) {
  EXPECT_EQ(On(PVS_KICK, kOrdinary), 0u);
  On(PVS_EXIT, kRr80);
  On(PVS_EXIT, kOrdinary);
  EXPECT_EQ(On(PVS_KICK, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
}

TEST_F(PolicyTest, AwaitedVcpuInACriticalSectionIsBoostedUntilItsEnd) {
  critical_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), 0u);
  EXPECT_EQ(On(PVS_AWAITED, kOrdinary, 0, kMs, false), Critical());
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), Critical());
  critical_ = 0;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
}

TEST_F(PolicyTest, AwaitedVcpuOutsideOfCriticalSectionsIsNotBoosted) {
  EXPECT_EQ(On(PVS_AWAITED, kOrdinary), 0u);
  critical_ = 1;
  EXPECT_EQ(On(PVS_AWAITED, kIdle), 0u);
  const uint64_t lowered = On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0));
  critical_ = 0;
  EXPECT_EQ(On(PVS_AWAITED, pvsched_word(PVSCHED_POLICY_NORMAL, 10, 0, 0)), lowered);
}

TEST_F(PolicyTest, CriticalSectionThatNoVcpuAwaitsIsNotBoosted) {
  critical_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), 0u);
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), 0u);
  EXPECT_EQ(On(PVS_PREEMPT, kSoftirq), 0u);
  EXPECT_EQ(vcpu_.boosts, 0u);
}

TEST_F(PolicyTest, PreemptionInAnAwaitedCriticalSectionBoostsUntilItsEnd) {
  critical_ = 1;
  awaited_ = 1;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
  EXPECT_EQ(On(PVS_PREEMPT, kOrdinary), Critical());
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), Critical());
  critical_ = 0;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary), 0u);
}

TEST_F(PolicyTest, PreemptionInAnAwaitedSoftirqBoosts) {
  awaited_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kSoftirq), Critical());
}

TEST_F(PolicyTest, IdleLoopIsNoCriticalSection) {
  critical_ = 1;
  awaited_ = 1;
  EXPECT_EQ(On(PVS_PREEMPT, kIdle), 0u);
}

TEST_F(PolicyTest, UnacknowledgedInterruptKeepsItsBoostForAWhile) {
  acks_ = 1;
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_INJECT, kOrdinary), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.inject_hold_ns / 2), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, tunables_.inject_hold_ns), 0u);
}

TEST_F(PolicyTest, HoldTimeOfAnInterruptStartsWhenTheVcpuRuns) {
  acks_ = 1;
  On(PVS_EXIT, kRr80);
  On(PVS_PREEMPT, kOrdinary);
  On(PVS_INJECT, kOrdinary);
  now_ += 3 * tunables_.inject_hold_ns;
  pvs_restart_irq_hold(&vcpu_, now_);
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, tunables_.inject_hold_ns / 2), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, tunables_.inject_hold_ns), 0u);
}

TEST_F(PolicyTest, AcknowledgedInterruptHasNoHoldTime) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  On(PVS_INJECT, kOrdinary);
  irq_ack_ = vcpu_.irq_ticket;
  pvs_restart_irq_hold(&vcpu_, now_);
  EXPECT_EQ(On(PVS_TICK, kOrdinary, 0, 1000), 0u);
}

TEST_F(PolicyTest, AcknowledgementWithoutUrgentDemandEndsTheBoost) {
  acks_ = 1;
  On(PVS_EXIT, kRr3);
  On(PVS_INJECT, kOrdinary);
  irq_ack_ = vcpu_.irq_ticket;
  EXPECT_EQ(On(PVS_EXIT, kOrdinary, 0, 1000), 0u);
}

TEST_F(PolicyTest, TimerEndsTheBoostOfAHaltAfterUrgentMemory) {
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

TEST_F(PolicyTest, ReschedKeepsABoostByNice) {
  tunables_.min_nice = -5;
  const uint64_t boost = On(PVS_EXIT, pvsched_word(PVSCHED_POLICY_NORMAL, -5, 0, 0));
  ASSERT_EQ(vcpu_.state, uint32_t{PVS_BOOSTED});
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), boost);
}

TEST_F(PolicyTest, ReschedEndsARealTimeBoost) {
  On(PVS_EXIT, kRr80);
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), 0u);
}

TEST_F(PolicyTest, ReschedInAnAwaitedCriticalSectionBoosts) {
  critical_ = 1;
  awaited_ = 1;
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), Critical());
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), Critical());
  critical_ = 0;
  EXPECT_EQ(On(PVS_RESCHED, kOrdinary), 0u);
}

// Property: RESCHED decides as TICK does while the grant is a real-time one, else as PREEMPT.
TEST_F(PolicyTest, ReschedDecidesAsTickOrPreempt) {
  std::mt19937_64 random(20261129);
  tunables_.min_nice = -5;
  acks_ = 1;
  for (int i = 0; i < 200000; ++i) {
    critical_ = static_cast<uint32_t>(random() % 2);
    awaited_ = static_cast<uint32_t>(random() % 2);
    irq_ack_ = random() % 2 == 0 ? vcpu_.irq_ticket : 0;
    const uint64_t intent = random() % 2 == 0 ? kRr80 : random() % 2 == 0 ? kIdle : random();
    const uint64_t waiting = random() % 2 == 0 ? 0 : random();
    const pvs_vcpu before = vcpu_;
    const bool is_urgent = pvsched_urgency(pvs_without_flags(vcpu_.grant)) > PVSCHED_URGENCY_RT;
    now_ += random() % (4 * kMs);
    cpu_ += random() % (2 * kMs);
    const uint64_t expected = Decide(Input(is_urgent ? PVS_TICK : PVS_PREEMPT, intent, waiting));
    const pvs_vcpu after = vcpu_;
    vcpu_ = before;
    ASSERT_EQ(Decide(Input(PVS_RESCHED, intent, waiting)), expected) << "event " << i;
    ASSERT_EQ(vcpu_.state, after.state);
    On(static_cast<uint32_t>(random() % 11), random() % 2 == 0 ? kRr3 : random(), random());
  }
}

// Under scx a kick is the only event of an interrupt.
TEST_F(PolicyTest, KickThatIsAnInterruptTakesATicket) {
  acks_ = 1;
  On(PVS_EXIT, kRr80);
  On(PVS_KICK, kOrdinary);
  EXPECT_EQ(vcpu_.irq_ticket, 0u);
  pvs_input kick = Input(PVS_KICK, kOrdinary);
  kick.is_irq = 1;
  EXPECT_EQ(Decide(kick), Boost(PVSCHED_POLICY_RR, 8));
  EXPECT_EQ(vcpu_.irq_ticket, 1u);
  EXPECT_EQ(vcpu_.injected, 1);
}

}  // namespace
}  // namespace pvsched
