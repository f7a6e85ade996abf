// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_
#define PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/bpf/intf.h"
#include "host-policy/bpf/scx/intf.h"
#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/program_choice.h"
#include "host-policy/loader/ring.h"
#include "host-policy/loader/scx_params.h"
#include "host-policy/loader/vcpu_binding.h"

namespace pvsched {

// The BPF programs and their maps. They are loaded and attached for as long as this object
// lives; its end also unpins every page of guest memory that the kernel pinned for them.
//
// Thread-safety: one thread at a time. Exceptions: RunTimer(), SetWatched() and a Ring may be
// used by one more thread, and slot() by any. The programs change a slot's fields while a
// reader reads them; each field is read whole.
class BpfObject {
 public:
  using Ring = pvsched::Ring;
  using Binding = VcpuBindings::Binding;

  // Loads the policy of the BPF object `policy_path`, or the default one if it is empty.
  // The kind kKfunc needs the module pvsched_host, kScx what CheckScxSupport() checks; only
  // kScx uses `scx`. The error says what the host lacks.
  static absl::StatusOr<std::unique_ptr<BpfObject>> Load(const std::string& policy_path,
                                                         ActuatorKind kind = ActuatorKind::kAgent,
                                                         const ScxSettings& scx = {});
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  // Replaces the policy while the programs run. If the kernel refuses the new policy, the old
  // one stays, and the error holds the verifier's reason.
  // `file` is where to read it, if that is not `policy_path`.
  absl::Status SetPolicy(const std::string& policy_path, const std::string& file = "");
  const std::string& policy_path() const { return policy_path_; }

  // Sets the tunables of the VM with the index `vm` (below PVS_MAX_VMS), from the next event on.
  absl::Status SetTunables(uint32_t vm, const pvs_tunables& tunables);

  // The vCPUs of the process `pidfd`, as loader/vcpu_search.h says.
  absl::StatusOr<std::vector<pvs_vcpu_found>> FindVcpus(int pidfd) const;

  // Resets a slot that no thread is bound to, for a vCPU that begins as `vcpu`.
  void ClearSlot(uint32_t slot, const pvs_vcpu& vcpu = {});
  // Binds a thread to its record; the kernel pins the record's page.
  absl::Status Bind(const Binding& binding) { return bindings_->Bind(binding); }
  // After the next Fence() no program uses the record of the unbound thread.
  void Unbind(int thread_pidfd) { bindings_->Unbind(thread_pidfd); }
  // Waits until every program that runs now has ended.
  void Fence() { bindings_->Fence(); }

  // Whether a program sees an interrupt for a preempted vCPU before that vCPU runs.
  bool has_kick_hook() const { return has_kick_hook_; }

  const pvs_slot& slot(uint32_t index) const { return slots()[index]; }
  // A consistent copy: no program changed the vCPU meanwhile. It keeps no program waiting.
  pvs_vcpu CopyVcpu(uint32_t slot) const;

  // Events that the programs did not see, as they already ran on the CPU.
  uint64_t recursion_misses() const;

  // Of kKfunc: the ring of Decisions() reports only that some vCPU is boosted, and nothing
  // while `watched`. To stop watching, clear this first, then read all slots.
  void SetWatched(bool watched);
  bool is_watched() const;

  // Of kScx: the CPU time of a VM's boot boost; 0: none.
  void SetBootTime(uint64_t ns);
  // Of kScx: the scheduler's counts, summed over all CPUs.
  pvs_scx_counts scx_counts() const;
  // Of kScx: whether the kernel has ended the scheduler, and why. The ring of Decisions() then
  // reports the slot PVS_SCX_ENDED, as it does when SetPolicy() replaces the scheduler.
  bool has_scx_ended() const;
  pvs_scx_exit scx_exit() const;
  // Of kScx: the callbacks that this kernel's sched_ext_ops lacks.
  const std::vector<std::string>& missing_callbacks() const { return missing_callbacks_; }

  // Of kScx on a kernel without bpf_timer (PREEMPT_RT): when RunBwTimer() is due, in ns of
  // CLOCK_MONOTONIC; 0: never. The ring of Decisions() reports a change as PVS_SCX_BW_TIMER.
  uint64_t BwTimerAt() const;
  // Wakes idle CPUs for throttled tasks whose period has ended.
  void RunBwTimer();

  // Has the policy decide for a vCPU to which no event happens.
  void RunTimer(pid_t tid);

  // While `tracing`, the programs write each decision to the ring of Trace().
  void SetTracing(bool tracing);

  std::unique_ptr<Ring> Decisions(std::function<void(const pvs_pending&)> on_event);
  std::unique_ptr<Ring> Trace(std::function<void(const pvs_trace&)> on_event);

 private:
  // An object with the links of its programs; the links go first.
  struct Programs {
    BpfObjectPtr object;
    std::vector<BpfLinkPtr> links;
  };

  BpfObject() = default;
  // The object without a policy.
  absl::string_view OwnBytes() const;
  // Loads and attaches the programs; returns a negative errno.
  int Start(Programs& next);
  int StartScheduler(const bpf_object& object);
  // Makes the started programs the current ones; the old ones end.
  absl::Status Adopt(Programs next);
  // Maps what the first programs share with all later ones.
  absl::Status MapShared(const bpf_object& object);
  absl::Status KeepTimer(int program_fd);
  pvs_slot* slots() const { return static_cast<pvs_slot*>(slots_.address()); }
  uint32_t* watched() const { return static_cast<uint32_t*>(watched_.address()); }
  int MapFd(const char* name) const;

  ActuatorKind actuator_kind_ = ActuatorKind::kAgent;
  ScxSettings scx_settings_;
  std::string policy_path_;
  bool has_kick_hook_ = false;
  std::vector<std::string> missing_callbacks_;
  // Shared by the programs of all policies.
  SharedVariables variables_;
  uint32_t* tracing_ = nullptr;
  uint64_t* boot_ns_ = nullptr;  // of kScx, as are the next two
  uint64_t* bw_timer_at_ = nullptr;
  pvs_scx_exit* scx_exit_ = nullptr;
  MappedMap slots_;
  MappedMap watched_;
  MappedMap cpus_;
  std::optional<VcpuBindings> bindings_;
  UniqueFd timer_program_;  // its descriptor never changes, so that RunTimer() needs no lock
  Programs programs_;
  BpfLinkPtr scheduler_;
  uint64_t past_recursion_misses_ = 0;  // of the programs of earlier policies
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_
