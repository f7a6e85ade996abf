// SPDX-License-Identifier: Apache-2.0
// The order of ordinary tasks under the scheduler.
#include "host-policy/core/fair.h"

#include <array>
#include <cstdint>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kMs = 1000000;

// One CPU, tasks that never sleep: runs the earliest deadline for a slice.
template <size_t kTasks>
std::array<uint64_t, kTasks> Share(const std::array<uint32_t, kTasks>& weights, uint64_t total) {
  std::array<pvs_fair, kTasks> tasks = {};
  std::array<uint64_t, kTasks> used = {};
  for (uint64_t now = 0; now < total;) {
    size_t next = 0;
    for (size_t i = 1; i < kTasks; ++i) {
      if (pvs_before(pvs_fair_deadline(&tasks[i]), pvs_fair_deadline(&tasks[next]))) next = i;
    }
    const uint64_t slice = pvs_fair_slice(kTasks - 1);
    pvs_fair_charge(&tasks[next], slice, weights[next]);
    used[next] += slice;
    now += slice;
  }
  return used;
}

TEST(Fair, CpuTimeFollowsWeights) {
  const auto used = Share<3>({100, 200, 700}, 10000 * kMs);
  EXPECT_NEAR(static_cast<double>(used[1]) / static_cast<double>(used[0]), 2.0, 0.1);
  EXPECT_NEAR(static_cast<double>(used[2]) / static_cast<double>(used[0]), 7.0, 0.35);
}

TEST(Fair, EachNiceStepIsTenPercentOfCpuTime) {
  EXPECT_EQ(pvs_weight_of_nice(0), PVS_WEIGHT);
  for (int nice = -20; nice < 12; ++nice) {
    const double step =
        static_cast<double>(pvs_weight_of_nice(nice)) / pvs_weight_of_nice(nice + 1);
    EXPECT_GT(step, 1.1) << nice;
    EXPECT_LT(step, 1.5) << nice;
  }
  EXPECT_GE(pvs_weight_of_nice(19), 1u);
}

TEST(Fair, NiceOutOfRangeIsAnOrdinaryTasks) {
  EXPECT_EQ(pvs_weight_of_nice(20), PVS_WEIGHT);
  EXPECT_EQ(pvs_weight_of_nice(-21), PVS_WEIGHT);
  EXPECT_EQ(pvs_weight_of_nice(INT32_MIN), PVS_WEIGHT);
}

TEST(Fair, WhoSleepsComesBeforeWhoComputes) {
  pvs_fair hog = {};
  pvs_fair sleeper = {};
  uint64_t now = 1000 * kMs;
  for (int i = 0; i < 100; ++i, now += 10 * kMs) {
    pvs_fair_charge(&hog, 9 * kMs, PVS_WEIGHT);
    pvs_fair_sleep(&sleeper, now);
    pvs_fair_wake(&sleeper, PVS_WEIGHT, hog.vruntime, now + 9 * kMs, 1);
    EXPECT_TRUE(pvs_before(pvs_fair_deadline(&sleeper), pvs_fair_deadline(&hog)));
    pvs_fair_charge(&sleeper, kMs, PVS_WEIGHT);
  }
}

TEST(Fair, SleepEarnsNoMoreThanTheLag) {
  pvs_fair task = {};
  const uint64_t vnow = 1000000 * kMs;
  pvs_fair_sleep(&task, 1);
  pvs_fair_wake(&task, 10000, vnow, 1000000 * kMs, 0);
  EXPECT_GE(task.vruntime, vnow - PVS_LAG_NS);
  EXPECT_LT(task.vruntime, vnow);
}

TEST(Fair, CreditShrinksAsMoreTasksWait) {
  uint64_t before = 0;
  for (const uint32_t waiting : {0u, 1u, 4u, 16u}) {
    pvs_fair task = {};
    task.wakes = PVS_WAKES_FULL;
    pvs_fair_wake(&task, PVS_WEIGHT, 1000 * kMs, 1000 * kMs, waiting);
    EXPECT_GT(task.vruntime, before) << waiting;
    before = task.vruntime;
  }
}

// What a task owes it keeps: sleep does not wash it off.
TEST(Fair, SleepTakesNoDebtAway) {
  pvs_fair task = {};
  pvs_fair_charge(&task, 100 * kMs, PVS_WEIGHT);
  pvs_fair_sleep(&task, 100 * kMs);
  pvs_fair_wake(&task, PVS_WEIGHT, 80 * kMs, 101 * kMs, 0);
  EXPECT_EQ(task.vruntime, 100 * kMs);
}

// A task that is bound to a crowded CPU, where time goes slower, is not starved
// by those that have been there; nor are they by one that comes from there.
TEST(Fair, NeitherAdvanceNorDebtFollowsToOtherTasks) {
  pvs_fair task = {};
  pvs_fair_charge(&task, 5000 * kMs, PVS_WEIGHT);
  pvs_fair_bound(&task, 1000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 1000 * kMs + PVS_LAG_NS);
  pvs_fair_bound(&task, 9000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 9000 * kMs - PVS_LAG_NS);
}

// Where hundreds wait, a debt of 40 ms of virtual time is ten seconds and more.
TEST(Fair, DebtAndBurstsCountLessAsMoreTasksWait) {
  pvs_fair task = {};
  pvs_fair_charge(&task, 5000 * kMs, PVS_WEIGHT);
  pvs_fair_bound(&task, 1000 * kMs, 500);
  EXPECT_LT(task.vruntime, 1001 * kMs);
  EXPECT_LT(pvs_fair_order(&task, 500), 1002 * kMs);
  EXPECT_EQ(pvs_fair_order(&task, 0), task.vruntime + PVS_LAG_NS);
}

// Else tasks that write to each other are switched to for every message.
TEST(Fair, BurstsDecideTheOrderInShortQueuesOnly) {
  pvs_fair task = {};
  pvs_fair_charge(&task, 5000 * kMs, PVS_WEIGHT);
  const auto burst = [&task](uint32_t waiting) {
    return pvs_fair_order(&task, waiting) - task.vruntime;
  };
  EXPECT_EQ(burst(PVS_BURSTS_AT - 1), pvs_fair_lag(PVS_BURSTS_AT - 1));
  EXPECT_EQ(burst(PVS_BURSTS_AT), pvs_fair_lag(PVS_BURSTS_AT) / 2);
  EXPECT_LT(burst(40), PVS_SLICE_MIN_NS);
}

TEST(Fair, ANewTaskGoesOnWhereItsParentIs) {
  pvs_fair parent = {};
  parent.wakes = PVS_WAKES_FULL;
  parent.slept_at = 90 * kMs;
  pvs_fair_charge(&parent, 100 * kMs, PVS_WEIGHT);
  pvs_fair child = {};
  pvs_fair_fork(&child, &parent);
  pvs_fair_wake(&child, PVS_WEIGHT, 80 * kMs, 200 * kMs, 0);
  // Neither the debt nor the long burst is washed off, and to begin is no wake-up.
  EXPECT_EQ(pvs_fair_deadline(&child), pvs_fair_deadline(&parent));
  EXPECT_EQ(child.wakes, PVS_WAKES_FULL);
  // Nor does it wait behind those that its parent would pass.
  pvs_fair_fork(&child, &parent);
  pvs_fair_wake(&child, PVS_WEIGHT, 1000 * kMs, 1100 * kMs, 0);
  EXPECT_EQ(child.vruntime, 1000 * kMs - PVS_LAG_NS);
}

// Orders made a moment apart are to compare, however the queue's length jumps.
TEST(Fair, TheCrowdIsAMeanThatOneLookHardlyMoves) {
  uint32_t crowd = 0;
  const auto look = [&crowd](uint32_t waiting, int times) {
    for (int i = 0; i < times; ++i) crowd = pvs_fair_crowd(crowd, waiting);
    return pvs_fair_crowded(crowd);
  };
  EXPECT_EQ(look(5, 200), 5u);
  EXPECT_LE(look(20, 1), 6u);
  EXPECT_GE(look(0, 1), 4u);
  EXPECT_EQ(look(0, 200), 0u);
  for (int i = 0; i < 100; ++i) look(i % 2 ? 0 : 8, 1);
  EXPECT_NEAR(pvs_fair_crowded(crowd), 4, 1);
  EXPECT_EQ(look(2000, 200), 2000u);
}

// Each is put back by the virtual time of now: that takes nothing from who has more weight.
TEST(Fair, VirtualTimePassesByWeight) {
  const std::array<uint32_t, 2> weights = {PVS_WEIGHT, 8 * PVS_WEIGHT};
  std::array<pvs_fair, 2> tasks = {};
  std::array<uint64_t, 2> used = {};
  uint64_t vnow = 0;
  for (int i = 0; i < 20000; ++i) {
    const size_t next =
        pvs_before(pvs_fair_order(&tasks[1], 1), pvs_fair_order(&tasks[0], 1)) ? 1 : 0;
    if (pvs_before(vnow, tasks[next].vruntime)) vnow = tasks[next].vruntime;
    pvs_fair_charge(&tasks[next], kMs, weights[next]);
    used[next] += kMs;
    vnow = pvs_fair_pass(vnow, pvs_virtual(kMs, weights[next]), 2);
    pvs_fair_bound(&tasks[next], vnow, 1);
  }
  EXPECT_NEAR(static_cast<double>(used[1]) / static_cast<double>(used[0]), 8.0, 0.5);
}

// Each new task begins at the virtual time of now and ends before its slice does.
TEST(Fair, TasksThatEndSoonDoNotPassAnOlderOneForEver) {
  pvs_fair hog = {};
  pvs_fair_charge(&hog, 20 * kMs, PVS_WEIGHT);
  uint64_t vnow = 0;
  uint64_t waited = 0;
  for (; waited < 1000 * kMs; waited += kMs) {
    pvs_fair fresh = {.vruntime = vnow, .awake = 0, .slept_at = 0, .wakes = 0, .reserved = 0};
    pvs_fair_wake(&fresh, PVS_WEIGHT, vnow, 1000 * kMs, 1);
    if (pvs_before(pvs_fair_order(&hog, 1), pvs_fair_order(&fresh, 1))) break;
    vnow = pvs_fair_pass(vnow, kMs, 2);
  }
  EXPECT_GT(waited, 10 * kMs);
  EXPECT_LT(waited, 100 * kMs);
}

TEST(Fair, SlicesShrinkToTheLeastOne) {
  EXPECT_EQ(pvs_fair_slice(0), PVS_SLICE_MAX_NS);
  EXPECT_EQ(pvs_fair_slice(1), PVS_SLICE_MAX_NS / 2);
  EXPECT_EQ(pvs_fair_slice(1000), PVS_SLICE_MIN_NS);
}

TEST(Fair, VirtualTimeMayWrap) {
  EXPECT_TRUE(pvs_before(~0ull, 1));
  EXPECT_FALSE(pvs_before(1, ~0ull));
}

TEST(Fair, WeightZeroDividesByNothing) {
  pvs_fair task = {};
  pvs_fair_charge(&task, kMs, 0);
  EXPECT_EQ(task.vruntime, kMs * PVS_WEIGHT);
}

}  // namespace
}  // namespace pvsched
