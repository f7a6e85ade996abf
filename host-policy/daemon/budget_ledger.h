// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_
#define PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "host-policy/core/policy.h"

namespace pvsched {

// What vCPUs have used of their budgets, from when their record is withdrawn or
// their thread ends until it counts no more. So who registers anew, by another
// connection too, has no new budget.
//
// Times are the programs' clock. Thread-safety: one thread.
class BudgetLedger {
 public:
  // At most `max` are kept: then the oldest goes.
  explicit BudgetLedger(size_t max) : max_(max) {}

  // The vCPU of this process was thread `tid`.
  void Keep(pid_t process, uint32_t vcpu_id, pid_t tid, const pvs_vcpu& vcpu, uint64_t window_ns,
            uint64_t now);
  // A new vCPU of the process: with what is kept of its number or its thread.
  pvs_vcpu Renew(pid_t process, uint32_t vcpu_id, pid_t tid, uint64_t now) const;
  void Drop(pid_t process, uint32_t vcpu_id) { ledger_.erase({process, vcpu_id}); }

  bool Has(pid_t process, uint32_t vcpu_id) const { return ledger_.contains({process, vcpu_id}); }
  // How many of the process count still.
  size_t Count(pid_t process, uint64_t now);

 private:
  struct Account {
    pvs_vcpu vcpu;
    pid_t tid;
    uint64_t until;
  };

  void DropOld(uint64_t now);

  size_t max_;
  std::map<std::pair<pid_t, uint32_t>, Account> ledger_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_BUDGET_LEDGER_H_
