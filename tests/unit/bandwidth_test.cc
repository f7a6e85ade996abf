// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// A cgroup's CPU bandwidth: core/bandwidth.h.
#include "host-policy/core/bandwidth.h"

#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kStart = 12345 * kMs;

pvs_bandwidth Bandwidth(uint64_t quota_ns, uint64_t period_ns) {
  pvs_bandwidth bandwidth = {};
  pvs_bandwidth_set(&bandwidth, quota_ns, period_ns, kStart);
  return bandwidth;
}

// The share of a CPU, in per cent over 100 s, of busy tasks that are charged every `gap`.
double Share(uint64_t quota_ns, uint64_t period_ns, uint64_t gap, int tasks = 1) {
  pvs_bandwidth bandwidth = Bandwidth(quota_ns, period_ns);
  uint64_t now = kStart, used = 0;
  while (now < kStart + 100000 * kMs) {
    uint64_t until = 0;
    // Unthrottling lets all tasks run at once, each until its charge.
    for (int i = 0; i < tasks; ++i) {
      now += gap;
      used += gap;
      until = std::max<uint64_t>(until, pvs_bandwidth_charge(&bandwidth, gap, now));
    }
    now = std::max(now, until);
  }
  return 100.0 * static_cast<double>(used) / static_cast<double>(now - kStart);
}

TEST(Bandwidth, QuotaHoldsHoweverLateTheCharge) {
  for (const uint64_t gap : {1, 4, 10, 30, 52, 72, 150, 390}) {
    EXPECT_NEAR(Share(20 * kMs, 100 * kMs, gap * kMs), 20, 1) << "charged after " << gap << " ms";
  }
}

TEST(Bandwidth, QuotaHoldsForSmallQuotasAndOtherPeriods) {
  EXPECT_NEAR(Share(1 * kMs, 100 * kMs, 4 * kMs), 1, 0.1);
  EXPECT_NEAR(Share(1 * kMs, 10 * kMs, 4 * kMs), 10, 0.5);
  EXPECT_NEAR(Share(500 * kMs, 1000 * kMs, 10 * kMs), 50, 1);
}

TEST(Bandwidth, QuotaHoldsForManyTasksUnthrottledAtOnce) {
  EXPECT_NEAR(Share(20 * kMs, 100 * kMs, 4 * kMs, 20), 20, 1);
  EXPECT_NEAR(Share(20 * kMs, 100 * kMs, 10 * kMs, 30), 20, 1);
}

TEST(Bandwidth, CgroupBelowItsQuotaIsNeverThrottled) {
  pvs_bandwidth bandwidth = Bandwidth(20 * kMs, 100 * kMs);
  for (uint64_t now = kStart; now < kStart + 10000 * kMs; now += 10 * kMs) {
    ASSERT_EQ(pvs_bandwidth_charge(&bandwidth, 1 * kMs, now), 0u);
  }
}

TEST(Bandwidth, ThrottlingEndsWithinTheLargestDebt) {
  for (const uint64_t period : {1, 100, 1000}) {
    pvs_bandwidth bandwidth = Bandwidth(1 * kMs, period * kMs);
    uint64_t until = 0;
    for (int i = 0; i < 1000; ++i)
      until = pvs_bandwidth_charge(&bandwidth, 5000 * kMs, kStart + kMs / 2);
    EXPECT_GT(until, kStart);
    EXPECT_LE(until, kStart + pvs_param_bw_debt_max);
  }
}

// The largest debt must never be less than one period, or the quota would not hold.
TEST(Bandwidth, QuotaHoldsForAPeriodAsLongAsTheLargestDebt) {
  const uint64_t period = 2 * pvs_param_bw_debt_max;
  EXPECT_NEAR(Share(period / 5, period, 10 * kMs), 20, 2);
}

// As with a task that ran alone before the cgroup had a quota.
TEST(Bandwidth, OneLargeChargeIsPaidWithinTwiceTheLargestDebt) {
  pvs_bandwidth bandwidth = Bandwidth(10 * kMs, 100 * kMs);
  EXPECT_NE(pvs_bandwidth_charge(&bandwidth, 4000 * kMs, kStart + kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_charge(&bandwidth, 0, kStart + 2 * pvs_param_bw_debt_max), 0u);
}

TEST(Bandwidth, NewQuotaClearsDebtAndNoQuotaNeverThrottles) {
  pvs_bandwidth bandwidth = Bandwidth(20 * kMs, 100 * kMs);
  EXPECT_NE(pvs_bandwidth_charge(&bandwidth, 500 * kMs, kStart + kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_set(&bandwidth, 60 * kMs, 100 * kMs, kStart + 2 * kMs), 20 * kMs);
  EXPECT_EQ(pvs_bandwidth_charge(&bandwidth, 50 * kMs, kStart + 3 * kMs), 0u);
  EXPECT_NE(pvs_bandwidth_charge(&bandwidth, 50 * kMs, kStart + 4 * kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_set(&bandwidth, 0, 100 * kMs, kStart + 5 * kMs), 60 * kMs);
  EXPECT_EQ(pvs_bandwidth_charge(&bandwidth, 500 * kMs, kStart + 6 * kMs), 0u);
}

TEST(Bandwidth, LateClockDoesNotMoveThePeriodBack) {
  pvs_bandwidth bandwidth = Bandwidth(20 * kMs, 100 * kMs);
  pvs_bandwidth_charge(&bandwidth, 30 * kMs, kStart + 150 * kMs);
  const uint64_t start = bandwidth.period_start;
  pvs_bandwidth_charge(&bandwidth, 0, kStart + 90 * kMs);
  EXPECT_EQ(bandwidth.period_start, start);
}

}  // namespace
}  // namespace pvsched
