// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/log_quota.h"

#include <sys/types.h>

#include <chrono>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 1001;

class LogQuotaTest : public testing::Test {
 protected:
  // How many of `lines` lines may be logged.
  int Log(uid_t uid, int lines) {
    int logged = 0;
    for (int i = 0; i < lines; ++i) logged += quota_.Consume(uid, now_) ? 1 : 0;
    return logged;
  }

  LogQuota quota_{10, 4};
  LogQuota::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(LogQuotaTest, UserHasAPartOfTheLines) {
  EXPECT_EQ(Log(kAlice, 100), 4);
  EXPECT_EQ(Log(kBob, 100), 4);
  EXPECT_EQ(Log(kBob + 1, 100), 2) << "ten in all";
}

TEST_F(LogQuotaTest, RootMayHaveAll) { EXPECT_EQ(Log(0, 100), 10); }

TEST_F(LogQuotaTest, NextSecondHasItsOwnLines) {
  EXPECT_EQ(Log(kAlice, 100), 4);
  now_ += milliseconds(999);
  EXPECT_EQ(Log(kAlice, 100), 0);
  now_ += milliseconds(1);
  EXPECT_EQ(Log(kAlice, 100), 4);
}

}  // namespace
}  // namespace pvsched
