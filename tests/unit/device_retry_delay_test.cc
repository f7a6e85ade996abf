// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "vmm-device/daemon/retry_delay.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;

// The delay after `n` attempts that failed for one reason.
std::optional<milliseconds> DelayAfter(int n, RetryReason reason) {
  RetryDelay delay;
  for (int i = 0; i < n; ++i) delay.Next(reason);
  return delay.Next(reason);
}

TEST(RetryDelayTest, DoublesFromItsMinimum) {
  EXPECT_EQ(DelayAfter(0, RetryReason::kRefused), milliseconds(50));
  EXPECT_EQ(DelayAfter(1, RetryReason::kRefused), milliseconds(100));
  EXPECT_EQ(DelayAfter(4, RetryReason::kNoReply), milliseconds(800));
}

TEST(RetryDelayTest, VmWaitsAtMostASecondForAPvscheddThatRepliesAgain) {
  EXPECT_EQ(DelayAfter(100, RetryReason::kNoReply), milliseconds(1000));
}

TEST(RetryDelayTest, RefusedVmAsksAtMostOnceAMinute) {
  EXPECT_EQ(DelayAfter(100, RetryReason::kRefused), milliseconds(60'000));
}

TEST(RetryDelayTest, AttemptsEndWhereAnEventReportsTheNextSocket) {
  EXPECT_EQ(DelayAfter(100, RetryReason::kNoListener), std::nullopt);
}

TEST(RetryDelayTest, SilenceAfterARefusalIsShort) {
  RetryDelay delay;
  for (int i = 0; i < 100; ++i) delay.Next(RetryReason::kRefused);
  EXPECT_EQ(delay.Next(RetryReason::kNoReply), milliseconds(1000));
}

TEST(RetryDelayTest, RestartBeginsAtTheMinimum) {
  RetryDelay delay;
  for (int i = 0; i < 100; ++i) delay.Next(RetryReason::kNoListener);
  delay.Restart();
  EXPECT_EQ(delay.Next(RetryReason::kNoListener), milliseconds(50));
}

}  // namespace
}  // namespace pvsched
