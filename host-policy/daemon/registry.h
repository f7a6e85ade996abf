// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_REGISTRY_H_
#define PVSCHED_HOST_POLICY_DAEMON_REGISTRY_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/budget_ledger.h"
#include "host-policy/daemon/tunables.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

struct GuestRange {
  UniqueFd memory;  // none: not given
  uint64_t offset = 0;
};

// Where a guest counts a vCPU's reasons not to preempt it.
struct PreemptCount {
  uint32_t vcpu_id = 0;
  GuestRange place;
  uint32_t mask = 0;
};

// A registered vCPU. Bound once its thread is known.
struct Vcpu {
  uint32_t id = 0;    // APIC id
  uint32_t slot = 0;  // of BpfObject and of the actuator
  GuestRange record;
  PreemptCount preempt_count;
  bool acknowledges_irqs = false;
  pid_t tid = 0;  // 0: not bound
  UniqueFd thread_pidfd;
};

struct Vm {
  uint32_t index = 0;  // of BpfObject
  pid_t pid = 0;
  uid_t uid = 0;
  UniqueFd pidfd;
  std::string name;
  std::map<uint32_t, Vcpu> vcpus;
  PreemptCount next_preempt_count;  // given, for the REGISTER that follows
};

// Which VMs there are, which of their vCPUs have a record, and which thread
// each of those is. Ties them to the programs and the actuator, and lets go of
// them when a record is withdrawn, a thread or a VMM ends.
//
// What devices say is checked here against the kernel's own word.
// Thread-safety: the event loop's thread only.
class Registry {
 public:
  // All must outlive the registry.
  Registry(EventLoop& loop, BpfObject& programs, Actuator& actuator, TunableStore tunables);
  ~Registry();

  // The VM whose VMM `pidfd` is, spoken for by a process of user `peer`, who
  // must be root or the VMM's owner. One registration for each VMM.
  absl::StatusOr<Vm*> AddVm(UniqueFd pidfd, uid_t peer, std::string name);
  // Withdraws its vCPUs; `vm` is gone afterwards.
  void RemoveVm(Vm* vm);

  // `features`: PVSCHED_F_* that guest and device negotiated.
  absl::Status Register(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                        uint32_t features);
  // Part of the vCPU's Register(), if that comes next.
  absl::Status SetPreemptCount(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                               uint32_t mask);
  // When they return no program touches the record any more.
  void Withdraw(Vm& vm, uint32_t vcpu_id);
  void WithdrawAll(Vm& vm);
  // The VMM says which thread a vCPU is, where the kernel does not show it.
  absl::Status SetThread(Vm& vm, uint32_t vcpu_id, pid_t tid);

  // `vm` empty: for the host, and so for each VM that has no value of its own.
  // In force from the vCPUs' next events on.
  absl::Status SetTunable(absl::string_view vm, absl::string_view name, absl::string_view text);
  const TunableStore& tunables() const { return tunables_; }

  const std::map<pid_t, std::unique_ptr<Vm>>& vms() const { return vms_; }

 private:
  // Devices come, go and register as often as they like.
  bool MayLog();
  void ApplyHostTunables();
  absl::Status ApplyTunables(const Vm& vm);
  void OnSeen(const pvs_vcpu_seen& seen);
  absl::Status Bind(Vm& vm, Vcpu& vcpu, pid_t tid);
  // Without BpfObject::Fence(), which the caller owes.
  void Unbind(const Vm& vm, Vcpu& vcpu);
  void Release(Vm& vm, Vcpu& vcpu);
  void OnVmmEnd(Vm& vm);
  void OnThreadEnd(pid_t pid, uint32_t vcpu_id);

  EventLoop& loop_;
  BpfObject& bpf_;
  Actuator& actuator_;
  TunableStore tunables_;
  BudgetLedger ledger_{PVS_MAX_VCPUS};
  std::unique_ptr<BpfObject::Ring> seen_;
  std::map<pid_t, std::unique_ptr<Vm>> vms_;
  std::vector<std::unique_ptr<Vm>> ended_;  // without a VMM, but with a connection
  std::deque<uint32_t> free_slots_;
  std::deque<uint32_t> free_vms_;
  uint64_t log_second_ = 0;
  int log_lines_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_REGISTRY_H_
