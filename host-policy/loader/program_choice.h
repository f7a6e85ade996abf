// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Which programs of a BPF object are loaded on this host, and the constants that they have.
#ifndef PVSCHED_HOST_POLICY_LOADER_PROGRAM_CHOICE_H_
#define PVSCHED_HOST_POLICY_LOADER_PROGRAM_CHOICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/bpf/intf.h"
#include "host-policy/loader/scx_params.h"

struct bpf_object;

namespace pvsched {

// Where grants take effect: in a thread of pvschedd that reads the ring of
// BpfObject::Decisions(); in the programs, through the kernel module pvsched_host; or in
// pvsched's sched_ext scheduler.
enum class ActuatorKind : uint32_t {
  kAgent = PVS_ACTUATOR_AGENT,
  kKfunc = PVS_ACTUATOR_KFUNC,
  kScx = PVS_ACTUATOR_SCX,
};

// The hooks on an interrupt for a vCPU that does not run, best first: the name from 7.3 on,
// the name before, and none, where the kernel allows no program there. Without a hook a
// preempted vCPU is boosted for its interrupt only when it next runs.
inline constexpr const char* kKickHooks[] = {"pvs_kvm_vcpu_kick_73", "pvs_kvm_vcpu_kick", nullptr};
// The name of each interrupt hook's second program, which sees what the first one misses.
inline constexpr char kSecondSuffix[] = "_2nd";

// FindVcpus() runs this program; nothing else does.
inline constexpr char kSearchProgram[] = "pvs_find_vcpus";
inline constexpr char kSchedulerMap[] = "pvs_scx_ops";
// pvschedd runs it where the programs have no timer.
inline constexpr char kBwTimerProgram[] = "pvs_bw_timer";

// Whether a kernel has no bpf_timer. `version` is that of uname(2).
bool IsPreemptRt(const std::string& version);

// Selects the programs for the actuator and sets their constants, before the load.
// `kick_hook` is one of kKickHooks; only kScx uses `scx`. Returns the callbacks of the
// scheduler that this kernel lacks.
absl::StatusOr<std::vector<std::string>> ChoosePrograms(const bpf_object& object, ActuatorKind kind,
                                                        const char* kick_hook,
                                                        const ScxSettings& scx);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_PROGRAM_CHOICE_H_
