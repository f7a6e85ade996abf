// SPDX-License-Identifier: Apache-2.0
// A control group's quota of CPU time.
#include "host-policy/core/bandwidth.h"

#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kStart = 12345 * kMs;

pvs_bandwidth Quota(uint64_t quota_ns, uint64_t period_ns) {
  pvs_bandwidth quota = {};
  pvs_bandwidth_set(&quota, quota_ns, period_ns, kStart);
  return quota;
}

// What busy tasks of one CPU, charged `gap` after they begin, have of it in 100 s, in per cent.
double Share(uint64_t quota_ns, uint64_t period_ns, uint64_t gap, int tasks = 1) {
  pvs_bandwidth quota = Quota(quota_ns, period_ns);
  uint64_t now = kStart, used = 0;
  while (now < kStart + 100000 * kMs) {
    uint64_t until = 0;
    // All that waited are let go at once, each until its charge.
    for (int i = 0; i < tasks; ++i) {
      now += gap;
      used += gap;
      until = std::max<uint64_t>(until, pvs_bandwidth_charge(&quota, gap, now));
    }
    now = std::max(now, until);
  }
  return 100.0 * static_cast<double>(used) / static_cast<double>(now - kStart);
}

TEST(Quota, HoldsHoweverLateTheCharge) {
  for (const uint64_t gap : {1, 4, 10, 30, 52, 72, 150, 390}) {
    EXPECT_NEAR(Share(20 * kMs, 100 * kMs, gap * kMs), 20, 1) << "charged after " << gap << " ms";
  }
}

TEST(Quota, HoldsForSmallOnesAndForOtherPeriods) {
  EXPECT_NEAR(Share(1 * kMs, 100 * kMs, 4 * kMs), 1, 0.1);
  EXPECT_NEAR(Share(1 * kMs, 10 * kMs, 4 * kMs), 10, 0.5);
  EXPECT_NEAR(Share(500 * kMs, 1000 * kMs, 10 * kMs), 50, 1);
}

TEST(Quota, HoldsForManyTasksThatAreLetGoAtOnce) {
  EXPECT_NEAR(Share(20 * kMs, 100 * kMs, 4 * kMs, 20), 20, 1);
  EXPECT_NEAR(Share(20 * kMs, 100 * kMs, 10 * kMs, 30), 20, 1);
}

TEST(Quota, GroupBelowItsQuotaNeverWaits) {
  pvs_bandwidth quota = Quota(20 * kMs, 100 * kMs);
  for (uint64_t now = kStart; now < kStart + 10000 * kMs; now += 10 * kMs) {
    ASSERT_EQ(pvs_bandwidth_charge(&quota, 1 * kMs, now), 0u);
  }
}

TEST(Quota, NoWaitIsLongerThanTasksMayWait) {
  for (const uint64_t period : {1, 100, 1000}) {
    pvs_bandwidth quota = Quota(1 * kMs, period * kMs);
    uint64_t until = 0;
    for (int i = 0; i < 1000; ++i)
      until = pvs_bandwidth_charge(&quota, 5000 * kMs, kStart + kMs / 2);
    EXPECT_GT(until, kStart);
    EXPECT_LE(until, kStart + PVS_BW_DEBT_MAX_NS);
  }
}

// As of a task that ran alone since long before there was a quota.
TEST(Quota, MuchAtOnceIsPaidWithinTheLongestWaitTwice) {
  pvs_bandwidth quota = Quota(10 * kMs, 100 * kMs);
  EXPECT_NE(pvs_bandwidth_charge(&quota, 4000 * kMs, kStart + kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_charge(&quota, 0, kStart + 2 * PVS_BW_DEBT_MAX_NS), 0u);
}

TEST(Quota, NewOneForgetsAndLiftedOneLetsGo) {
  pvs_bandwidth quota = Quota(20 * kMs, 100 * kMs);
  EXPECT_NE(pvs_bandwidth_charge(&quota, 500 * kMs, kStart + kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_set(&quota, 60 * kMs, 100 * kMs, kStart + 2 * kMs), 20 * kMs);
  EXPECT_EQ(pvs_bandwidth_charge(&quota, 50 * kMs, kStart + 3 * kMs), 0u);
  EXPECT_NE(pvs_bandwidth_charge(&quota, 50 * kMs, kStart + 4 * kMs), 0u);
  EXPECT_EQ(pvs_bandwidth_set(&quota, 0, 100 * kMs, kStart + 5 * kMs), 60 * kMs);
  EXPECT_EQ(pvs_bandwidth_charge(&quota, 500 * kMs, kStart + 6 * kMs), 0u);
}

TEST(Quota, ClockThatIsBehindMovesNothingBack) {
  pvs_bandwidth quota = Quota(20 * kMs, 100 * kMs);
  pvs_bandwidth_charge(&quota, 30 * kMs, kStart + 150 * kMs);
  const uint64_t start = quota.start;
  pvs_bandwidth_charge(&quota, 0, kStart + 90 * kMs);
  EXPECT_EQ(quota.start, start);
}

}  // namespace
}  // namespace pvsched
