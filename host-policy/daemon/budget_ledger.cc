// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/budget_ledger.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace pvsched {
namespace {

bool IsUsed(const pvs_budget& budget) { return budget.used_ns != 0 || budget.debt_ns != 0; }

bool OwesMore(const pvs_vcpu& a, const pvs_vcpu& b) {
  if ((a.state == PVS_THROTTLED) != (b.state == PVS_THROTTLED)) return a.state == PVS_THROTTLED;
  return a.window.boost.debt_ns + a.window.critical.debt_ns >
         b.window.boost.debt_ns + b.window.critical.debt_ns;
}

}  // namespace

void BudgetLedger::Keep(pid_t process, uint32_t vcpu_id, pid_t tid, const pvs_vcpu& vcpu,
                        uint64_t window_ns, uint64_t now) {
  DropExpired(now);
  Drop(process, vcpu_id);
  if (vcpu.state != PVS_THROTTLED && !IsUsed(vcpu.window.boost) && !IsUsed(vcpu.window.critical)) {
    return;
  }
  if (ledger_.size() >= max_) {
    ledger_.erase(std::min_element(
        ledger_.begin(), ledger_.end(),
        [](const auto& a, const auto& b) { return a.second.expires_at < b.second.expires_at; }));
  }
  // A leaky bucket holds at most two budgets and drains one in each window.
  const uint64_t drained = now + 3 * window_ns;
  ledger_[{process, vcpu_id}] = {
      .vcpu = vcpu, .tid = tid, .expires_at = std::max<uint64_t>(drained, vcpu.throttled_until)};
}

pvs_vcpu BudgetLedger::Renew(pid_t process, uint32_t vcpu_id, pid_t tid, uint64_t now) const {
  const pvs_vcpu* kept = nullptr;
  for (auto it = ledger_.lower_bound({process, 0});
       it != ledger_.end() && it->first.first == process; ++it) {
    const Account& account = it->second;
    if (account.expires_at <= now || (it->first.second != vcpu_id && account.tid != tid)) continue;
    if (kept == nullptr || OwesMore(account.vcpu, *kept)) kept = &account.vcpu;
  }
  pvs_vcpu renewed = {};
  if (kept != nullptr) pvs_carry(kept, &renewed);
  return renewed;
}

size_t BudgetLedger::Count(pid_t process, uint64_t now) {
  DropExpired(now);
  const auto end = ledger_.upper_bound({process, std::numeric_limits<uint32_t>::max()});
  return static_cast<size_t>(std::distance(ledger_.lower_bound({process, 0}), end));
}

void BudgetLedger::DropExpired(uint64_t now) {
  std::erase_if(ledger_, [now](const auto& entry) { return entry.second.expires_at <= now; });
}

}  // namespace pvsched
