// SPDX-License-Identifier: Apache-2.0
// The order of ordinary tasks under the scheduler.
#include "host-policy/core/vtime.h"

#include <array>
#include <cstdint>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kMs = 1000000;

// One CPU, tasks that never sleep: runs the earliest deadline for a slice.
template <size_t kTasks>
std::array<uint64_t, kTasks> Share(const std::array<uint32_t, kTasks>& weights, uint64_t total) {
  std::array<pvs_vtime, kTasks> tasks = {};
  std::array<uint64_t, kTasks> used = {};
  for (uint64_t now = 0; now < total;) {
    size_t next = 0;
    for (size_t i = 1; i < kTasks; ++i) {
      if (pvs_before(pvs_vtime_deadline(&tasks[i]), pvs_vtime_deadline(&tasks[next]))) next = i;
    }
    const uint64_t slice = pvs_slice_for(kTasks - 1);
    pvs_vtime_charge(&tasks[next], slice, weights[next]);
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
  pvs_vtime hog = {};
  pvs_vtime sleeper = {};
  uint64_t now = 1000 * kMs;
  for (int i = 0; i < 100; ++i, now += 10 * kMs) {
    pvs_vtime_charge(&hog, 9 * kMs, PVS_WEIGHT);
    pvs_vtime_sleep(&sleeper, now);
    pvs_vtime_wake(&sleeper, PVS_WEIGHT, hog.vruntime, now + 9 * kMs, 1);
    EXPECT_TRUE(pvs_before(pvs_vtime_deadline(&sleeper), pvs_vtime_deadline(&hog)));
    pvs_vtime_charge(&sleeper, kMs, PVS_WEIGHT);
  }
}

TEST(Fair, SleepEarnsNoMoreThanTheLag) {
  pvs_vtime task = {};
  const uint64_t vtime_now = 1000000 * kMs;
  pvs_vtime_sleep(&task, 1);
  pvs_vtime_wake(&task, 10000, vtime_now, 1000000 * kMs, 0);
  EXPECT_GE(task.vruntime, vtime_now - PVS_LAG_MAX_NS);
  EXPECT_LT(task.vruntime, vtime_now);
}

TEST(Fair, CreditShrinksAsMoreTasksWait) {
  uint64_t before = 0;
  for (const uint32_t waiting : {0u, 1u, 4u, 16u}) {
    pvs_vtime task = {};
    task.wakes = PVS_WAKEUPS_FULL_CREDIT;
    pvs_vtime_wake(&task, PVS_WEIGHT, 1000 * kMs, 1000 * kMs, waiting);
    EXPECT_GT(task.vruntime, before) << waiting;
    before = task.vruntime;
  }
}

// What a task owes it keeps: sleep does not wash it off.
TEST(Fair, SleepTakesNoDebtAway) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 100 * kMs, PVS_WEIGHT);
  pvs_vtime_sleep(&task, 100 * kMs);
  pvs_vtime_wake(&task, PVS_WEIGHT, 80 * kMs, 101 * kMs, 0);
  EXPECT_EQ(task.vruntime, 100 * kMs);
}

// A task that is bound to a crowded CPU, where time goes slower, is not starved
// by those that have been there; nor are they by one that comes from there.
TEST(Fair, NeitherAdvanceNorDebtFollowsToOtherTasks) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs, PVS_WEIGHT);
  pvs_vtime_clamp(&task, 1000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 1000 * kMs + PVS_LAG_MAX_NS);
  pvs_vtime_clamp(&task, 9000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 9000 * kMs - PVS_LAG_MAX_NS);
}

// Where hundreds wait, a debt of 40 ms of virtual time is ten seconds and more.
TEST(Fair, DebtAndBurstsCountLessAsMoreTasksWait) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs, PVS_WEIGHT);
  pvs_vtime_clamp(&task, 1000 * kMs, 500);
  EXPECT_LT(task.vruntime, 1001 * kMs);
  EXPECT_LT(pvs_vtime_dsq_key(&task, 500), 1002 * kMs);
  EXPECT_EQ(pvs_vtime_dsq_key(&task, 0), task.vruntime + PVS_LAG_MAX_NS);
}

// Else tasks that write to each other are switched to for every message.
TEST(Fair, BurstsDecideTheOrderInShortQueuesOnly) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs, PVS_WEIGHT);
  const auto burst = [&task](uint32_t waiting) {
    return pvs_vtime_dsq_key(&task, waiting) - task.vruntime;
  };
  EXPECT_EQ(burst(PVS_BURST_QUEUE_MIN - 1), pvs_lag_limit(PVS_BURST_QUEUE_MIN - 1));
  EXPECT_EQ(burst(PVS_BURST_QUEUE_MIN), pvs_lag_limit(PVS_BURST_QUEUE_MIN) / 2);
  EXPECT_LT(burst(40), PVS_SLICE_MIN_NS);
}

TEST(Fair, ANewTaskGoesOnWhereItsParentIs) {
  pvs_vtime parent = {};
  parent.wakes = PVS_WAKEUPS_FULL_CREDIT;
  parent.slept_at = 90 * kMs;
  pvs_vtime_charge(&parent, 100 * kMs, PVS_WEIGHT);
  pvs_vtime child = {};
  pvs_vtime_fork(&child, &parent);
  pvs_vtime_wake(&child, PVS_WEIGHT, 80 * kMs, 200 * kMs, 0);
  // Neither the debt nor the long burst is washed off, and to begin is no wake-up.
  EXPECT_EQ(pvs_vtime_deadline(&child), pvs_vtime_deadline(&parent));
  EXPECT_EQ(child.wakes, PVS_WAKEUPS_FULL_CREDIT);
  // Nor does it wait behind those that its parent would pass.
  pvs_vtime_fork(&child, &parent);
  pvs_vtime_wake(&child, PVS_WEIGHT, 1000 * kMs, 1100 * kMs, 0);
  EXPECT_EQ(child.vruntime, 1000 * kMs - PVS_LAG_MAX_NS);
}

// Orders made a moment apart are to compare, however the queue's length jumps.
TEST(Fair, TheCrowdIsAMeanThatOneLookHardlyMoves) {
  uint32_t nr_queued_avg = 0;
  const auto look = [&nr_queued_avg](uint32_t waiting, int times) {
    for (int i = 0; i < times; ++i) nr_queued_avg = pvs_nr_queued_avg_add(nr_queued_avg, waiting);
    return pvs_nr_queued_avg_round(nr_queued_avg);
  };
  EXPECT_EQ(look(5, 200), 5u);
  EXPECT_LE(look(20, 1), 6u);
  EXPECT_GE(look(0, 1), 4u);
  EXPECT_EQ(look(0, 200), 0u);
  for (int i = 0; i < 100; ++i) look(i % 2 ? 0 : 8, 1);
  EXPECT_NEAR(pvs_nr_queued_avg_round(nr_queued_avg), 4, 1);
  EXPECT_EQ(look(2000, 200), 2000u);
}

// Each is put back by the virtual time of now: that takes nothing from who has more weight.
TEST(Fair, VirtualTimePassesByWeight) {
  const std::array<uint32_t, 2> weights = {PVS_WEIGHT, 8 * PVS_WEIGHT};
  std::array<pvs_vtime, 2> tasks = {};
  std::array<uint64_t, 2> used = {};
  uint64_t vtime_now = 0;
  for (int i = 0; i < 20000; ++i) {
    const size_t next =
        pvs_before(pvs_vtime_dsq_key(&tasks[1], 1), pvs_vtime_dsq_key(&tasks[0], 1)) ? 1 : 0;
    if (pvs_before(vtime_now, tasks[next].vruntime)) vtime_now = tasks[next].vruntime;
    pvs_vtime_charge(&tasks[next], kMs, weights[next]);
    used[next] += kMs;
    vtime_now = pvs_vtime_advance(vtime_now, pvs_scale_by_weight(kMs, weights[next]), 2);
    pvs_vtime_clamp(&tasks[next], vtime_now, 1);
  }
  EXPECT_NEAR(static_cast<double>(used[1]) / static_cast<double>(used[0]), 8.0, 0.5);
}

// Each new task begins at the virtual time of now and ends before its slice does.
TEST(Fair, TasksThatEndSoonDoNotPassAnOlderOneForEver) {
  pvs_vtime hog = {};
  pvs_vtime_charge(&hog, 20 * kMs, PVS_WEIGHT);
  uint64_t vtime_now = 0;
  uint64_t waited = 0;
  for (; waited < 1000 * kMs; waited += kMs) {
    pvs_vtime fresh = {.vruntime = vtime_now, .awake = 0, .slept_at = 0, .wakes = 0, .reserved = 0};
    pvs_vtime_wake(&fresh, PVS_WEIGHT, vtime_now, 1000 * kMs, 1);
    if (pvs_before(pvs_vtime_dsq_key(&hog, 1), pvs_vtime_dsq_key(&fresh, 1))) break;
    vtime_now = pvs_vtime_advance(vtime_now, kMs, 2);
  }
  EXPECT_GT(waited, 10 * kMs);
  EXPECT_LT(waited, 100 * kMs);
}

TEST(Fair, SlicesShrinkToTheLeastOne) {
  EXPECT_EQ(pvs_slice_for(0), PVS_SLICE_MAX_NS);
  EXPECT_EQ(pvs_slice_for(1), PVS_SLICE_MAX_NS / 2);
  EXPECT_EQ(pvs_slice_for(1000), PVS_SLICE_MIN_NS);
}

TEST(Fair, VirtualTimeMayWrap) {
  EXPECT_TRUE(pvs_before(~0ull, 1));
  EXPECT_FALSE(pvs_before(1, ~0ull));
}

TEST(Fair, WeightZeroDividesByNothing) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, kMs, 0);
  EXPECT_EQ(task.vruntime, kMs * PVS_WEIGHT);
}

}  // namespace
}  // namespace pvsched
