// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/accounts.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace pvsched {
namespace {

bool IsUsed(const pvs_budget& budget) { return budget.used_ns != 0 || budget.level_ns != 0; }

bool OwesMore(const pvs_vcpu& a, const pvs_vcpu& b) {
  if ((a.state == PVS_THROTTLED) != (b.state == PVS_THROTTLED)) return a.state == PVS_THROTTLED;
  return a.window.boost.level_ns + a.window.critical.level_ns >
         b.window.boost.level_ns + b.window.critical.level_ns;
}

}  // namespace

void Accounts::Keep(pid_t process, uint32_t vcpu_id, pid_t tid, const pvs_vcpu& vcpu,
                    uint64_t window_ns, uint64_t now) {
  DropOld(now);
  Drop(process, vcpu_id);
  if (vcpu.state != PVS_THROTTLED && !IsUsed(vcpu.window.boost) && !IsUsed(vcpu.window.critical)) {
    return;
  }
  if (accounts_.size() >= max_) {
    accounts_.erase(std::min_element(
        accounts_.begin(), accounts_.end(),
        [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  }
  // A bucket is at most twice full, and drains its budget in each window.
  const uint64_t drained = now + 3 * window_ns;
  accounts_[{process, vcpu_id}] = {
      .vcpu = vcpu, .tid = tid, .until = std::max<uint64_t>(drained, vcpu.throttled_until)};
}

pvs_vcpu Accounts::Renew(pid_t process, uint32_t vcpu_id, pid_t tid, uint64_t now) const {
  const pvs_vcpu* kept = nullptr;
  for (auto it = accounts_.lower_bound({process, 0});
       it != accounts_.end() && it->first.first == process; ++it) {
    const Account& account = it->second;
    if (account.until <= now || (it->first.second != vcpu_id && account.tid != tid)) continue;
    if (kept == nullptr || OwesMore(account.vcpu, *kept)) kept = &account.vcpu;
  }
  pvs_vcpu renewed = {};
  if (kept != nullptr) pvs_carry(kept, &renewed);
  return renewed;
}

size_t Accounts::Count(pid_t process, uint64_t now) {
  DropOld(now);
  const auto end = accounts_.upper_bound({process, std::numeric_limits<uint32_t>::max()});
  return static_cast<size_t>(std::distance(accounts_.lower_bound({process, 0}), end));
}

void Accounts::DropOld(uint64_t now) {
  std::erase_if(accounts_, [now](const auto& entry) { return entry.second.until <= now; });
}

}  // namespace pvsched
