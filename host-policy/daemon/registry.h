// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
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
#include "host-policy/daemon/control_limits.h"
#include "host-policy/daemon/log_quota.h"
#include "host-policy/daemon/tunable_store.h"
#include "host-policy/daemon/vmm_identity.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// Where guest memory is, in a file that the VMM shares.
struct OwnedGuestRange {
  UniqueFd memory;  // none: not given
  uint64_t offset = 0;
};

// The preempt count of a vCPU, in its guest's per-CPU memory.
struct PreemptCount {
  uint32_t vcpu_id = 0;
  OwnedGuestRange range;
  uint32_t mask = 0;  // bits that forbid preemption
};

// A vCPU with a registered record. It is bound when its thread is known.
struct Vcpu {
  uint32_t id = 0;    // APIC id
  uint32_t slot = 0;  // in BpfObject and in the actuator
  OwnedGuestRange record;
  PreemptCount preempt_count;
  bool acknowledges_irqs = false;
  pid_t tid = 0;  // 0: unbound
  UniqueFd thread_pidfd;
};

struct Vm {
  uint32_t index = 0;  // vm_index in BpfObject
  pid_t pid = 0;
  uid_t uid = 0;
  UniqueFd pidfd;
  std::string name;
  std::map<uint32_t, Vcpu> vcpus;
  PreemptCount next_preempt_count;  // for the REGISTER that follows
  // The VMM's vCPUs by APIC id, and the thread that ran each last, as of the last search. 0: no
  // thread, or several. Empty: unknown.
  std::map<uint32_t, pid_t> kvm_vcpus;
  uint64_t next_search_at = 0;  // until then the result of the last search stands
};

// The VMs, their vCPUs with a record, and the thread of each of these. Binds
// each thread to its record in the BPF programs and in the actuator. Unbinds it
// when the record is withdrawn, or when the thread or the VMM ends.
//
// KVM names a vCPU's thread when asked. The registry asks at each registration,
// and by a timer while a vCPU has no thread. So no VM pays for the search.
//
// Requests of devices are checked against what the kernel reports.
//
// Thread-safety: the event loop's thread only.
class Registry {
 public:
  // All must outlive the registry.
  Registry(EventLoop& loop, BpfObject& bpf, Actuator& actuator, TunableStore tunables,
           const ControlLimits& limits);
  ~Registry();

  // Adds the VM of the process `vmm`. The device is a process of user `peer`. If
  // the identity is not proven, that must be root or the VMM's user. A VMM has
  // one device. ResourceExhausted, here and below: room may come later.
  absl::StatusOr<Vm*> AddVm(VmmIdentity vmm, uid_t peer, std::string name);
  // Withdraws the VM's vCPUs and destroys `vm`.
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
  // Binds a vCPU to the thread that the VMM names, for a kernel that does not
  // show which thread runs a vCPU. No error if it is bound to that thread.
  absl::Status SetThread(Vm& vm, uint32_t vcpu_id, pid_t tid);

  // Replaces all values. They are in force from each vCPU's next event on.
  absl::Status SetTunables(TunableStore tunables);
  const TunableStore& tunables() const { return tunables_; }

  const std::map<pid_t, std::unique_ptr<Vm>>& vms() const { return vms_; }

 private:
  absl::Status CheckRoomForVm(uid_t uid) const;
  absl::Status CheckRoomForVcpu(const Vm& vm, uint32_t vcpu_id);
  void ApplyHostTunables();
  absl::Status ApplyTunables(const Vm& vm);
  // Updates kvm_vcpus; false: the last search is too recent. Searches take
  // pvschedd at most a twentieth of the time, however many files the VMM opens.
  bool SearchVcpus(Vm& vm);
  // Whether KVM knows a living thread for the vCPU, and it is bound now.
  bool BindIfFound(Vm& vm, Vcpu& vcpu);
  // Searches again soon, and then ever more rarely while a vCPU has no thread.
  void StartRetries();
  void ArmRetryTimer();
  void OnRetryTimer();
  absl::Status Bind(Vm& vm, Vcpu& vcpu, pid_t tid);
  // The caller calls BpfObject::Fence() afterwards.
  void Unbind(const Vm& vm, Vcpu& vcpu);
  void Release(Vm& vm, Vcpu& vcpu);
  void OnVmmEnd(Vm& vm);
  void OnThreadEnd(pid_t pid, uint32_t vcpu_id);

  EventLoop& loop_;
  BpfObject& bpf_;
  Actuator& actuator_;
  TunableStore tunables_;
  const ControlLimits limits_;
  BudgetLedger ledger_{PVS_MAX_VCPUS};
  UniqueFd retry_timer_;
  uint64_t retry_ns_ = 0;
  std::map<pid_t, std::unique_ptr<Vm>> vms_;
  std::vector<std::unique_ptr<Vm>> ended_;  // the VMM has ended, the device is connected
  std::deque<uint32_t> free_slots_;
  std::deque<uint32_t> free_vm_indexes_;
  // Devices can connect and register without limit.
  LogQuota log_quota_{56, 40};
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_REGISTRY_H_
