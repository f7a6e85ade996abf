// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The account of a vCPU that is registered again.
#include "host-policy/daemon/budget_ledger.h"

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kWindow = 1000;
constexpr uint64_t kNow = 1000000;
constexpr pid_t kProcess = 10;

pvs_vcpu Used(uint64_t ns) {
  pvs_vcpu vcpu = {};
  vcpu.state = PVS_BOOSTED;
  vcpu.grant = 5;
  vcpu.cpu_ns = 77;
  vcpu.window.bucket_start = kNow;
  vcpu.window.boost = {.used_ns = ns, .debt_ns = ns};
  vcpu.buckets.boost[0] = static_cast<uint32_t>(ns);
  return vcpu;
}

pvs_vcpu Throttled(uint64_t until) {
  pvs_vcpu vcpu = Used(1);
  vcpu.state = PVS_THROTTLED;
  vcpu.throttled_until = until;
  return vcpu;
}

TEST(BudgetLedger, VcpuRegisteredAgainHasItsUsedBudgetAndNoOtherState) {
  BudgetLedger ledger(8);
  ledger.Keep(kProcess, 3, 11, Used(500), kWindow, kNow);
  const pvs_vcpu vcpu = ledger.Renew(kProcess, 3, 12, kNow);
  EXPECT_EQ(vcpu.window.boost.used_ns, 500u);
  EXPECT_EQ(vcpu.window.boost.debt_ns, 500u);
  EXPECT_EQ(vcpu.window.bucket_start, kNow);
  EXPECT_EQ(vcpu.buckets.boost[0], 500u);
  // Its thread may be another one, with its own CPU time, and is not boosted.
  EXPECT_EQ(vcpu.state, uint32_t{PVS_NORMAL});
  EXPECT_EQ(vcpu.grant, 0u);
  EXPECT_EQ(vcpu.cpu_ns, 0u);
}

TEST(BudgetLedger, ThrottledVcpuStaysThrottled) {
  BudgetLedger ledger(8);
  ledger.Keep(kProcess, 3, 11, Throttled(kNow + 100 * kWindow), kWindow, kNow);
  const pvs_vcpu vcpu = ledger.Renew(kProcess, 3, 11, kNow + 99 * kWindow);
  EXPECT_EQ(vcpu.state, uint32_t{PVS_THROTTLED});
  EXPECT_EQ(vcpu.throttled_until, kNow + 100 * kWindow);
}

TEST(BudgetLedger, AccountFollowsTheThreadToAnotherVcpu) {
  BudgetLedger ledger(8);
  ledger.Keep(kProcess, 3, 11, Used(500), kWindow, kNow);
  ledger.Keep(kProcess, 4, 12, Used(100), kWindow, kNow);
  EXPECT_EQ(ledger.Renew(kProcess, 4, 11, kNow).window.boost.used_ns, 500u);
  EXPECT_EQ(ledger.Renew(kProcess, 5, 12, kNow).window.boost.used_ns, 100u);
  EXPECT_EQ(ledger.Renew(kProcess, 5, 13, kNow).window.boost.used_ns, 0u);
  EXPECT_EQ(ledger.Renew(kProcess + 1, 3, 11, kNow).window.boost.used_ns, 0u);
}

TEST(BudgetLedger, AccountThatNoLongerCountsIsDropped) {
  BudgetLedger ledger(8);
  ledger.Keep(kProcess, 2, 10, Used(0), kWindow, kNow);
  EXPECT_FALSE(ledger.Has(kProcess, 2));
  ledger.Keep(kProcess, 3, 11, Used(500), kWindow, kNow);
  EXPECT_EQ(ledger.Count(kProcess, kNow + 2 * kWindow), 1u);
  EXPECT_EQ(ledger.Count(kProcess + 1, kNow), 0u);
  EXPECT_EQ(ledger.Renew(kProcess, 3, 11, kNow + 3 * kWindow).window.boost.used_ns, 0u);
  EXPECT_EQ(ledger.Count(kProcess, kNow + 3 * kWindow), 0u);
}

TEST(BudgetLedger, AccountThatExpiresFirstIsDroppedBeyondTheLimit) {
  BudgetLedger ledger(2);
  for (uint32_t id = 0; id < 3; ++id) {
    ledger.Keep(kProcess, id, static_cast<pid_t>(20 + id), Used(500), kWindow, kNow + id);
  }
  EXPECT_FALSE(ledger.Has(kProcess, 0));
  EXPECT_TRUE(ledger.Has(kProcess, 1));
  EXPECT_TRUE(ledger.Has(kProcess, 2));
}

}  // namespace
}  // namespace pvsched
