// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The order of ordinary tasks under the scheduler: core/vtime.h.
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
    pvs_vtime_charge(&tasks[next], pvs_scale_by_weight(slice, weights[next]));
    used[next] += slice;
    now += slice;
  }
  return used;
}

TEST(Vtime, CpuTimeFollowsWeights) {
  const auto used = Share<3>({100, 200, 700}, 10000 * kMs);
  EXPECT_NEAR(static_cast<double>(used[1]) / static_cast<double>(used[0]), 2.0, 0.1);
  EXPECT_NEAR(static_cast<double>(used[2]) / static_cast<double>(used[0]), 7.0, 0.35);
}

TEST(Vtime, EachNiceStepIsTenPercentOfCpuTime) {
  EXPECT_EQ(pvs_weight_of_nice(0), PVS_WEIGHT);
  for (int nice = -20; nice < 12; ++nice) {
    const double step =
        static_cast<double>(pvs_weight_of_nice(nice)) / pvs_weight_of_nice(nice + 1);
    EXPECT_GT(step, 1.1) << nice;
    EXPECT_LT(step, 1.5) << nice;
  }
  EXPECT_GE(pvs_weight_of_nice(19), 1u);
}

TEST(Vtime, NiceOutOfRangeHasTheWeightOfNice0) {
  EXPECT_EQ(pvs_weight_of_nice(20), PVS_WEIGHT);
  EXPECT_EQ(pvs_weight_of_nice(-21), PVS_WEIGHT);
  EXPECT_EQ(pvs_weight_of_nice(INT32_MIN), PVS_WEIGHT);
}

TEST(Vtime, SleeperRunsBeforeATaskThatNeverSleeps) {
  pvs_vtime hog = {};
  pvs_vtime sleeper = {};
  uint64_t now = 1000 * kMs;
  for (int i = 0; i < 100; ++i, now += 10 * kMs) {
    pvs_vtime_charge(&hog, 9 * kMs);
    pvs_vtime_sleep(&sleeper, now);
    pvs_vtime_wake(&sleeper, PVS_WEIGHT, hog.vruntime, now + 9 * kMs, 1);
    EXPECT_TRUE(pvs_before(pvs_vtime_deadline(&sleeper), pvs_vtime_deadline(&hog)));
    pvs_vtime_charge(&sleeper, kMs);
  }
}

TEST(Vtime, SleepEarnsAtMostTheLargestLag) {
  pvs_vtime task = {};
  const uint64_t vtime_now = 1000000 * kMs;
  pvs_vtime_sleep(&task, 1);
  pvs_vtime_wake(&task, 10000, vtime_now, 1000000 * kMs, 0);
  EXPECT_GE(task.vruntime, vtime_now - pvs_param_lag_max);
  EXPECT_LT(task.vruntime, vtime_now);
}

TEST(Vtime, CreditShrinksAsTheQueueGrows) {
  uint64_t before = 0;
  for (const uint32_t nr_queued : {0u, 1u, 4u, 16u}) {
    pvs_vtime task = {};
    task.wakeup_rate = pvs_param_wakeups_full_credit;
    pvs_vtime_wake(&task, PVS_WEIGHT, 1000 * kMs, 1000 * kMs, nr_queued);
    EXPECT_GT(task.vruntime, before) << nr_queued;
    before = task.vruntime;
  }
}

TEST(Vtime, SleepKeepsDebt) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 100 * kMs);
  pvs_vtime_sleep(&task, 100 * kMs);
  pvs_vtime_wake(&task, PVS_WEIGHT, 80 * kMs, 101 * kMs, 0);
  EXPECT_EQ(task.vruntime, 100 * kMs);
}

// The virtual time of a CPU with many pinned tasks runs slower than the node's. A
// task that moves between them starves no task and is not starved.
TEST(Vtime, ClampBoundsAdvanceAndDebtInANewQueue) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs);
  pvs_vtime_clamp(&task, 1000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 1000 * kMs + pvs_param_lag_max);
  pvs_vtime_clamp(&task, 9000 * kMs, 0);
  EXPECT_EQ(task.vruntime, 9000 * kMs - pvs_param_lag_max);
}

// With hundreds of queued tasks, 40 ms of virtual time take more than ten seconds.
TEST(Vtime, DebtAndBurstsCountLessAsTheQueueGrows) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs);
  pvs_vtime_clamp(&task, 1000 * kMs, 500);
  EXPECT_LT(task.vruntime, 1001 * kMs);
  EXPECT_LT(pvs_vtime_dsq_key(&task, 500), 1002 * kMs);
  EXPECT_EQ(pvs_vtime_dsq_key(&task, 0), task.vruntime + pvs_param_lag_max);
}

// Else tasks that exchange messages are switched for each message.
TEST(Vtime, BurstsDecideTheOrderInShortQueuesOnly) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, 5000 * kMs);
  const auto burst = [&task](uint32_t nr_queued) {
    return pvs_vtime_dsq_key(&task, nr_queued) - task.vruntime;
  };
  EXPECT_EQ(burst(pvs_param_burst_queue_min - 1), pvs_lag_limit(pvs_param_burst_queue_min - 1));
  EXPECT_EQ(burst(pvs_param_burst_queue_min), pvs_lag_limit(pvs_param_burst_queue_min) / 2);
  EXPECT_LT(burst(40), pvs_param_slice_min);
}

TEST(Vtime, ChildContinuesAtItsParentsPosition) {
  pvs_vtime parent = {};
  parent.wakeup_rate = pvs_param_wakeups_full_credit;
  parent.slept_at = 90 * kMs;
  pvs_vtime_charge(&parent, 100 * kMs);
  pvs_vtime child = {};
  pvs_vtime_fork(&child, &parent);
  pvs_vtime_wake(&child, PVS_WEIGHT, 80 * kMs, 200 * kMs, 0);
  // A fork removes neither debt nor burst, and does not count as a wake-up.
  EXPECT_EQ(pvs_vtime_deadline(&child), pvs_vtime_deadline(&parent));
  EXPECT_EQ(child.wakeup_rate, pvs_param_wakeups_full_credit);
  // The child runs before the tasks that its parent would run before.
  pvs_vtime_fork(&child, &parent);
  pvs_vtime_wake(&child, PVS_WEIGHT, 1000 * kMs, 1100 * kMs, 0);
  EXPECT_EQ(child.vruntime, 1000 * kMs - pvs_param_lag_max);
}

// Keys computed a moment apart must compare, though the length of the queue jumps.
TEST(Vtime, MeanQueueLengthHardlyMovesWithOneSample) {
  uint32_t nr_queued_avg = 0;
  const auto sample = [&nr_queued_avg](uint32_t nr_queued, int times) {
    for (int i = 0; i < times; ++i) nr_queued_avg = pvs_nr_queued_avg_add(nr_queued_avg, nr_queued);
    return pvs_nr_queued_avg_round(nr_queued_avg);
  };
  EXPECT_EQ(sample(5, 200), 5u);
  EXPECT_LE(sample(20, 1), 6u);
  EXPECT_GE(sample(0, 1), 4u);
  EXPECT_EQ(sample(0, 200), 0u);
  for (int i = 0; i < 100; ++i) sample(i % 2 ? 0 : 8, 1);
  EXPECT_NEAR(pvs_nr_queued_avg_round(nr_queued_avg), 4, 1);
  EXPECT_EQ(sample(2000, 200), 2000u);
}

// The clamp after each slice must not cost a heavy task its share.
TEST(Vtime, VirtualTimeAdvancesByWeight) {
  const std::array<uint32_t, 2> weights = {PVS_WEIGHT, 8 * PVS_WEIGHT};
  std::array<pvs_vtime, 2> tasks = {};
  std::array<uint64_t, 2> used = {};
  uint64_t vtime_now = 0;
  for (int i = 0; i < 20000; ++i) {
    const size_t next =
        pvs_before(pvs_vtime_dsq_key(&tasks[1], 1), pvs_vtime_dsq_key(&tasks[0], 1)) ? 1 : 0;
    if (pvs_before(vtime_now, tasks[next].vruntime)) vtime_now = tasks[next].vruntime;
    pvs_vtime_charge(&tasks[next], pvs_scale_by_weight(kMs, weights[next]));
    used[next] += kMs;
    vtime_now = pvs_vtime_advance(vtime_now, pvs_scale_by_weight(kMs, weights[next]), 2);
    pvs_vtime_clamp(&tasks[next], vtime_now, 1);
  }
  EXPECT_NEAR(static_cast<double>(used[1]) / static_cast<double>(used[0]), 8.0, 0.5);
}

// Each new task starts at the virtual time and ends before its slice does.
TEST(Vtime, ShortTasksDoNotStarveAnOlderTask) {
  pvs_vtime hog = {};
  pvs_vtime_charge(&hog, 20 * kMs);
  uint64_t vtime_now = 0;
  uint64_t waited = 0;
  for (; waited < 1000 * kMs; waited += kMs) {
    pvs_vtime fresh = {
        .vruntime = vtime_now, .awake_vruntime = 0, .slept_at = 0, .wakeup_rate = 0, .reserved = 0};
    pvs_vtime_wake(&fresh, PVS_WEIGHT, vtime_now, 1000 * kMs, 1);
    if (pvs_before(pvs_vtime_dsq_key(&hog, 1), pvs_vtime_dsq_key(&fresh, 1))) break;
    vtime_now = pvs_vtime_advance(vtime_now, kMs, 2);
  }
  EXPECT_GT(waited, 10 * kMs);
  EXPECT_LT(waited, 100 * kMs);
}

TEST(Vtime, SliceShrinksToTheShortest) {
  EXPECT_EQ(pvs_slice_for(0), pvs_param_slice_max);
  EXPECT_EQ(pvs_slice_for(1), pvs_param_slice_max / 2);
  EXPECT_EQ(pvs_slice_for(1000), pvs_param_slice_min);
}

TEST(Vtime, VirtualTimeWraps) {
  EXPECT_TRUE(pvs_before(~0ull, 1));
  EXPECT_FALSE(pvs_before(1, ~0ull));
}

TEST(Vtime, WeightZeroCountsAsOne) {
  pvs_vtime task = {};
  pvs_vtime_charge(&task, pvs_scale_by_weight(kMs, 0));
  EXPECT_EQ(task.vruntime, kMs * PVS_WEIGHT);
}

}  // namespace
}  // namespace pvsched
