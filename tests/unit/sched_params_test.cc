// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// A thread's scheduling parameters under a grant.
#include "host-policy/core/sched_params.h"

#include <sched.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

uint64_t Boost(uint32_t policy, int32_t nice, uint32_t rt_prio) {
  return pvsched_word(policy, nice, rt_prio, PVSCHED_GRANT_BOOSTED);
}
uint64_t Lower(uint32_t policy, int32_t nice) {
  return pvsched_word(policy, nice, 0, PVSCHED_GRANT_LOWERED);
}

struct Case {
  const char* what;
  pvs_sched_params baseline;
  uint64_t grant;
  bool is_granted;
  pvs_sched_params expected;  // if granted; else the baseline
};

constexpr uint32_t kNormal = PVSCHED_POLICY_NORMAL;
constexpr uint32_t kFifo = PVSCHED_POLICY_FIFO;
constexpr uint32_t kRr = PVSCHED_POLICY_RR;
constexpr uint32_t kBatch = PVSCHED_POLICY_BATCH;
constexpr uint32_t kIdle = PVSCHED_POLICY_IDLE;
constexpr uint32_t kDeadline = PVSCHED_POLICY_DEADLINE;

TEST(SchedParams, GrantBoostsOrLowersButNeverCrossesTheBaseline) {
  const std::vector<Case> cases = {
      {"no grant", {kNormal, 5, 0, 0}, 0, false, {}},
      {"RT boost of a fair thread", {kNormal, 5, 0, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"RT boost of an idle thread", {kIdle, 0, 0, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"RT boost of a lower RT thread", {kFifo, 0, 3, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"RT boost of an equal RT thread", {kFifo, 0, 8, 0}, Boost(kRr, 0, 8), false, {}},
      {"RT boost of a higher RT thread", {kFifo, 0, 20, 0}, Boost(kRr, 0, 8), false, {}},
      {"RT boost of a deadline thread", {kDeadline, 0, 0, 0}, Boost(kRr, 0, 8), false, {}},
      {"nice boost", {kNormal, 0, 0, 0}, Boost(kNormal, -5, 0), true, {kNormal, -5, 0, 1}},
      {"nice boost of a batch thread",
       {kBatch, 0, 0, 0},
       Boost(kNormal, -5, 0),
       true,
       {kNormal, -5, 0, 1}},
      {"nice boost of a nicer thread", {kNormal, -10, 0, 0}, Boost(kNormal, -5, 0), false, {}},
      {"nice boost of an RT thread", {kRr, 0, 1, 0}, Boost(kNormal, -5, 0), false, {}},
      {"lowering to nice 10", {kNormal, 0, 0, 0}, Lower(kNormal, 10), true, {kNormal, 10, 0, 0}},
      {"lowering to idle keeps nice", {kNormal, 3, 0, 1}, Lower(kIdle, 0), true, {kIdle, 3, 0, 1}},
      {"lowering to batch", {kNormal, 0, 0, 0}, Lower(kBatch, 0), true, {kBatch, 0, 0, 0}},
      {"lowering of a lower thread", {kNormal, 15, 0, 0}, Lower(kNormal, 10), false, {}},
      {"lowering of an RT thread", {kRr, 0, 1, 0}, Lower(kIdle, 0), false, {}},
  };
  for (const Case& c : cases) {
    pvs_sched_params got;
    EXPECT_EQ(pvs_params_granted(&c.baseline, c.grant, &got) != 0, c.is_granted) << c.what;
    const pvs_sched_params& expected = c.is_granted ? c.expected : c.baseline;
    EXPECT_EQ(got.policy, expected.policy) << c.what;
    EXPECT_EQ(got.nice, expected.nice) << c.what;
    EXPECT_EQ(got.rt_prio, expected.rt_prio) << c.what;
    EXPECT_EQ(got.reset_on_fork, expected.reset_on_fork) << c.what;
  }
}

TEST(SchedParams, RemainderOfABoostIsABoostAndAnAdminsChangeIsNot) {
  struct {
    const char* what;
    pvs_sched_params baseline, applied, now;
    bool is_of_boost;
  } const cases[] = {
      {"lower priority", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 7, 1}, true},
      {"the other real-time policy", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kFifo, 0, 8, 1}, true},
      {"no RESET_ON_FORK", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 7, 0}, false},
      {"above the boost", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 20, 1}, false},
      {"deadline class", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kDeadline, 0, 0, 1}, false},
      {"above the baseline", {kRr, 0, 3, 0}, {kRr, 0, 8, 1}, {kRr, 0, 4, 1}, true},
      {"below the baseline", {kRr, 0, 3, 0}, {kRr, 0, 8, 1}, {kRr, 0, 2, 1}, false},
      {"at the baseline", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kNormal, 0, 0, 1}, false},
      {"between idle and the boost", {kIdle, 0, 0, 0}, {kRr, 0, 8, 1}, {kNormal, 0, 0, 1}, true},
      {"higher nice", {kNormal, 0, 0, 0}, {kNormal, -5, 0, 1}, {kNormal, -4, 0, 1}, true},
      {"batch policy", {kNormal, 0, 0, 0}, {kNormal, -5, 0, 1}, {kBatch, -5, 0, 1}, true},
      {"below a lowering", {kNormal, 0, 0, 1}, {kNormal, 10, 0, 1}, {kNormal, 12, 0, 1}, false},
      {"above a lowering", {kNormal, 0, 0, 1}, {kNormal, 10, 0, 1}, {kNormal, 5, 0, 1}, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(pvs_params_of_boost(&c.baseline, &c.applied, &c.now) != 0, c.is_of_boost) << c.what;
  }
}

static_assert(PVS_FLAG_RESET_ON_FORK == SCHED_FLAG_RESET_ON_FORK);

sched_attr Attr(uint32_t policy, int32_t nice, uint32_t rt_prio, uint64_t flags = 0,
                uint64_t slice = 0) {
  sched_attr attr = {};
  attr.size = sizeof(attr);
  attr.sched_policy = policy;
  attr.sched_flags = flags;
  attr.sched_nice = nice;
  attr.sched_priority = rt_prio;
  attr.sched_runtime = slice;
  return attr;
}

sched_attr DeadlineAttr(uint64_t runtime) {
  sched_attr attr = Attr(kDeadline, 0, 0, 0, runtime);
  attr.sched_deadline = attr.sched_period = 10 * runtime;
  return attr;
}

constexpr uint64_t kReset = SCHED_FLAG_RESET_ON_FORK;
constexpr uint64_t kSliceNs = 1'000'000;

struct PlanCase {
  const char* what;
  sched_attr baseline;
  std::optional<sched_attr> applied;
  sched_attr current;
  uint64_t grant;
  bool is_new_baseline;
  bool is_granted;
  bool must_set;
  sched_attr next;
};

pvs_apply_plan Plan(const PlanCase& c) {
  return pvs_plan_apply(&c.baseline, c.applied ? &*c.applied : nullptr, &c.current, c.grant);
}

std::vector<PlanCase> PlanCases() {
  const sched_attr normal = Attr(kNormal, 0, 0), nice5 = Attr(kNormal, 5, 0);
  const sched_attr rr8 = Attr(kRr, 0, 8, kReset), rr5 = Attr(kRr, 0, 5, kReset);
  const sched_attr nice10 = Attr(kNormal, 10, 0);
  const sched_attr slice = Attr(kNormal, 0, 0, 0, kSliceNs);
  const sched_attr deadline = DeadlineAttr(kSliceNs);
  const auto none = std::nullopt;
  const uint64_t boost8 = Boost(kRr, 0, 8), boost5 = Boost(kRr, 0, 5);
  const uint64_t lower10 = Lower(kNormal, 10);
  return {
      // Nothing is in force.
      {"no grant at the baseline", normal, none, normal, 0, false, false, false, normal},
      {"boost at the baseline", normal, none, normal, boost8, false, true, true, rr8},
      {"lowering at the baseline", normal, none, normal, lower10, false, true, true, nice10},
      {"admin sets nice, no grant", normal, none, nice5, 0, true, false, false, nice5},
      {"admin sets nice, boost", normal, none, nice5, boost8, true, true, true, rr8},
      {"admin sets RT above the boost", normal, none, Attr(kFifo, 0, 20), boost8, true, false,
       false, Attr(kFifo, 0, 20)},
      {"admin sets exactly the boost", normal, none, rr8, boost8, true, false, false, rr8},
      {"admin sets a slice", normal, none, slice, 0, true, false, false, slice},
      {"admin sets deadline", normal, none, deadline, boost8, true, false, false, deadline},
      {"admin changes the deadline's runtime", deadline, none, DeadlineAttr(2 * kSliceNs), boost8,
       true, false, false, DeadlineAttr(2 * kSliceNs)},
      // A grant is in force.
      {"boost stays", normal, rr8, rr8, boost8, false, true, false, rr8},
      {"boost changes", normal, rr8, rr8, boost5, false, true, true, rr5},
      {"boost ends", normal, rr8, rr8, 0, false, false, true, normal},
      {"boost ends, slice restored", slice, rr8, rr8, 0, false, false, true, slice},
      {"boost becomes a lowering", normal, rr8, rr8, lower10, false, true, true, nice10},
      {"lowering stays", normal, nice10, nice10, lower10, false, true, false, nice10},
      {"lowering ends", normal, nice10, nice10, 0, false, false, true, normal},
      // The thread lowers itself within its boost.
      {"remainder, boost stays", normal, rr8, rr5, boost8, false, true, true, rr8},
      {"remainder, boost ends", normal, rr8, rr5, 0, false, false, true, normal},
      {"remainder is the new boost", normal, rr8, rr5, boost5, false, true, false, rr5},
      {"remainder in the fair class", Attr(kIdle, 0, 0), rr8, Attr(kNormal, 0, 0, kReset), 0, false,
       false, true, Attr(kIdle, 0, 0)},
      {"thread drops to its baseline", normal, rr8, Attr(kNormal, 0, 0, kReset), 0, true, false,
       false, Attr(kNormal, 0, 0, kReset)},
      // An admin changes a thread that has a grant.
      {"admin lowers a boosted thread", normal, rr8, nice5, boost8, true, true, true, rr8},
      {"admin lowers a boosted thread, boost ends", normal, rr8, nice5, 0, true, false, false,
       nice5},
      {"admin raises a boosted thread", normal, rr8, Attr(kRr, 0, 20), boost8, true, false, false,
       Attr(kRr, 0, 20)},
      {"admin gives a boosted thread a real-time priority below the boost", normal, rr8,
       Attr(kRr, 0, 5), boost8, true, true, true, rr8},
      {"admin makes a boosted thread deadline", normal, rr8, deadline, boost8, true, false, false,
       deadline},
      {"admin raises a lowered thread", normal, nice10, nice5, lower10, true, true, true, nice10},
  };
}

TEST(ApplyPlan, EachCaseHasItsBaselineItsParametersAndWhetherToSetThem) {
  for (const PlanCase& c : PlanCases()) {
    const pvs_apply_plan plan = Plan(c);
    EXPECT_EQ(plan.is_new_baseline != 0, c.is_new_baseline) << c.what;
    EXPECT_EQ(plan.is_granted != 0, c.is_granted) << c.what;
    EXPECT_EQ(plan.must_set != 0, c.must_set) << c.what;
    EXPECT_TRUE(pvs_attr_equal(&plan.next, &c.next)) << c.what;
    // A plan that sets nothing leaves what the thread has.
    if (plan.must_set == 0) {
      EXPECT_TRUE(pvs_attr_equal(&plan.next, &c.current)) << c.what;
    }
  }
}

TEST(ApplyPlan, SameGrantTwiceSetsTheParametersOnce) {
  for (PlanCase c : PlanCases()) {
    const pvs_apply_plan first = Plan(c);
    if (first.is_new_baseline != 0) {
      c.baseline = c.current;
      c.applied.reset();
    }
    if (first.must_set != 0) {
      c.applied = first.is_granted != 0 ? std::optional(first.next) : std::nullopt;
    }
    c.current = first.next;
    const pvs_apply_plan second = Plan(c);
    EXPECT_EQ(second.must_set, 0) << c.what;
    EXPECT_EQ(second.is_new_baseline, 0) << c.what;
    EXPECT_EQ(second.is_granted, first.is_granted) << c.what;
  }
}

TEST(ApplyPlan, EndOfEveryGrantRestoresTheBaseline) {
  const sched_attr normal = Attr(kNormal, 0, 0);
  const std::vector<sched_attr> baselines = {normal,
                                             Attr(kNormal, -5, 0),
                                             Attr(kBatch, 3, 0),
                                             Attr(kNormal, 0, 0, kReset),
                                             Attr(kRr, 0, 3),
                                             Attr(kIdle, 0, 0),
                                             Attr(kNormal, 0, 0, 0, kSliceNs)};
  for (const sched_attr& baseline : baselines) {
    for (const uint64_t grant : {Boost(kRr, 0, 8), Boost(kNormal, -10, 0), Lower(kIdle, 0)}) {
      const pvs_apply_plan start = pvs_plan_apply(&baseline, nullptr, &baseline, grant);
      if (start.is_granted == 0) continue;
      const pvs_apply_plan end = pvs_plan_apply(&baseline, &start.next, &start.next, 0);
      EXPECT_EQ(end.is_new_baseline, 0);
      EXPECT_EQ(end.is_granted, 0);
      EXPECT_NE(end.must_set, 0);
      EXPECT_TRUE(pvs_attr_equal(&end.next, &baseline));
    }
  }
}

TEST(SchedAttr, AttributesOfAnotherClassDoNotMakeADifference) {
  sched_attr a = Attr(kRr, 0, 8), b = a;
  b.sched_nice = 3;
  b.sched_runtime = kSliceNs;
  EXPECT_TRUE(pvs_attr_equal(&a, &b));
  a = b = Attr(kNormal, 3, 0);
  b.sched_priority = 8;
  b.sched_deadline = kSliceNs;
  EXPECT_TRUE(pvs_attr_equal(&a, &b));
}

TEST(SchedAttr, PolicyFlagsNiceSliceAndPriorityMakeADifference) {
  const sched_attr normal = Attr(kNormal, 0, 0), rr8 = Attr(kRr, 0, 8);
  for (const sched_attr& other : {Attr(kBatch, 0, 0), Attr(kNormal, 1, 0),
                                  Attr(kNormal, 0, 0, kReset), Attr(kNormal, 0, 0, 0, kSliceNs)}) {
    EXPECT_FALSE(pvs_attr_equal(&normal, &other));
  }
  for (const sched_attr& other : {Attr(kFifo, 0, 8), Attr(kRr, 0, 7), Attr(kRr, 0, 8, kReset)}) {
    EXPECT_FALSE(pvs_attr_equal(&rr8, &other));
  }
}

}  // namespace
}  // namespace pvsched
