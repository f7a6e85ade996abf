// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The bounds of the boot boost: core/boot_boost.h.
#include "host-policy/core/boot_boost.h"

#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kSecond = 1000 * kMs;
constexpr uint64_t kStart = 777 * kSecond;
constexpr uint64_t kWindow = pvs_param_boot_boost_window;

// Boosted CPU time in `length` of VMs that are created one after another, each by a new process
// that uses `budget` and ends. The pool allows `percent` of `cpus` CPUs; `threads` run at once.
uint64_t BoostedTime(uint64_t length, uint64_t budget, uint32_t percent, uint32_t cpus,
                     uint32_t threads) {
  constexpr uint64_t kSlice = 5 * kMs;
  __u64 pool = 0;
  uint64_t boosted = 0;
  pvs_boot_boost vm = {.until = 0, .used_ns = 0, .uid = 0, .reserved = 0};
  for (uint64_t now = kStart; now < kStart + length; now += kSlice) {
    for (uint32_t i = 0; i < threads; ++i) {
      if (!pvs_boot_boost_is_on(&vm, budget, now)) {
        vm = {.until = now + pvs_param_boot_boost_age, .used_ns = 0, .uid = 0, .reserved = 0};
      }
      if (pvs_boot_pool_is_empty(pool, now)) continue;
      vm.used_ns += kSlice;
      boosted += kSlice;
      pvs_boot_pool_charge(&pool, kSlice, percent, cpus, now);
    }
  }
  return boosted;
}

TEST(BootBoost, LastsForCpuTimeAndNotForWallClockTime) {
  const pvs_boot_boost vm = {
      .until = kStart + 100 * kSecond, .used_ns = 9 * kSecond, .uid = 0, .reserved = 0};
  EXPECT_TRUE(pvs_boot_boost_is_on(&vm, 10 * kSecond, kStart + 99 * kSecond));
  EXPECT_FALSE(pvs_boot_boost_is_on(&vm, 9 * kSecond, kStart));
  EXPECT_FALSE(pvs_boot_boost_is_on(&vm, 10 * kSecond, kStart + 100 * kSecond));
}

TEST(BootBoost, OneVmHasItsWholeBudget) {
  EXPECT_EQ(BoostedTime(20 * kSecond, 60 * kSecond, pvs_param_boot_boost_user_share, 2, 2),
            40 * kSecond);
}

TEST(BootBoost, NewVmsGetNoMoreThanThePoolsShare) {
  for (const uint64_t budget : {50 * kMs, 3 * kSecond, 30 * kSecond, 600 * kSecond}) {
    const uint64_t length = 4 * kWindow;
    const uint64_t boosted = BoostedTime(length, budget, 25, 2, 2);
    // A full pool at the start, and the refill.
    const uint64_t bound = (kWindow + length) / 4 * 2;
    EXPECT_LE(boosted, bound + kSecond) << "budget " << budget;
    EXPECT_GE(boosted, bound - kSecond) << "budget " << budget;
  }
}

TEST(BootBoost, ShareIsOfAllCpus) {
  const uint64_t small = BoostedTime(3 * kWindow, 30 * kSecond, 25, 2, 8);
  const uint64_t large = BoostedTime(3 * kWindow, 30 * kSecond, 25, 8, 8);
  EXPECT_NEAR(static_cast<double>(large) / static_cast<double>(small), 4, 0.1);
}

TEST(BootBoost, PoolRefillsToItsSizeAndNoMore) {
  __u64 pool = 0;
  uint64_t now = kStart;
  for (const uint64_t idle : {uint64_t{0}, kWindow, 100 * kWindow}) {
    now += idle;
    uint64_t taken = 0;
    for (; !pvs_boot_pool_is_empty(pool, now); taken += kSecond) {
      pvs_boot_pool_charge(&pool, kSecond, 50, 4, now);
    }
    EXPECT_EQ(taken, kWindow / 2 * 4) << "after " << idle;
  }
}

TEST(BootBoost, EmptyPoolHasTimeAgainAfterAWhile) {
  __u64 pool = 0;
  pvs_boot_pool_charge(&pool, 2 * kWindow, 100, 2, kStart);
  EXPECT_TRUE(pvs_boot_pool_is_empty(pool, kStart));
  EXPECT_FALSE(pvs_boot_pool_is_empty(pool, kStart + 1));
}

TEST(BootBoost, PoolOfNoCpuIsNoDivisionByZero) {
  __u64 pool = 0;
  pvs_boot_pool_charge(&pool, kSecond, 25, 0, kStart);
  EXPECT_EQ(pool, kStart + 100 * kSecond);
}

}  // namespace
}  // namespace pvsched
