// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_
#define PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "host-policy/core/policy.h"

namespace pvsched {

// The budget that vCPUs have used, from their withdrawal or their thread's end
// until it no longer counts. So a vCPU that registers again has no new budget,
// not even over another connection.
//
// Times are of the BPF programs' clock (CLOCK_MONOTONIC).
//
// Thread-safety: one thread.
class BudgetLedger {
 public:
  // Keeps at most `max` accounts. Beyond it, drops the one that expires first.
  explicit BudgetLedger(size_t max) : max_(max) {}

  // Saves the account of a vCPU of this process, whose thread was `tid`.
  void Keep(pid_t process, uint32_t vcpu_id, pid_t tid, const pvs_vcpu& vcpu, uint64_t window_ns,
            uint64_t now);
  // The initial state of a vCPU: the account of its APIC id or of its thread.
  pvs_vcpu Renew(pid_t process, uint32_t vcpu_id, pid_t tid, uint64_t now) const;
  void Drop(pid_t process, uint32_t vcpu_id) { ledger_.erase({process, vcpu_id}); }

  bool Has(pid_t process, uint32_t vcpu_id) const { return ledger_.contains({process, vcpu_id}); }
  // The process's accounts that still count.
  size_t Count(pid_t process, uint64_t now);

 private:
  struct Account {
    pvs_vcpu vcpu;
    pid_t tid;
    uint64_t expires_at;
  };

  void DropExpired(uint64_t now);

  size_t max_;
  std::map<std::pair<pid_t, uint32_t>, Account> ledger_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_
